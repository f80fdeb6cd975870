// vdbtool backup, backups, backup-drop, restore: databases, to and from a backup directory.
#include <chrono>
#include <ctime>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/backup.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

void AddInfo(const BackupInfo& info, JsonOut* out) {
  out->Key("id").Uint(info.id).Key("created_unix_ms").Uint(info.created_unix_ms);
  out->Key("database_uuid").String(info.database_uuid);
  out->Key("batch_number").Uint(info.batch_number);
  out->Key("document_count").Uint(info.document_count);
  out->Key("database_bytes").Uint(info.database_bytes);
  out->Key("collections").BeginArray();
  for (const std::string& name : info.collections) out->String(name);
  out->EndArray();
}

// In UTC, as 2026-01-31T12:00:00Z.
std::string TimeText(uint64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts = {};
  char text[32] = "";
  if (gmtime_r(&seconds, &parts) != nullptr) {
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

std::string Line(const BackupInfo& info) {
  std::string text = Padded(std::to_string(info.id), 6);
  text += Padded(TimeText(info.created_unix_ms), 22);
  text += Padded(std::to_string(info.document_count) + " documents", 22);
  text += Padded(std::to_string(info.database_bytes) + " bytes", 22);
  for (size_t i = 0; i < info.collections.size(); ++i) {
    text += (i == 0 ? "" : ", ") + Printable(info.collections[i]);
  }
  return text + "\n";
}

std::string Megabytes(uint64_t bytes) {
  char text[32];
  snprintf(text, sizeof(text), "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

std::string Seconds(double seconds) {
  char text[32];
  snprintf(text, sizeof(text), "%.2f s", seconds);
  return text;
}

}  // namespace

StatusOr<int> RunBackup(const BackupArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  BackupOptions options;
  options.compression_level = args.level;
  StatusOr<BackupReport> report = BackupReport();
  {
    ProgressLine line(/*unit_bytes=*/true);
    options.progress = line.Callback();
    report = db->Backup(args.directory, options);
  }
  if (!report.ok()) return report.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  if (args.json) {
    JsonOut out;
    out.BeginObject();
    AddInfo(report->info, &out);
    out.Key("bytes_read").Uint(report->bytes_read);
    out.Key("bytes_written").Uint(report->bytes_written);
    out.Key("chunk_count").Uint(report->chunk_count);
    out.Key("new_chunk_count").Uint(report->new_chunk_count);
    out.Key("seconds").Double(report->seconds).EndObject();
    Print(out.text() + "\n");
    return kDone;
  }
  Print("backup " + std::to_string(report->info.id) + ": " +
        std::to_string(report->info.document_count) + " documents, " +
        Megabytes(report->bytes_read) + " read, " + Megabytes(report->bytes_written) +
        " written (" + std::to_string(report->new_chunk_count) + " of " +
        std::to_string(report->chunk_count) + " chunks were new), " + Seconds(report->seconds) +
        "\n");
  return kDone;
}

StatusOr<int> RunBackups(const BackupsArgs& args) {
  const auto list = ListBackups(args.directory);
  if (!list.ok()) return list.status();
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("backups").BeginArray();
    for (const BackupInfo& info : *list) {
      out.BeginObject();
      AddInfo(info, &out);
      out.EndObject();
    }
    out.EndArray().EndObject();
    Print(out.text() + "\n");
    return kDone;
  }
  std::string text;
  for (const BackupInfo& info : *list) text += Line(info);
  Print(text);
  return kDone;
}

StatusOr<int> RunBackupDrop(const BackupDropArgs& args) {
  const Status dropped = DropBackup(args.directory, args.id);
  if (!dropped.ok()) return dropped;
  Print(args.json ? std::string("{\"dropped\": ") + std::to_string(args.id) + "}\n"
                  : "dropped backup " + std::to_string(args.id) + "\n");
  return kDone;
}

StatusOr<int> RunRestore(const RestoreArgs& args) {
  RestoreOptions options;
  options.backup_id = args.id;
  options.collection = args.collection;
  options.logger = [](LogLevel level, std::string_view line) {
    if (level == LogLevel::kWarning || level == LogLevel::kError) PrintError(line);
  };
  StatusOr<RestoreReport> report = RestoreReport();
  {
    ProgressLine line(/*unit_bytes=*/true);
    options.progress = line.Callback();
    report = Restore(args.directory, args.to, options);
  }
  if (!report.ok()) return report.status();
  if (args.json) {
    JsonOut out;
    out.BeginObject();
    AddInfo(report->info, &out);
    out.Key("restored_document_count").Uint(report->document_count);
    out.Key("restored_vector_count").Uint(report->vector_count);
    out.Key("bytes_written").Uint(report->bytes_written);
    out.Key("seconds").Double(report->seconds).EndObject();
    Print(out.text() + "\n");
    return kDone;
  }
  Print("restored backup " + std::to_string(report->info.id) + " to '" + Printable(args.to) +
        "': " + std::to_string(report->document_count) + " documents, " +
        std::to_string(report->vector_count) + " vectors, " + Megabytes(report->bytes_written) +
        ", " + Seconds(report->seconds) + "\n");
  return kDone;
}

}  // namespace vdb::tools
