// VerifyRun: what the parts of a verify share: where the database is, how deep to look, and the
// report. Parts: verify_files (bytes of segments), verify_rows, verify_indexes, verify_documents
// with verify_fields and verify_text. Repair judges single segments by the same parts.
#pragma once

#include <string>
#include <string_view>

#include "format/file_names.h"
#include "storage/file_system.h"
#include "vdb/verify.h"

namespace vdb::engine {

class VerifyRun {
 public:
  /// All must outlive the run.
  VerifyRun(storage::FileSystem& fs, const std::string& root, VerifyLevel level,
            const ProgressCallback& progress)
      : fs_(fs), root_(root), level_(level), progress_(progress) {}

  storage::FileSystem& fs() const { return fs_; }
  const std::string& root() const { return root_; }
  std::string PathOf(std::string_view name) const { return format::JoinPath(root_, name); }
  bool Does(VerifyLevel level) const { return level_ >= level; }
  VerifyReport& report() { return report_; }

  /// `file` is relative to the root. However much is damaged, the report stays small.
  void Problem(const std::string& file, const std::string& where, const std::string& message);
  /// What another run found.
  void Add(const VerifyReport& other, const std::string& where);
  /// kCancelled if the caller has had enough.
  Status Tick(std::string_view stage, uint64_t done, uint64_t total) const;

 private:
  storage::FileSystem& fs_;
  const std::string& root_;
  const VerifyLevel level_;
  const ProgressCallback& progress_;
  VerifyReport report_;
};

/// A key, or the start of it, as people can read it.
std::string QuotedKey(std::string_view key);

/// "segments/000007.npy".
inline std::string SegmentPath(uint64_t id, format::SegmentFile file) {
  return format::JoinPath(format::kSegmentsDir, format::SegmentFileName(id, file));
}

}  // namespace vdb::engine
