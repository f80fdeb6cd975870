// Collection: documents under keys, each with JSON metadata, an optional body, and a vector in any
// of the collection's named columns.
//
// A Collection is a cheap, copyable handle, safe from any thread. It refers to its Database and
// must not be used after Database::Close (calls then return kFailedPrecondition). If the collection
// was dropped, calls return kNotFound.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/document.h"
#include "vdb/filter.h"
#include "vdb/iterator.h"
#include "vdb/options.h"
#include "vdb/query.h"
#include "vdb/search.h"
#include "vdb/status.h"
#include "vdb/write_batch.h"

namespace vdb {

namespace engine {
class CollectionAccess;
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

/// Figures of a column's vector index.
struct IndexStats {
  uint64_t epoch_id = 0;
  uint64_t list_count = 0;
  uint64_t indexed_row_count = 0;   ///< rows with codes, dead ones included
  uint64_t unindexed_row_count = 0; ///< rows searched as float32 until the next build
  uint64_t trained_row_count = 0;   ///< rows in the column when the epoch was trained
  uint64_t index_bytes = 0;         ///< of index files and epoch
  uint64_t damaged_segment_count = 0;  ///< found damaged since the open; searched as float32
  double imbalance_ratio = 0;       ///< mean list length seen by a row / mean list length; 1: even
  double residual_ratio = 0;        ///< mean residual of rows added since / of those trained on
  std::vector<double> recalls_proven;  ///< targets that calibration can answer without brute force
  uint64_t calibration_query_count = 0;
  bool stale = false;               ///< drifted: a rebuild is advised (see `advice`)
  std::string advice;               ///< what to do, or empty
  uint64_t shadow_query_count = 0;  ///< live queries that were run again exactly
  double shadow_recall = 0;         ///< their observed recall; 0 if there are none
};

/// Figures of one column.
struct ColumnStats {
  ColumnInfo info;
  uint64_t vector_count = 0;    ///< documents with a vector here
  uint64_t row_count = 0;       ///< rows in segments, dead ones included
  uint64_t segment_count = 0;
  uint64_t segment_bytes = 0;   ///< of row, record and key files up to their watermarks
  std::optional<IndexStats> index;  ///< none: every search is exact
};

/// For Collection::BuildIndex.
struct IndexOptions {
  std::string column = {};     ///< empty: the default column
  uint32_t list_count = 0;     ///< inverted lists; 0: by the number of rows
  bool retrain = false;        ///< train anew although an epoch that still fits is there
  uint32_t thread_count = 0;   ///< 0: all cores
  /// Queries like those to come, to calibrate on: row-major, of the column's dimension. Empty:
  /// stored rows stand in for queries, each left out of its own answer.
  MatrixView queries = {};
  ProgressCallback progress = {};
};

/// What a build did.
struct IndexReport {
  uint64_t epoch_id = 0;
  bool trained = false;             ///< false: the existing epoch took the new rows in
  uint64_t list_count = 0;
  uint64_t row_count = 0;           ///< rows written
  uint64_t segment_count = 0;       ///< segments written
  uint64_t index_bytes = 0;         ///< written for the index alone
  uint64_t memory_bytes_peak = 0;   ///< the most that the build held at once, mapped files left out
  double train_ms = 0, assign_ms = 0, write_ms = 0, sync_ms = 0, calibrate_ms = 0;
  std::vector<double> recalls_proven;
};

/// A field index as it is declared.
struct FieldIndexInfo {
  std::string field;  ///< path, as in vdb/filter.h; text indexes also "$body"
  FieldIndexKind kind = FieldIndexKind::kOrdered;
  bool ready = false;  ///< false: its build was cut short; AddFieldIndex again, or drop it
};

/// For Collection::AddFieldIndex.
struct FieldIndexOptions {
  std::string field = {};
  FieldIndexKind kind = FieldIndexKind::kOrdered;
  ProgressCallback progress = {};
};

/// What a field index build did.
struct FieldIndexReport {
  uint64_t document_count = 0;
  uint64_t entry_count = 0;
  double build_ms = 0;
};

/// Figures of one collection.
struct CollectionStats {
  std::string name;
  uint64_t document_count = 0;
  std::vector<ColumnStats> columns;
  std::vector<FieldIndexInfo> field_indexes;
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
  /// Nearest neighbours of each row of `queries`: exact without an index, else to the goal in
  /// `options`. Queries must have the column's dimension, be finite, and not be zero under cosine:
  /// else kInvalidArgument naming the query. A column that nobody has filled gives empty answers.
  /// Cost: without an index one pass over the column's rows; exact with one, a pass over about an
  /// eighth of their bytes; else a few hundred to a few thousand codes, and the float32 rows that
  /// were not indexed yet.
  StatusOr<SearchResult> Search(MatrixView queries, const SearchOptions& options = {}) const;

  /// Everything else a query can ask (vdb/query.h, docs/queries.md): several vectors and columns,
  /// words, lists in the order of a field, pages, groups, diversity, parts of documents.
  StatusOr<QueryResult> Query(const QueryRequest& request) const;

  // --- the vector index: inverted lists and quantized codes (docs/architecture.md, Index) ---

  /// Build or bring up to date the index of a column: trains an epoch if there is none or the data
  /// drifted, then rewrites the rows that are not indexed list by list, and publishes both in one
  /// step. Blocks this caller only; reads and writes go on meanwhile, and rows written meanwhile
  /// are searched as float32 until the next build. A crash or cancellation leaves the old state.
  /// Needs free disk for a copy of the rows it rewrites. Errors: kFailedPrecondition (another build
  /// runs, read-only), kCancelled, kResourceExhausted, kNotFound.
  StatusOr<IndexReport> BuildIndex(const IndexOptions& options = {});
  /// Drop a column's index; its rows stay, and searches are exact again. kNotFound: it has none.
  Status DropIndex(std::string_view column = {});

  // --- field indexes: metadata fields (or words of a text) in order, beside the documents ---

  /// Declare a field index and build it while reads and writes go on; from its first step on every
  /// write keeps it up in the same atomic batch, and filters use it once it is ready. A build that
  /// was cut short (crash, cancellation) goes on with the next call for the field. Without an
  /// index a filter reads all documents. Errors: kAlreadyExists (ready), kInvalidArgument,
  /// kFailedPrecondition (read-only, another build of it runs), kCancelled, kResourceExhausted.
  StatusOr<FieldIndexReport> AddFieldIndex(const FieldIndexOptions& options);
  /// kNotFound: there is none.
  Status DropFieldIndex(std::string_view field, FieldIndexKind kind = FieldIndexKind::kOrdered);
  StatusOr<std::vector<FieldIndexInfo>> FieldIndexes() const;

  /// Documents in the collection. O(1).
  StatusOr<uint64_t> Count(const ReadOptions& options = {}) const;
  /// Documents that match. Cost: reads index entries of the filter's predicates, or all documents.
  StatusOr<uint64_t> Count(const Filter& filter, const ReadOptions& options = {}) const;
  /// Delete all documents that match now, in batches of at most a few thousand, each atomic;
  /// documents that were changed since are looked at again before they go. Returns how many went.
  StatusOr<uint64_t> DeleteWhere(const Filter& filter, const WriteOptions& options = {});
  StatusOr<DocumentIterator> NewIterator(const ReadOptions& options = {}) const;
  StatusOr<CollectionStats> Stats(const ReadOptions& options = {}) const;

 private:
  friend class Database;
  friend class engine::CollectionAccess;
  Collection(std::shared_ptr<engine::DatabaseImpl> impl, uint32_t id, std::string name)
      : impl_(std::move(impl)), id_(id), name_(std::move(name)) {}

  static engine::SnapshotParts PartsOf(const Snapshot* snapshot);

  std::shared_ptr<engine::DatabaseImpl> impl_;
  uint32_t id_;
  std::string name_;
};

}  // namespace vdb
