// See commit_order.h.
#include "tests/crash/commit_order.h"

#include <map>
#include <set>

namespace vdb::testing {
namespace {

constexpr size_t kFindingsMax = 20;

bool Contains(const std::string& path, const std::string& part) {
  return path.find(part) != std::string::npos;
}

std::string DirOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

bool IsSegmentFile(const std::string& path) { return Contains(path, "/segments/"); }
bool IsManifest(const std::string& path) {
  return EndsWith(path, ".vdbm") || EndsWith(path, ".twin");
}
bool IsCurrent(const std::string& path) {
  return EndsWith(path, "/CURRENT") && !Contains(path, "/docs-");
}
bool IsLedger(const std::string& path) { return EndsWith(path, "/ledger"); }

class Checker {
 public:
  std::vector<std::string> Run(const Log& log) {
    for (position_ = 0; position_ < log.size(); ++position_) {
      Check(log[position_]);
      Track(log[position_]);
    }
    return std::move(findings_);
  }

 private:
  void Check(const Operation& op) {
    if (op.kind == OpKind::kWrite && IsWal(op.path)) CheckWalWrite(op);
    if (op.kind == OpKind::kRename && IsCurrent(op.target)) CheckPublish(op);
    if (op.kind == OpKind::kRemove && (IsSegmentFile(op.path) || IsManifest(op.path))) {
      CheckSwitchDurable("removal of " + op.path);
    }
    if (op.kind == OpKind::kMark && EndsWith(op.path, " sync")) CheckAcknowledgement(op.path);
  }

  void CheckWalWrite(const Operation& op) {
    const std::string when = "write to " + op.path;
    for (const auto& [path, at] : unsynced_) {
      if (IsSegmentData(path)) Find(when, path + " is not synced");
    }
    for (const auto& path : unnamed_) {
      if (IsSegmentFile(path)) Find(when, "the name " + path + " is not durable");
    }
    CheckSwitchDurable(when);
  }

  void CheckPublish(const Operation& op) {
    const std::string when = "rename to " + op.target;
    for (const auto& [path, at] : unsynced_) {
      if (path == op.path || IsManifest(path) || IsSegmentFile(path) || IsWal(path)) {
        Find(when, path + " is not synced");
      }
    }
    for (const auto& path : unnamed_) {
      if (IsManifest(path) || IsSegmentFile(path)) {
        Find(when, "the name " + path + " is not durable");
      }
    }
  }

  void CheckAcknowledgement(const std::string& mark) {
    for (const auto& [path, at] : unsynced_) {
      if (IsWal(path) || IsSegmentData(path)) Find(mark, path + " is not synced");
      if (IsLedger(path) && at < begin_) Find(mark, "the ledger of earlier rounds is not synced");
    }
    for (const auto& path : unnamed_) {
      if (IsWal(path)) Find(mark, "the name " + path + " is not durable");
    }
    if (wal_writes_since_begin_ == 0) Find(mark, "nothing was written to the WAL");
    if (ledger_writes_since_begin_ == 0) Find(mark, "nothing was written to the ledger");
    CheckSwitchDurable(mark);
  }

  void CheckSwitchDurable(const std::string& when) {
    if (switch_pending_) Find(when, "the rename to CURRENT is not durable");
  }

  void Track(const Operation& op) {
    switch (op.kind) {
      case OpKind::kCreate: unnamed_.insert(op.path); break;
      case OpKind::kWrite:
      case OpKind::kTruncate:
        unsynced_.try_emplace(op.path, position_);
        wal_writes_since_begin_ += IsWal(op.path) ? 1 : 0;
        ledger_writes_since_begin_ += IsLedger(op.path) ? 1 : 0;
        break;
      case OpKind::kSync: unsynced_.erase(op.path); break;
      case OpKind::kRename:
        if (IsCurrent(op.target)) switch_pending_ = true;
        unsynced_.erase(op.path);
        unnamed_.erase(op.path);
        break;
      case OpKind::kRemove:
        unsynced_.erase(op.path);
        unnamed_.erase(op.path);
        break;
      case OpKind::kSyncDir:
        std::erase_if(unnamed_, [&](const auto& path) { return DirOf(path) == op.path; });
        if (DirOf(op.path).empty() && !op.path.empty()) switch_pending_ = false;
        break;
      case OpKind::kMark:
        if (op.path.starts_with("begin ")) {
          begin_ = position_;
          wal_writes_since_begin_ = ledger_writes_since_begin_ = 0;
        }
        break;
      default: break;
    }
  }

  void Find(const std::string& when, const std::string& what) {
    if (findings_.size() < kFindingsMax) {
      findings_.push_back("at " + std::to_string(position_) + ", " + when + ": " + what);
    }
  }

  std::vector<std::string> findings_;
  size_t position_ = 0;
  size_t begin_ = 0;
  std::map<std::string, size_t> unsynced_;  // path to its first unsynced write
  std::set<std::string> unnamed_;
  bool switch_pending_ = false;
  size_t wal_writes_since_begin_ = 0;
  size_t ledger_writes_since_begin_ = 0;
};

}  // namespace

bool EndsWith(const std::string& path, const std::string& suffix) { return path.ends_with(suffix); }
bool IsWal(const std::string& path) { return EndsWith(path, ".log") && Contains(path, "/docs-"); }
bool IsSegmentData(const std::string& path) {
  return IsSegmentFile(path) &&
         (EndsWith(path, ".npy") || EndsWith(path, ".rows") || EndsWith(path, ".keys"));
}

std::vector<std::string> OrderProblems(const Log& log) { return Checker().Run(log); }

LogCounts CountLog(const Log& log) {
  LogCounts counts;
  for (const Operation& op : log) {
    counts.synced_steps += op.kind == OpKind::kMark && EndsWith(op.path, " sync") ? 1 : 0;
    counts.wal_writes += op.kind == OpKind::kWrite && IsWal(op.path) ? 1 : 0;
    counts.publishes += op.kind == OpKind::kRename && IsCurrent(op.target) ? 1 : 0;
    counts.seals += op.kind == OpKind::kCreate && EndsWith(op.path, ".sums") ? 1 : 0;
    counts.store_flushes += op.kind == OpKind::kCreate && EndsWith(op.path, ".sst") ? 1 : 0;
  }
  return counts;
}

}  // namespace vdb::testing
