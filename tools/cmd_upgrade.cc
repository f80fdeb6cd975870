// vdbtool upgrade: what was done, or would be.
#include <cstdio>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/upgrade.h"

namespace vdb::tools {
namespace {

std::string Json(const UpgradeReport& report, bool dry_run) {
  JsonOut out;
  out.BeginObject().Key("needed").Bool(report.needed).Key("dry_run").Bool(dry_run);
  out.Key("from_version").Uint(report.from_version).Key("to_version").Uint(report.to_version);
  out.Key("document_count").Uint(report.document_count);
  out.Key("bytes_needed").Uint(report.bytes_needed);
  out.Key("content_hash").String(report.content_hash);
  out.Key("seconds").Double(report.seconds).EndObject();
  return out.text() + "\n";
}

std::string Text(const UpgradeReport& report, bool dry_run) {
  const std::string version = "format version " + std::to_string(report.to_version);
  if (!report.needed) return "it is of " + version + " already\n";
  const std::string from = "from version " + std::to_string(report.from_version) + " to " +
                           std::to_string(report.to_version) + ", " +
                           std::to_string(report.document_count) + " documents";
  if (dry_run) {
    return "would upgrade " + from + "; takes up to " + std::to_string(report.bytes_needed) +
           " bytes of free disk\n";
  }
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.1f", report.seconds);
  return "upgraded " + from + ", in " + seconds + " s; content hash before and after: " +
         report.content_hash + "\n";
}

}  // namespace

StatusOr<int> RunUpgrade(const UpgradeArgs& args) {
  StatusOr<UpgradeReport> report = UpgradeReport();
  {
    ProgressLine line(/*unit_bytes=*/false);
    report = Upgrade(args.database, {.dry_run = args.dry_run, .progress = line.Callback()});
  }
  if (!report.ok()) return report.status();
  Print(args.json ? Json(*report, args.dry_run) : Text(*report, args.dry_run));
  return kDone;
}

}  // namespace vdb::tools
