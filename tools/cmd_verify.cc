// vdbtool verify: damage, to a chosen depth. Exit code 1 if anything is wrong.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

std::string Json(const VerifyReport& report) {
  JsonOut out;
  out.BeginObject().Key("ok").Bool(report.problem_count == 0);
  out.Key("files_checked").Uint(report.files_checked);
  out.Key("bytes_checked").Uint(report.bytes_checked);
  out.Key("rows_checked").Uint(report.rows_checked);
  out.Key("documents_checked").Uint(report.documents_checked);
  out.Key("codes_checked").Uint(report.codes_checked);
  out.Key("searches_checked").Uint(report.searches_checked);
  out.Key("problem_count").Uint(report.problem_count).Key("problems").BeginArray();
  for (const VerifyProblem& problem : report.problems) {
    out.BeginObject().Key("file").String(problem.file).Key("where").String(problem.where);
    out.Key("message").String(problem.message).EndObject();
  }
  out.EndArray().EndObject();
  return out.text() + "\n";
}

std::string Text(const VerifyReport& report) {
  std::string text;
  for (const VerifyProblem& problem : report.problems) {
    text += Printable(problem.file) + ": " + Printable(problem.where) + ": " +
            Printable(problem.message) + "\n";
  }
  if (report.problem_count > report.problems.size()) {
    text += "and " + std::to_string(report.problem_count - report.problems.size()) + " more\n";
  }
  text += "checked " + std::to_string(report.files_checked) + " files (" +
          std::to_string(report.bytes_checked) + " bytes), " +
          std::to_string(report.documents_checked) + " documents, " +
          std::to_string(report.rows_checked) + " rows: ";
  text += report.problem_count == 0 ? "no problem found\n"
                                    : std::to_string(report.problem_count) + " problems\n";
  return text;
}

VerifyLevel LevelOf(std::string_view name) {
  if (name == "quick") return VerifyLevel::kQuick;
  if (name == "checksums") return VerifyLevel::kChecksums;
  return name == "full" ? VerifyLevel::kFull : VerifyLevel::kReferences;
}

StatusOr<VerifyReport> VerifyDatabase(const VerifyArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  StatusOr<VerifyReport> report = VerifyReport();
  {
    ProgressLine line(/*unit_bytes=*/false);
    report = db->Verify({.level = LevelOf(args.level), .progress = line.Callback()});
  }
  if (!report.ok()) return report.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  return report;
}

// kNotFound, kUnsupportedFormat: it is no directory of backups.
StatusOr<VerifyReport> VerifyBackupDirectory(const VerifyArgs& args) {
  ProgressLine line(/*unit_bytes=*/false);
  return VerifyBackups(args.database, line.Callback());
}

}  // namespace

StatusOr<int> RunVerify(const VerifyArgs& args) {
  auto report = VerifyBackupDirectory(args);
  const StatusCode code = report.status().code();
  const bool backups = code != StatusCode::kNotFound && code != StatusCode::kUnsupportedFormat;
  if (!backups) report = VerifyDatabase(args);
  if (!report.ok()) return report.status();
  Print(args.json ? Json(*report) : Text(*report));
  if (report->problem_count == 0) return kDone;
  PrintError("'" + args.database + "': " + std::to_string(report->problem_count) +
             " problems found, see the report; " +
             (backups ? "run `vdbtool backup-drop` on the backups that it names, and back up again"
                      : "run `vdbtool repair`, or restore the files from a copy"));
  return kFailed;
}

}  // namespace vdb::tools
