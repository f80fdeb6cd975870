// View: what one read sees. Made under the commit mutex, swapped as one pointer, immutable.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engine/index_files.h"
#include "format/manifest.h"
#include "storage/delete_mask.h"
#include "storage/rocksdb/document_store.h"
#include "storage/segment.h"

namespace vdb::engine {

/// A segment up to its watermark, with its dead rows.
struct SegmentView {
  std::shared_ptr<const storage::Segment> segment;
  format::WatermarkRecord mark;
  std::shared_ptr<const storage::DeleteMask> mask;  // null: none is dead
  bool sealed = false;
  std::shared_ptr<const IndexFile> index = {};  // null: none
};

/// A shared flock on a manifest: its generation's files stay. Unlocked, then closed.
struct ViewPin {
  std::unique_ptr<storage::File> file;
  std::unique_ptr<storage::FileLock> lock;
};

/// The segments of one column, ascending by id; the last may be open.
struct ColumnView {
  std::vector<SegmentView> segments;
  std::shared_ptr<const EpochFile> epoch;  // null: the column has no index
};

class View {
 public:
  // Declared first, so that they outlive what refers to them.
  std::shared_ptr<const void> token;                // the database counts its live views by it
  std::shared_ptr<const void> pin;                  // readers: keeps the generation's files
  std::shared_ptr<storage::DocumentStore> store;

  std::chrono::steady_clock::time_point looked_at = std::chrono::steady_clock::now();
  uint64_t batch = 0;
  uint64_t tombstones = 0;
  std::shared_ptr<const format::Manifest> manifest;
  uint64_t manifest_checksum = 0;  // of its file, as CURRENT has it
  std::shared_ptr<const storage::StoreSnapshot> snapshot;
  std::map<uint32_t, std::shared_ptr<const ColumnView>> columns;  // by id; absent: never filled

  const ColumnView* FindColumn(uint32_t id) const {
    const auto found = columns.find(id);
    return found == columns.end() ? nullptr : found->second.get();
  }
};

class DatabaseImpl;

/// What a Snapshot holds; empty for none.
struct SnapshotParts {
  const DatabaseImpl* database = nullptr;
  std::shared_ptr<const View> view;
};

/// A row of a column: where a docno lives.
struct RowAddress {
  const SegmentView* segment = nullptr;
  uint64_t row = 0;
};

/// The row of `docno` in a column, or a null segment.
StatusOr<RowAddress> FindRow(const ColumnView* column, uint64_t docno);

}  // namespace vdb::engine
