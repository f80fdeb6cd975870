// A run on a recording file system whose steps the test itself writes, one by one, beside builds,
// compactions and the like; the power cuts that follow; and jobs on a disk that fails. Marks in the
// log as in recorded_run.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/crash/recorded_run.h"

namespace vdb::testing {

/// Writes `changes` and the progress document as the step after those in `states`, between its
/// marks, and adds the state that it leads to.
void WriteStep(RecordingFileSystem* fs, Collection& collection, std::vector<Change> changes,
               bool sync, std::vector<Model>* states);

class SteppedRun {
 public:
  SteppedRun() { states_.emplace_back(); }

  const std::vector<Model>& states() const { return states_; }
  /// Position of the first operation to cut at.
  size_t first() const { return first_; }
  Log log() { return fs_.log(); }

 protected:
  StatusOr<Database> Open() {
    return engine::OpenDatabase(root_ / kDatabaseName, SmallOptions(&fs_));
  }
  /// Opens, and makes the collection and its columns.
  StatusOr<Database> SetUp();
  void Mark(const std::string& text) { fs_.Mark(text); }
  void CutFromHere() { first_ = fs_.size(); }

  void Write(Collection& collection, std::vector<Change> changes, bool sync = true) {
    WriteStep(&fs_, collection, std::move(changes), sync, &states_);
  }
  /// Documents "k`first`" to "k`past - 1`", in one step.
  void Put(Collection& collection, uint64_t first, uint64_t past, size_t body_bytes = 10);
  /// Deletes an old document, replaces one, and adds one, once at each stage. Refers to this object
  /// and to `collection`.
  ProgressCallback WritesAtEachStage(Collection& collection);

 private:
  ScratchDir root_;
  RecordingFileSystem fs_{root_.path()};
  std::vector<Model> states_;
  uint64_t next_ = 0;  // the document that WritesAtEachStage changes next
  std::string last_stage_;
  size_t first_ = 0;
};

/// Cuts the power at every `step`th operation (all in a long run), and expects recoveries.
void ExpectRecoveryAtEveryCut(SteppedRun& run, size_t step);

using OperationFilter = std::function<bool(const Operation&)>;
/// Syncs of files whose path ends so, or of the directory.
OperationFilter SyncOf(const std::string& ending);
OperationFilter SyncDirOf(const std::string& path);

/// The cuts must notice when the operations that `left_out` is true of are missing. It is asked
/// about all operations from the first cut on, marks included, in their order.
void ExpectCutsNotice(SteppedRun& run, const std::string& name, const OperationFilter& left_out);

/// A job on a database of 20 documents, some of them deleted.
struct FailingJob {
  const char* name;
  std::vector<std::string> deleted;
  std::function<Status(Database&)> job;
  size_t step;  ///< fail at every so many operations (all in a long run)
};

/// A disk that fails once, or is full from then on, at operations of a job: a typed error, the same
/// documents, and a job that works when there is room again.
void ExpectFailuresAreHarmless(const FailingJob& failing);

}  // namespace vdb::testing
