// Collection: documents under keys, each with JSON metadata, an optional body, and a vector in any
// of the collection's named columns.
//
// A Collection is a cheap, copyable handle, safe from any thread. It refers to its Database and
// must not be used after Database::Close (calls then return kFailedPrecondition). If the collection
// was dropped, calls return kNotFound.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/document.h"
#include "vdb/iterator.h"
#include "vdb/options.h"
#include "vdb/search.h"
#include "vdb/status.h"
#include "vdb/write_batch.h"

namespace vdb {

namespace engine {
class DatabaseImpl;
struct SnapshotParts;
}  // namespace engine

/// A column as it is declared.
struct ColumnInfo {
  std::string name;
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  std::string model;
  bool is_default = false;
};

/// Figures of one column.
struct ColumnStats {
  ColumnInfo info;
  uint64_t vector_count = 0;    ///< documents with a vector here
  uint64_t row_count = 0;       ///< rows in segments, dead ones included
  uint64_t segment_count = 0;
  uint64_t segment_bytes = 0;   ///< of row, record and key files up to their watermarks
};

/// Figures of one collection.
struct CollectionStats {
  std::string name;
  uint64_t document_count = 0;
  std::vector<ColumnStats> columns;
};

class Collection {
 public:
  const std::string& name() const { return name_; }

  // --- columns. Each call is one durable step; the other columns are not touched. ---

  /// Declare a column. The first one becomes the default. Errors: kAlreadyExists, kInvalidArgument.
  Status AddColumn(std::string_view column, const ColumnOptions& options);
  /// Drop a column and its vectors; documents stay. Dropping the default leaves none until
  /// SetDefaultColumn, unless exactly one column remains, which then becomes the default.
  Status DropColumn(std::string_view column);
  /// Switch which column a search without a column name uses (a model change), atomically.
  Status SetDefaultColumn(std::string_view column);
  StatusOr<std::vector<ColumnInfo>> Columns() const;

  // --- writes. Durable when they return OK, unless WriteOptions::sync is false. ---

  /// Insert or replace whole. Cost with sync: two rounds of fdatasync, shared with every other
  /// writer of the moment. Errors: kInvalidArgument names collection, column, expected and found.
  StatusOr<WriteResult> Put(const DocumentView& document, const WriteOptions& options = {});
  StatusOr<WriteResult> PutIfAbsent(const DocumentView& document, const WriteOptions& options = {});
  StatusOr<WriteResult> ReplaceIfVersion(const DocumentView& document, uint64_t version,
                                         const WriteOptions& options = {});
  StatusOr<WriteResult> SetVector(std::string_view key, std::string_view column, VectorView values,
                                  const WriteOptions& options = {});
  StatusOr<WriteResult> SetMetadata(std::string_view key, std::string_view metadata,
                                    const WriteOptions& options = {});
  /// kNotFound if there is no such document (nothing is written then).
  StatusOr<WriteResult> Delete(std::string_view key, const WriteOptions& options = {});
  /// Apply a whole batch as one atomic step.
  StatusOr<WriteResult> Write(const WriteBatch& batch, const WriteOptions& options = {});

  // --- reads. They never write and never block writers. ---

  /// The document of `key`, or kNotFound.
  StatusOr<Document> Get(std::string_view key, const ReadOptions& options = {},
                         DocumentParts parts = {}) const;
  /// One entry per key, in order; a missing document is nullopt. One consistent view for all.
  StatusOr<std::vector<std::optional<Document>>> MultiGet(std::span<const std::string_view> keys,
                                                          const ReadOptions& options = {},
                                                          DocumentParts parts = {}) const;
  /// Nearest neighbours of each row of `queries`, exact. Queries must have the column's dimension,
  /// be finite, and not be zero under cosine: else kInvalidArgument naming the query.
  /// A column that nobody has filled gives empty answers. Cost: one pass over the column's rows.
  StatusOr<SearchResult> Search(MatrixView queries, const SearchOptions& options = {}) const;

  /// Documents in the collection. O(1).
  StatusOr<uint64_t> Count(const ReadOptions& options = {}) const;
  StatusOr<DocumentIterator> NewIterator(const ReadOptions& options = {}) const;
  StatusOr<CollectionStats> Stats(const ReadOptions& options = {}) const;

 private:
  friend class Database;
  Collection(std::shared_ptr<engine::DatabaseImpl> impl, uint32_t id, std::string name)
      : impl_(std::move(impl)), id_(id), name_(std::move(name)) {}

  static engine::SnapshotParts PartsOf(const Snapshot* snapshot);

  std::shared_ptr<engine::DatabaseImpl> impl_;
  uint32_t id_;
  std::string name_;
};

}  // namespace vdb
