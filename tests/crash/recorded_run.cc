// See recorded_run.h.
#include "tests/crash/recorded_run.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/status_macros.h"

namespace vdb::testing {
namespace {

Status RunSteps(RecordingFileSystem* fs, Database* database, const Workload& workload) {
  VDB_RETURN_IF_ERROR(MakeCollection(database));
  fs->Mark("set up");
  VDB_ASSIGN_OR_RETURN(Collection collection, database->OpenCollection(kCollection));
  for (size_t n = 1; n <= workload.steps.size(); ++n) {
    const Step& step = workload.steps[n - 1];
    fs->Mark("begin " + std::to_string(n));
    VDB_RETURN_IF_ERROR(collection.Write(ToBatch(step), {.sync = step.sync}).status());
    fs->Mark("ack " + std::to_string(n) + (step.sync ? " sync" : ""));
  }
  return Status::Ok();
}

// The step after recovery: new documents with new rows, and one that replaces an old one.
Step FurtherStep(const Model& model) {
  Step step;
  for (uint64_t i = 0; i < 5; ++i) {
    step.changes.push_back({Change::Kind::kPut, "new" + std::to_string(i), MakeDocument(i, 20)});
  }
  if (!model.empty()) {
    step.changes.push_back({Change::Kind::kPut, model.begin()->first, MakeDocument(99)});
  }
  return step;
}

Status WriteFurther(Database* database, Model* model) {
  VDB_RETURN_IF_ERROR(MakeCollection(database));
  VDB_ASSIGN_OR_RETURN(Collection collection, database->OpenCollection(kCollection));
  const Step further = FurtherStep(*model);
  VDB_RETURN_IF_ERROR(collection.Write(ToBatch(further)).status());
  for (const Change& change : further.changes) Apply(change, model);
  return CheckModel(*database, *model);
}

}  // namespace

Log Record(const Workload& workload, const RunOptions& options) {
  ScratchDir root;
  RecordingFileSystem fs(root.path());
  auto database = engine::OpenDatabase(root / kDatabaseName, SmallOptions(&fs));
  EXPECT_TRUE(database.ok()) << database.status().ToString();
  if (!database.ok()) return fs.log();
  const Status done = RunSteps(&fs, &*database, workload);
  EXPECT_TRUE(done.ok()) << done.ToString();
  if (options.flush_at_end) {
    const Status flushed = database->Flush();
    EXPECT_TRUE(flushed.ok()) << flushed.ToString();
    fs.Mark("durable " + std::to_string(workload.steps.size()));
  }
  Log log = fs.log();
  const Status closed = database->Close();
  EXPECT_TRUE(closed.ok()) << closed.ToString();
  return options.close ? fs.log() : log;
}

void Bounds::Apply(const Operation& operation) {
  if (operation.kind != OpKind::kMark) return;
  const std::string& text = operation.path;
  const size_t blank = text.find(' ');
  const std::string word = text.substr(0, blank);
  if (word != "begin" && word != "ack" && word != "durable") return;
  const size_t n = std::stoul(text.substr(blank + 1));
  if (word == "begin") max = std::max(max, n);
  if (word == "durable" || text.ends_with(" sync")) min = std::max(min, n);
}

StatusOr<size_t> CheckRecovery(const std::string& root, const std::vector<Model>& states,
                               const Bounds& bounds) {
  const std::string path = root + "/" + kDatabaseName;
  VDB_ASSIGN_OR_RETURN(Database database, engine::OpenDatabase(path, SmallOptions()));
  VDB_ASSIGN_OR_RETURN(const size_t state, CheckState(database, states, bounds.min, bounds.max));
  Model model = states[state];
  const Status written = WriteFurther(&database, &model);
  if (!written.ok()) {
    return Status(written.code(), "after more writes: " + written.message());
  }
  VDB_RETURN_IF_ERROR(database.Close());
  VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(path));
  const Status reread = CheckModel(reader, model);
  if (!reread.ok()) return Status(reread.code(), "read-only: " + reread.message());
  return state;
}

std::string CutReport::ToString() const {
  std::string text = std::to_string(cut_count) + " cuts";
  for (const auto& violation : violations) text += "\n  " + violation;
  return text;
}

CutReport CutEverywhere(const Log& log, const std::vector<Model>& states,
                        const CutOptions& options) {
  CutReport report;
  DiskModel disk;
  Bounds bounds;
  size_t turn = 0, candidates = 0;
  for (size_t i = 0; i <= log.size(); ++i) {
    const bool mark = i < log.size() && log[i].kind == OpKind::kMark;
    const bool wanted = i == log.size() || !options.only_before || options.only_before(log[i]);
    if (i >= options.first && !mark && wanted && candidates++ % options.step == 0) {
      const auto policies = options.policies(options.seed + i);
      for (size_t p = 0; p < options.policies_per_cut; ++p) {
        const CutPolicy& policy = policies[turn++ % policies.size()];
        ScratchDir root;
        disk.Materialise(policy, root.path());
        const auto state = CheckRecovery(root.path(), states, bounds);
        ++report.cut_count;
        if (state.ok()) continue;
        report.violations.push_back(
            "cut at " + std::to_string(i) + " (" +
            (i < log.size() ? "before " + log[i].ToString() : "at the end") + "), " +
            policy.ToString() + ", states " + std::to_string(bounds.min) + " to " +
            std::to_string(bounds.max) + ": " + state.status().ToString());
        if (report.violations.size() >= options.violation_count_max) return report;
      }
    }
    if (i == log.size()) break;
    disk.Apply(log[i]);
    bounds.Apply(log[i]);
  }
  return report;
}

}  // namespace vdb::testing
