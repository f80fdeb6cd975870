// What flows through an import: chunks of the source as they were read, and batches made of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vdb/document.h"
#include "vdb/write_batch.h"

namespace vdb::engine {

/// Where a source stands: behind everything read so far. A place is what messages name (a line
/// from 1 on, a row from 0 on); the offset is the source's own.
struct ImportPosition {
  uint64_t offset = 0;
  uint64_t place = 0;
  uint64_t rows = 0;  // records before it, good or bad
};

/// A piece of the source that becomes one batch. Which fields are filled is the source's business.
struct ImportChunk {
  std::string bytes;
  std::vector<Document> documents;
  uint64_t row_count = 0;
  ImportPosition begin, end;
  uint64_t file_bytes = 0;  // of the file that it stands for

  void Clear() {
    bytes.clear();
    documents.clear();
    row_count = file_bytes = 0;
    begin = end = {};
  }
};

/// A row that did not become a document.
struct RejectedRow {
  uint64_t place = 0;
  std::string reason;
  std::string content;  // of the row, as the quarantine keeps it: a JSON value
};

/// The changes of a chunk.
struct ImportBatch {
  WriteBatch changes;
  std::vector<uint64_t> places;         // of each change
  std::vector<RejectedRow> rejected;    // ascending by place
  /// Columns that the changes use: name, dimension, each pair once.
  std::vector<std::pair<std::string, uint32_t>> columns;
  ImportPosition begin, end;            // of its chunk
  uint64_t file_bytes = 0;

  void Clear() {
    changes.Clear();
    places.clear();
    rejected.clear();
    columns.clear();
    begin = end = {};
    file_bytes = 0;
  }
  void Put(const DocumentView& document, uint64_t place) {
    for (const NamedVector& vector : document.vectors) {
      AddColumn(vector.column, static_cast<uint32_t>(vector.values.size()));
    }
    changes.Put(document);
    places.push_back(place);
  }
  void Reject(uint64_t place, std::string reason, std::string content) {
    rejected.push_back({place, std::move(reason), std::move(content)});
  }

 private:
  void AddColumn(std::string_view name, uint32_t dimension) {
    for (const auto& column : columns) {
      if (column.second == dimension && column.first == name) return;
    }
    columns.emplace_back(name, dimension);
  }
};

}  // namespace vdb::engine
