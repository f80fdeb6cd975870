// The rows of a repair: which segments stay as they are, and new segments for the good rows of the
// others.
//
// Documents decide which rows live. A row counts if its checksum holds with the key of the document
// that claims it, so that neither .keys nor .order nor masks are needed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/repair_source.h"
#include "engine/view.h"

namespace vdb::engine {

class RepairSegments {
  struct Part;    // a segment of the old state
  struct Output;  // a segment being written, one a column

 public:
  /// Both must outlive it. `next_segment_id`: of the first new one.
  RepairSegments(RepairRun* run, const RepairSource& source, uint64_t next_segment_id)
      : run_(run), source_(source), next_segment_id_(next_segment_id) {}

  /// Looks at every file of every segment, and opens what can be opened.
  Status Judge();

  enum class Claim { kGood, kDead, kLost };
  struct Claimed {
    Claim claim = Claim::kLost;
    std::string file;      // where it is, or (kLost) was, as far as that is known
    Part* part = nullptr;
    uint64_t row = 0;
  };
  /// Looks for the row of a document in a column. kDead: it is there, but marked as dead.
  StatusOr<Claimed> Find(uint32_t column_id, std::string_view key, uint64_t docno);
  /// The row lives: it is written anew if its segment does not stay.
  Status Keep(const Claimed& claimed, std::string_view key);

  /// Once, after the last Keep: names rows that no document has, writes masks, seals. `generation`:
  /// of the new state. `is_newer`: whether a key's document is there, with a higher docno.
  using IsNewer = std::function<bool(uint32_t collection_id, std::string_view key,
                                     uint64_t docno)>;
  Status Finish(uint64_t generation, const IsNewer& is_newer);

  /// After Finish: what the new manifest says.
  const std::vector<format::SegmentEntry>& entries() const { return entries_; }
  const std::vector<format::EpochEntry>& epochs() const { return epochs_; }
  uint64_t next_segment_id() const { return next_segment_id_; }
  /// The highest docno of any row.
  uint64_t docno_max() const { return docno_max_; }
  /// What new segments will take at most.
  uint64_t bytes_needed() const { return bytes_needed_; }

 private:
  Status JudgeOne(const format::SegmentEntry& entry);
  Status JudgeEpochs();
  bool ReadMark(Part* part);
  bool IsWhole(Part* part);
  Status OpenForSalvage(Part* part, bool marked);
  void ReadMask(Part* part);
  void JudgeIndex(Part* part);
  bool ReadRow(const Part& part, uint64_t row, std::string_view key, format::RowRecord* record,
               std::vector<float>* values) const;
  StatusOr<bool> FindIn(Part* part, std::string_view key, uint64_t docno, Claimed* claimed) const;
  Status Append(const Part& part, uint64_t row, std::string_view key);
  Status FlushOutput(Output* output);
  Status OpenOutput(Output* output, const storage::SegmentCapacity& needed);
  Status SealOutput(Output* output);
  Status NameOrphans(const Part& part, const IsNewer& is_newer) const;
  StatusOr<bool> WasDead(const Part& part, uint64_t row, uint64_t docno) const;
  Status FinishMask(Part* part, uint64_t generation);

  RepairRun* const run_;
  const RepairSource& source_;
  uint64_t next_segment_id_;
  uint64_t docno_max_ = 0;
  uint64_t bytes_needed_ = 0;
  std::vector<std::shared_ptr<Part>> parts_;
  std::map<uint32_t, std::vector<Part*>> by_column_;
  std::map<uint32_t, std::shared_ptr<Output>> outputs_;
  std::map<uint64_t, format::TombstoneRecord> tombstones_;
  std::vector<format::EpochEntry> epochs_;
  std::map<uint64_t, std::shared_ptr<const EpochFile>> epoch_files_;  // good ones
  std::vector<format::SegmentEntry> entries_;
};

}  // namespace vdb::engine
