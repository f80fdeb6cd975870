// vdbtool repair: what is lost, what was built anew, where the damaged files are. Exit code 1 if
// anything is lost, or if the result does not verify.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/verify.h"

namespace vdb::tools {
namespace {

void AddNames(JsonOut* out, const char* name, const std::vector<std::string>& values) {
  out->Key(name).BeginArray();
  for (const std::string& value : values) out->String(value);
  out->EndArray();
}

std::string Json(const RepairReport& report, bool dry_run) {
  JsonOut out;
  out.BeginObject().Key("needed").Bool(report.needed).Key("dry_run").Bool(dry_run);
  out.Key("loss_count").Uint(report.loss_count).Key("losses").BeginArray();
  for (const RepairLoss& loss : report.losses) {
    out.BeginObject().Key("file").String(loss.file).Key("collection").String(loss.collection);
    out.Key("column").String(loss.column).Key("key").String(loss.key);
    out.Key("message").String(loss.message).EndObject();
  }
  out.EndArray();
  AddNames(&out, "rebuilt", report.rebuilt);
  AddNames(&out, "quarantined", report.quarantined);
  out.Key("documents_kept").Uint(report.documents_kept);
  out.Key("vectors_kept").Uint(report.vectors_kept);
  out.Key("problem_count").Uint(report.verified.problem_count).EndObject();
  return out.text() + "\n";
}

std::string Text(const RepairLoss& loss) {
  std::string text = "lost: ";
  if (!loss.collection.empty()) text += "collection '" + Printable(loss.collection) + "', ";
  if (!loss.key.empty()) text += "key " + Printable(loss.key) + ", ";
  if (!loss.column.empty()) text += "column '" + Printable(loss.column) + "', ";
  return text + Printable(loss.file) + ": " + Printable(loss.message) + "\n";
}

std::string Text(const RepairReport& report, bool dry_run) {
  if (!report.needed) return "nothing is damaged\n";
  std::string text;
  for (const RepairLoss& loss : report.losses) text += Text(loss);
  if (report.loss_count > report.losses.size()) {
    text += "and " + std::to_string(report.loss_count - report.losses.size()) + " more\n";
  }
  for (const std::string& what : report.rebuilt) text += "built anew: " + Printable(what) + "\n";
  for (const std::string& file : report.quarantined) text += "kept: " + Printable(file) + "\n";
  text += dry_run ? "would keep " : "kept ";
  text += std::to_string(report.documents_kept) + " documents with " +
          std::to_string(report.vectors_kept) + " vectors, " +
          std::to_string(report.loss_count) + " losses\n";
  if (dry_run) return text;
  return text + (report.verified.problem_count == 0
                     ? "verified: no problem found\n"
                     : "verified: " + std::to_string(report.verified.problem_count) +
                           " problems\n");
}

}  // namespace

StatusOr<int> RunRepair(const RepairArgs& args) {
  StatusOr<RepairReport> report = RepairReport();
  {
    ProgressLine line(/*unit_bytes=*/false);
    report = Repair(args.database, {.dry_run = args.dry_run, .progress = line.Callback()});
  }
  if (!report.ok()) return report.status();
  Print(args.json ? Json(*report, args.dry_run) : Text(*report, args.dry_run));
  return report->loss_count == 0 && report->verified.problem_count == 0 ? kDone : kFailed;
}

}  // namespace vdb::tools
