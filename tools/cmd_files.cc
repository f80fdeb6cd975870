// vdbtool prune and rekey: keeping a collection in step with the files it was made from.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/files.h"

namespace vdb::tools {

StatusOr<int> RunPrune(const PruneArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  ProgressLine progress(/*unit_bytes=*/false);
  PruneOptions options;
  options.dry_run = args.dry_run;
  options.progress = progress.Callback();
  const auto report = PruneFiles(*collection, args.root, options);
  if (!report.ok()) return report.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("documents").Uint(report->document_count);
    out.Key("gone").Uint(report->gone_count).Key("changed").Uint(report->changed_count);
    out.Key("without_path").Uint(report->without_path_count);
    out.Key("dry_run").Bool(args.dry_run).EndObject();
    Print(out.text() + "\n");
    return kDone;
  }
  Print(std::string(args.dry_run ? "would drop " : "dropped ") +
        std::to_string(report->gone_count + report->changed_count) + " of " +
        std::to_string(report->document_count) + " documents: " +
        std::to_string(report->gone_count) + " files gone, " +
        std::to_string(report->changed_count) + " changed; " +
        std::to_string(report->without_path_count) + " documents name no file\n");
  return kDone;
}

StatusOr<int> RunRekey(const RekeyArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto report = RekeyPrefix(*collection, args.prefix, args.to, {.dry_run = args.dry_run});
  if (!report.ok()) return report.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("renamed").Uint(report->renamed_count);
    out.Key("dry_run").Bool(args.dry_run).EndObject();
    Print(out.text() + "\n");
    return kDone;
  }
  Print((args.dry_run ? "would rename " : "renamed ") + std::to_string(report->renamed_count) +
        " documents\n");
  return kDone;
}

}  // namespace vdb::tools
