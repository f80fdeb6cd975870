// vdbtool migrate: a legacy cache becomes a database. Exit codes: 0 clean (or done before), 3 some
// entries were refused, 4 the source was refused; 1 failed, 2 usage.
#include <cstdio>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/migrate.h"

namespace vdb::tools {
namespace {

constexpr int kPartial = 3;
constexpr int kRefused = 4;

int ExitCode(const MigrationReport& report) {
  switch (report.outcome) {
    case MigrationOutcome::kClean: return kDone;
    case MigrationOutcome::kPartial: return kPartial;
    case MigrationOutcome::kRefused: return kRefused;
  }
  return kFailed;
}

const char* VerdictName(const MigrationReport& report) {
  switch (report.outcome) {
    case MigrationOutcome::kClean: return "clean";
    case MigrationOutcome::kPartial: return "partial";
    case MigrationOutcome::kRefused: return "refused";
  }
  return "";
}

std::string Json(const MigrationReport& report, bool dry_run) {
  JsonOut out;
  out.BeginObject().Key("verdict").String(VerdictName(report));
  out.Key("format").String(report.format).Key("source").String(report.source);
  out.Key("database").String(report.database).Key("dry_run").Bool(dry_run);
  out.Key("entries").Uint(report.entry_count).Key("migrated").Uint(report.migrated_count);
  out.Key("without_vector").Uint(report.without_vector_count);
  out.Key("refused").Uint(report.refused_count).Key("reasons").BeginObject();
  for (const auto& [reason, count] : report.reasons) out.Key(reason).Uint(count);
  out.EndObject();
  out.Key("replaced").Uint(report.replaced_count).Key("deleted").Uint(report.deleted_count);
  if (report.columns.size() == 1) out.Key("dimension").Uint(report.columns[0].dimension);
  out.Key("columns").BeginArray();
  for (const MigratedColumn& column : report.columns) {
    out.BeginObject().Key("name").String(column.name).Key("model").String(column.model);
    out.Key("dimension").Uint(column.dimension).Key("vectors").Uint(column.vector_count);
    out.EndObject();
  }
  out.EndArray().Key("taken").String(report.taken);
  out.Key("warnings").BeginArray();
  for (const std::string& warning : report.warnings) out.String(warning);
  out.EndArray().Key("refusal").String(report.refusal);
  out.Key("refusal_reason").String(report.refusal_reason);
  out.Key("source_bytes").Uint(report.source_bytes).Key("seconds").Double(report.seconds);
  if (dry_run) {
    out.Key("predicted_bytes").Uint(report.predicted_bytes);
    out.Key("predicted_seconds").Double(report.predicted_seconds);
  }
  out.Key("entries_hash").String(report.entries_hash);
  out.EndObject();
  return out.text() + "\n";
}

std::string Figure(double value, const char* unit) {
  char text[64];
  snprintf(text, sizeof(text), "%.2f %s", value, unit);
  return text;
}

std::string Counts(const MigrationReport& report) {
  std::string text = std::to_string(report.entry_count) + " entries, " +
                     std::to_string(report.migrated_count) + " documents (" +
                     std::to_string(report.without_vector_count) + " without vector), " +
                     std::to_string(report.refused_count) + " refused";
  for (const auto& [reason, count] : report.reasons) {
    text += ", " + std::to_string(count) + " " + reason;
  }
  if (report.replaced_count > 0) {
    text += "; " + std::to_string(report.replaced_count) + " replaced by a later one of their key";
  }
  if (report.deleted_count > 0) {
    text += "; " + std::to_string(report.deleted_count) + " keys deleted";
  }
  return text + "\n";
}

std::string Text(const MigrationReport& report, bool dry_run) {
  if (report.outcome == MigrationOutcome::kRefused) return "";  // main says why
  std::string text = Printable(report.source) + " (" + report.format + "): " + Counts(report);
  if (!report.taken.empty()) text += "taken as " + Printable(report.taken) + "\n";
  for (const MigratedColumn& column : report.columns) {
    text += "column " + Printable(column.name) + ": dimension " +
            std::to_string(column.dimension) + ", " + std::to_string(column.vector_count) +
            " vectors\n";
  }
  if (dry_run) {
    return text + "nothing was written; it would make " +
           Figure(static_cast<double>(report.predicted_bytes) / 1e6, "MB") + " in about " +
           Figure(report.predicted_seconds, "s") + "\n";
  }
  return text + "made " + Printable(report.database) + " in " + Figure(report.seconds, "s") + ", " +
         Figure(static_cast<double>(report.source_bytes) / 1e6 / report.seconds, "MB/s") +
         "; the source is as it was\n";
}

void PrintWarnings(const MigrationReport& report) {
  for (const std::string& warning : report.warnings) PrintError("warning: " + warning);
}

StatusOr<int> Rollback(const MigrateArgs& args) {
  const auto removed = RollbackMigration(args.source, args.to);
  if (!removed.ok()) return removed.status();
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("verdict").String("rolled_back").Key("database").String(*removed);
    out.EndObject();
    Print(out.text() + "\n");
  } else {
    Print("removed " + Printable(*removed) + "; the source is as it was\n");
  }
  return kDone;
}

// Done before: nothing to do is no failure.
int Unchanged(const MigrateArgs& args, const Status& status) {
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("verdict").String("unchanged").Key("message").String(status.message());
    out.EndObject();
    Print(out.text() + "\n");
  } else {
    Print(status.message() + "\n");
  }
  return kDone;
}

}  // namespace

StatusOr<int> RunMigrate(const MigrateArgs& args) {
  if (args.rollback) {
    if (args.dry_run || args.salvage || args.force || !args.report.empty()) {
      PrintError("--rollback goes with --to and --json only");
      return kUsage;
    }
    return Rollback(args);
  }
  MigrateOptions options;
  options.to = args.to;
  options.dry_run = args.dry_run;
  options.salvage = args.salvage;
  options.force = args.force;
  options.key_field = args.key_field;
  options.vector_field = args.vector_field;
  options.report_path = args.report;
  options.thread_count = args.threads;
  StatusOr<MigrationReport> report = MigrationReport();
  {
    ProgressLine line(/*unit_bytes=*/true);
    options.progress = line.Callback();
    report = Migrate(args.source, options);
  }
  if (report.status().code() == StatusCode::kAlreadyExists) {
    return Unchanged(args, report.status());
  }
  if (!report.ok()) return report.status();
  if (args.json) {
    Print(Json(*report, args.dry_run));
  } else {
    PrintWarnings(*report);
    Print(Text(*report, args.dry_run));
  }
  if (report->outcome == MigrationOutcome::kRefused) PrintError(report->refusal);
  return ExitCode(*report);
}

}  // namespace vdb::tools
