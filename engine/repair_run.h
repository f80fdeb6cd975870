// RepairRun: what the parts of a repair share: where the database is, what was found damaged, and
// the report.
//
// A repair reads what is there and decides what can be kept (repair_source: manifest, ledger,
// RocksDB; repair_segments: rows), passes once over all documents (repair_documents), which write
// themselves into a new RocksDB directory and claim their rows, and publishes the result
// (repair_publish). Until that one rename the old files are as they were, and the new ones garbage.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "format/file_names.h"
#include "storage/file_system.h"
#include "vdb/verify.h"

namespace vdb::engine {

class RepairRun {
 public:
  /// All must outlive the run.
  RepairRun(storage::FileSystem& fs, const std::string& path, const RepairOptions& options)
      : fs_(fs), path_(path), options_(options) {}

  storage::FileSystem& fs() const { return fs_; }
  const std::string& path() const { return path_; }
  std::string PathOf(std::string_view name) const { return format::JoinPath(path_, name); }
  bool dry_run() const { return options_.dry_run; }
  const Logger& logger() const { return options_.logger; }
  RepairReport& report() { return report_; }

  void Loss(RepairLoss loss);
  void Rebuilt(const std::string& what) { report_.rebuilt.push_back(what); }
  /// Files (relative) that the new state does not name and that are to be kept aside.
  void Quarantine(const std::string& file) { quarantine_.insert(file); }
  const std::set<std::string>& quarantine() const { return quarantine_; }
  void Log(LogLevel level, const std::string& line) const;
  /// kCancelled if the caller has had enough.
  Status Tick(std::string_view stage, uint64_t done, uint64_t total) const;

 private:
  storage::FileSystem& fs_;
  const std::string& path_;
  const RepairOptions& options_;
  RepairReport report_;
  std::set<std::string> quarantine_;
};

}  // namespace vdb::engine
