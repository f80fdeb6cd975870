// vdbtool jobs: what long work a database does and did.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

void AddJson(const JobInfo& job, std::string* text) {
  JsonOut out;
  out.BeginObject().Key("id").Uint(job.id).Key("kind").String(JobKindName(job.kind));
  out.Key("state").String(JobStateName(job.state)).Key("target").String(job.target);
  out.Key("priority").Raw(std::to_string(job.priority)).Key("background").Bool(job.background);
  out.Key("stage").String(job.stage).Key("done").Uint(job.done_count);
  out.Key("total").Uint(job.total_count);
  const auto time = [&out](const char* name, uint64_t unix_ms) {
    out.Key(name);
    unix_ms == 0 ? out.Null() : out.String(TimeText(unix_ms));
  };
  time("queued", job.queued_unix_ms);
  time("started", job.started_unix_ms);
  time("finished", job.finished_unix_ms);
  out.Key("message").String(job.message).EndObject();
  *text += out.text() + "\n";
}

void AddText(const JobInfo& job, std::string* text) {
  *text += Padded(std::to_string(job.id), 5) + Padded(std::string(JobStateName(job.state)), 10) +
           Padded(std::string(JobKindName(job.kind)), 18) + Printable(job.target);
  if (job.started_unix_ms != 0) *text += ", started " + TimeText(job.started_unix_ms);
  if (job.finished_unix_ms > job.started_unix_ms && job.started_unix_ms != 0) {
    *text += ", took " + std::to_string(job.finished_unix_ms - job.started_unix_ms) + " ms";
  }
  if (job.state == JobState::kRunning && job.total_count > 0) {
    *text += ", " + Printable(job.stage) + " " +
             std::to_string(100 * job.done_count / job.total_count) + " %";
  }
  if (!job.message.empty()) *text += ": " + Printable(job.message);
  *text += "\n";
}

}  // namespace

StatusOr<int> RunJobs(const JobsArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  const auto jobs = db->Jobs();
  if (!jobs.ok()) return jobs.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  std::string text;
  for (const JobInfo& job : *jobs) args.json ? AddJson(job, &text) : AddText(job, &text);
  Print(text);
  return kDone;
}

}  // namespace vdb::tools
