// See fail_operation.h.
#include "tests/crash/fail_operation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "format/status_macros.h"

namespace vdb::testing {
namespace {

constexpr size_t kNever = SIZE_MAX;

// Plants one failure, and knows how many operations it could have hit. Called under the lock of the
// file system.
class Planter {
 public:
  Planter(FaultKind kind, size_t at) : kind_(kind), at_(at) {}

  void Arm() { armed_ = true; }
  size_t candidates() const { return candidates_; }
  bool planted() const { return planted_; }

  Verdict operator()(const Operation& op) {
    if (!armed_) return {};
    if (op.kind == OpKind::kSync && lost_.contains(op.file)) return {Verdict::Action::kSkip};
    if (!IsCandidate(op)) return {};
    const size_t number = candidates_++;
    const bool for_ever = kind_ == FaultKind::kErrorForEver || kind_ == FaultKind::kFullDisk ||
                          kind_ == FaultKind::kSyncsForEver;
    if (for_ever ? number < at_ : number != at_) return {};
    planted_ = true;
    if (kind_ == FaultKind::kFailedSync && op.kind == OpKind::kSync) lost_.insert(op.file);
    const bool half = kind_ == FaultKind::kShortWrite || kind_ == FaultKind::kFullDisk;
    return {half ? Verdict::Action::kShort : Verdict::Action::kFail, Error(op)};
  }

 private:
  bool IsCandidate(const Operation& op) const {
    switch (kind_) {
      case FaultKind::kShortWrite: return op.kind == OpKind::kWrite;
      case FaultKind::kFullDisk:
        return op.kind == OpKind::kCreate || op.kind == OpKind::kWrite ||
               op.kind == OpKind::kMakeDir;
      case FaultKind::kFailedSync:
      case FaultKind::kSyncsForEver:
        return op.kind == OpKind::kSync || op.kind == OpKind::kSyncDir;
      default: return true;
    }
  }
  Status Error(const Operation& op) const {
    const std::string where = "planted in '" + op.ToString() + "': ";
    if (kind_ == FaultKind::kNoSpaceOnce || kind_ == FaultKind::kFullDisk) {
      return Status::ResourceExhausted(where + "No space left on device");
    }
    return Status::IoError(where + "Input/output error");
  }

  const FaultKind kind_;
  const size_t at_;
  bool armed_ = false, planted_ = false;
  size_t candidates_ = 0;
  std::set<uint64_t> lost_;  // files whose syncs lie since one of them failed
};

// kOk: nothing that matters failed, as the removal of an old file.
bool IsTyped(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
    case StatusCode::kIoError:
    case StatusCode::kResourceExhausted:
    case StatusCode::kOutcomeUnknown:
    case StatusCode::kFailedPrecondition: return true;
    default: return false;
  }
}

class Explorer {
 public:
  explicit Explorer(const FaultScenario& scenario) : scenario_(scenario) {}

  Status Prepare() {
    ScratchDir root;
    start_.root = root.path();
    VDB_RETURN_IF_ERROR(scenario_.prepare(start_));
    start_.promise.bounds.min = start_.promise.bounds.max = start_.state;
    image_ = DurableImage(root.path());
    return Status::Ok();
  }

  // How many operations a failure of this kind can hit; SIZE_MAX: the run failed on a healthy disk.
  size_t Count(FaultKind kind) {
    ScratchDir root;
    Planter planter(kind, kNever);
    const Status done = RunIn(root.path(), &planter).status;
    EXPECT_TRUE(done.ok()) << scenario_.name << ", on a healthy disk: " << done.ToString();
    return done.ok() ? planter.candidates() : kNever;
  }

  // Whether there was an operation number `at`.
  bool Explore(FaultKind kind, size_t at, FaultCounts* counts) {
    SCOPED_TRACE(scenario_.name + ", " + std::string(FaultKindName(kind)) + " at operation " +
                 std::to_string(at + 1));
    ScratchDir root;
    Planter planter(kind, at);
    const Outcome outcome = RunIn(root.path(), &planter);
    if (!planter.planted()) return false;
    ++counts->failures;
    counts->noticed += outcome.status.ok() ? 0 : 1;
    EXPECT_TRUE(IsTyped(outcome.status)) << outcome.status.ToString();
    const std::string then = outcome.status.ToString() + ", then ";
    const bool lost = kind == FaultKind::kFailedSync;
    if (LongRun() || (at % 2 == 0 && !lost)) {  // else the page cache knows better
      const Status good = Check(root.path(), outcome);
      EXPECT_TRUE(good.ok()) << then << good.ToString();
      ++counts->checks;
    }
    if (LongRun() || at % 2 != 0 || lost) {  // and with the page cache gone too
      ScratchDir after_cut;
      CutPowerAt(outcome.log, outcome.log.size(), AllPolicies(at)[0], after_cut.path());
      const Status good = Check(after_cut.path(), outcome);
      EXPECT_TRUE(good.ok()) << then << "a power cut: " << good.ToString();
      ++counts->checks;
    }
    return true;
  }

 private:
  struct Outcome {
    Status status;
    World world;
    Log log;
  };

  Outcome RunIn(const std::string& root, Planter* planter) const {
    CutPowerAt(image_, image_.size(), {}, root);
    RecordingFileSystem fs(root, image_);
    fs.SetHook([planter](const Operation& op, size_t) { return (*planter)(op); });
    Outcome outcome;
    outcome.world = start_;
    outcome.world.root = root;
    outcome.world.fs = &fs;
    outcome.world.arm = [planter] { planter->Arm(); };
    outcome.status = scenario_.run(outcome.world);
    outcome.log = fs.log();
    return outcome;
  }

  Status Check(const std::string& root, const Outcome& outcome) const {
    VDB_ASSIGN_OR_RETURN(const World after, CheckAfter(scenario_, start_, root, true));
    return outcome.world.promise.Judge(after.state, after.found);
  }

  const FaultScenario& scenario_;
  World start_;
  Log image_;
};

}  // namespace

std::string_view FaultKindName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kErrorOnce: return "EIO once";
    case FaultKind::kErrorForEver: return "EIO for ever";
    case FaultKind::kNoSpaceOnce: return "ENOSPC once";
    case FaultKind::kFullDisk: return "a full disk";
    case FaultKind::kShortWrite: return "a short write";
    case FaultKind::kFailedSync: return "a failed sync";
    case FaultKind::kSyncsForEver: return "failing syncs";
  }
  return "?";
}

void Promise::Apply(const std::string& text) {
  bounds.Apply({OpKind::kMark, text, "", 0, 0, ""});
  const size_t blank = text.find(' ');
  const std::string word = text.substr(0, blank);
  const std::string name = blank == std::string::npos ? "" : text.substr(blank + 1);
  if (word == "may" || word == "must") may.insert(name);
  if (word == "must") must.insert(name);
  if (word == "let" || word == "not") must.erase(name);
  if (word == "not") may.erase(name);
}

Status Promise::Judge(size_t state, const std::set<std::string>& found) const {
  if (state < bounds.min || state > bounds.max) {
    return Status::Corruption("WRONG: state " + std::to_string(state) + " is there, of " +
                              std::to_string(bounds.min) + " to " + std::to_string(bounds.max));
  }
  for (const std::string& name : found) {
    if (!may.contains(name)) return Status::Corruption("WRONG: there is " + name);
  }
  for (const std::string& name : must) {
    if (!found.contains(name)) return Status::Corruption("WRONG: " + name + " is gone");
  }
  return Status::Ok();
}

StatusOr<World> CheckAfter(const FaultScenario& scenario, const World& start,
                           const std::string& root, bool again) {
  World world = start;
  world.root = root;
  world.found.clear();
  if (!scenario.only_finished) VDB_RETURN_IF_ERROR(scenario.check(world, false));
  if (!again && !scenario.only_finished) return world;
  World next = world;
  const Status done = scenario.run(next);
  if (!done.ok()) return Status(done.code(), "again: " + done.message());
  next.found.clear();
  const Status still = scenario.check(next, true);
  if (!still.ok()) return Status(still.code(), "after another run: " + still.message());
  return world;
}

FaultCounts FailEverywhere(const FaultScenario& scenario, std::span<const FaultKind> kinds,
                           uint64_t seed) {
  FaultCounts counts;
  Explorer explorer(scenario);
  const Status prepared = explorer.Prepare();
  EXPECT_TRUE(prepared.ok()) << scenario.name << ": " << prepared.ToString();
  if (!prepared.ok()) return counts;
  counts.operations = explorer.Count(FaultKind::kErrorOnce);
  if (counts.operations == kNever) return counts;
  std::mt19937_64 random(seed);
  size_t turn = 0;
  for (const FaultKind kind : kinds) {
    if (LongRun()) {
      for (size_t at = 0; explorer.Explore(kind, at, &counts); ++at) {
        if (::testing::Test::HasFailure()) return counts;
      }
      continue;
    }
    if (turn++ % ((Thinning() + 4) / 5) != 0) continue;
    // Not all of these are counted: a place beyond the last candidate is tried again, halved.
    size_t at = random() % counts.operations;
    while (!explorer.Explore(kind, at, &counts) && at > 0) at /= 2;
    if (::testing::Test::HasFailure()) return counts;
  }
  return counts;
}

void AddStep(Workload* workload, std::vector<Change> changes, bool sync) {
  if (workload->states.empty()) workload->states.emplace_back();
  Model model = workload->states.back();
  Change progress = {Change::Kind::kPut, "progress", {}};
  progress.document.metadata =
      R"({"n":)" + std::to_string(workload->steps.size() + 1) + "}";
  changes.push_back(std::move(progress));
  for (const Change& change : changes) Apply(change, &model);
  workload->steps.push_back({std::move(changes), sync});
  workload->states.push_back(std::move(model));
}

}  // namespace vdb::testing
