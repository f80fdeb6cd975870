// Segment: the rows of one vector column, in three append-only files that grow together: unit
// vectors (.npy), row records (.rows) and keys (.keys), mapped for reading.
//
// How many rows count is not the segment's business: the engine keeps the watermark, and readers
// ask only for rows below the one of their view. Rows past it are garbage that the next append
// overwrites. Invariants: bytes below a committed watermark never change; a sealed segment's files
// never change. Threads: reads from any thread beside one appender; Append, Seal and ResetTo from
// one thread at a time; a sync may run beside an append. After Seal the engine reads through a new
// object.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/document_record.h"
#include "format/frame.h"
#include "format/manifest.h"
#include "format/segment_layout.h"
#include "storage/file_system.h"

namespace vdb::storage {

/// A row to append.
struct NewRow {
  uint64_t docno = 0;
  double norm = 0;
  const float* unit = nullptr;  // [dimension]
  std::string_view key;
};

/// How much a segment can take. Mapped in full; the files grow as rows come.
struct SegmentCapacity {
  uint64_t rows = 0;
  uint64_t key_bytes = 0;
};

class Segment {
 public:
  /// Makes the three files, durable but for their directory entries.
  static StatusOr<std::shared_ptr<Segment>> Create(FileSystem& fs, const std::string& directory,
                                                   const format::SegmentIdentity& identity,
                                                   const SegmentCapacity& capacity);

  /// Opens files of which `rows` and `key_bytes` are needed (a watermark, or what the manifest says
  /// of a sealed segment). With `for_append` they are opened read-write and mapped with room to
  /// grow. kCorruption if a file is shorter, or a header page is not this segment's.
  struct OpenOptions {
    uint64_t rows = 0;
    uint64_t key_bytes = 0;
    uint64_t sorted_rows = 0;
    bool sealed = false;
    bool for_append = false;
    SegmentCapacity capacity = {};  // with for_append: at least this, the present size if larger
    bool recovering = false;  // only MakeTailDurable will be called
  };
  static StatusOr<std::shared_ptr<Segment>> Open(FileSystem& fs, const std::string& directory,
                                                 const format::SegmentIdentity& identity,
                                                 const OpenOptions& options);

  const format::SegmentIdentity& identity() const { return identity_; }
  uint64_t id() const { return identity_.segment_id; }

  // --- reading; `row` must be below a watermark that this segment was opened for or has reached
  // ---

  const float* rows() const;                  // [rows x dimension]
  const format::RowRecord* records() const;
  std::string_view KeyOf(uint64_t row, uint64_t key_bytes) const;  // empty if out of bounds

  /// Compares the row's checksum; kCorruption names file and row.
  Status CheckRow(uint64_t row, uint64_t key_bytes) const;

  /// Row numbers by ascending docno, of a sealed segment whose rows are not in that order; else
  /// null. As in the file: check each before it is used.
  const uint32_t* order() const {
    return has_order_ ? reinterpret_cast<const uint32_t*>(order_->data() + format::kFrameBytes)
                      : nullptr;
  }

  /// Gives the memory of what was read so far back to the system (Mapping::Release).
  void Release() const;
  /// Mapping::ExpectJumps of its files, and Prefetch of a row's floats.
  void ExpectJumps(bool jumps) const;
  void PrefetchRow(uint64_t row) const;

  /// The row of a docno below `watermark.rows`, or nothing.
  StatusOr<std::optional<uint64_t>> FindDocno(uint64_t docno,
                                              const format::WatermarkRecord& watermark) const;

  // --- appending ---

  uint64_t next_row() const { return next_row_; }
  uint64_t next_key_byte() const { return next_key_byte_; }
  bool HasRoom(const SegmentCapacity& needed) const {
    return next_row_ + needed.rows <= row_capacity_ &&
           next_key_byte_ + needed.key_bytes <= key_capacity_;
  }

  /// Writes rows at next_row(), not durable. On an error next_row() is unchanged.
  Status Append(std::span<const NewRow> rows);
  /// Forget rows after the watermark; the next Append overwrites them.
  void ResetTo(uint64_t rows, uint64_t key_bytes);
  /// Rows below are referred to by the document store and never overwritten: bounds the hint.
  void SetCommitted(uint64_t rows) { committed_rows_ = rows; }

  /// Whether anything was appended since the last good sync.
  bool dirty() const { return writes_.load() != synced_writes_.load(); }
  /// A sync in parts, so that several threads can share it: Begin, every part once, End. The caller
  /// lets no two syncs of a segment, and no ResetTo beside a sync, happen.
  struct SyncMark {
    uint64_t writes = 0;
    uint64_t rows = 0;
  };
  static constexpr int kSyncParts = 3;
  SyncMark BeginSync() const { return {writes_.load(), written_rows_.load()}; }
  Status SyncPart(int part);
  void EndSync(const SyncMark& mark);

  /// After an unclean stop, before RocksDB is opened: checks the rows that may not be durable,
  /// rewrites the same bytes in place and syncs. Returns how many leading rows are whole and
  /// durable.
  StatusOr<uint64_t> MakeTailDurable();

  /// Cuts the files at the watermark, writes the final header, block sums and, where needed, the
  /// order file; everything durable but directory entries. Fills in the manifest's entry.
  Status Seal(const format::WatermarkRecord& watermark, format::SegmentEntry* entry);

 private:
  Segment(FileSystem& fs, std::string directory, format::SegmentIdentity identity);

  std::string PathOf(format::SegmentFile file) const;
  Status OpenFiles(OpenMode mode);
  Status MapFiles();
  Status CheckHeaders() const;
  Status WriteHint();
  Status LowerHint(uint64_t rows);
  StatusOr<std::unique_ptr<Mapping>> WriteOrder(uint64_t rows);
  Status WriteSums(const format::SegmentEntry& entry, const Mapping* order, uint64_t* checksum);
  std::optional<uint64_t> FindSorted(uint64_t docno, uint64_t rows) const;
  StatusOr<std::optional<uint64_t>> FindByOrder(uint64_t docno, uint64_t rows) const;
  std::optional<uint64_t> FindInTail(uint64_t docno, const format::WatermarkRecord& mark) const;

  FileSystem& fs_;
  std::string directory_;
  format::SegmentIdentity identity_;
  uint64_t row_capacity_ = 0;
  uint64_t key_capacity_ = 0;
  bool has_order_ = false;
  std::unique_ptr<File> files_[3];          // kRows, kRecords, kKeys
  std::unique_ptr<Mapping> mappings_[3];
  std::unique_ptr<Mapping> order_;

  uint64_t next_row_ = 0;
  uint64_t next_key_byte_ = 0;
  uint64_t hinted_rows_ = 0;
  std::atomic<uint64_t> committed_rows_{0};
  std::atomic<uint64_t> writes_{0};  // appends so far
  std::atomic<uint64_t> synced_writes_{0};
  std::atomic<uint64_t> written_rows_{0};
  std::atomic<uint64_t> synced_rows_{0};

  // Rows past the sorted prefix by docno, built on first use: only columns that were filled after
  // their documents have such rows.
  mutable std::mutex tail_mutex_;
  mutable std::unordered_map<uint64_t, uint64_t> tail_;
  mutable uint64_t tail_past_ = 0;
};

/// Rows of a segment before it is sealed: 256 MiB of vectors, at least 64 and at most 2^20 rows.
uint64_t DefaultRowCapacity(uint32_t dimension);
/// The same for its keys.
inline constexpr uint64_t kKeyCapacityBytes = 256u << 20;

}  // namespace vdb::storage
