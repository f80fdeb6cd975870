// Where a legacy cache is, and its files as ByteSources.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/legacy_cache.h"
#include "format/migration_record.h"
#include "storage/file_system.h"

namespace vdb::engine {

/// A file of a source. Hashes what is read in order on the way, so that the whole file's hash costs
/// no second pass.
class FileSource final : public format::ByteSource {
 public:
  static StatusOr<std::shared_ptr<const FileSource>> Open(storage::FileSystem& fs,
                                                          const std::string& path);

  uint64_t size() const override { return info_.size_bytes; }
  Status ReadAt(uint64_t offset, std::span<char> out) const override;

  const std::string& path() const { return path_; }
  const storage::FileInfo& info() const { return info_; }
  /// XXH3-128 of the whole file; reads what has not been hashed yet.
  StatusOr<format::Hash128> Hash() const;
  /// kCorruption if the file of this name has another size or time now.
  Status CheckUnchanged(storage::FileSystem& fs) const;

 private:
  FileSource(std::string path, storage::FileInfo info, std::unique_ptr<storage::File> file)
      : path_(std::move(path)), info_(info), file_(std::move(file)) {}

  const std::string path_;
  const storage::FileInfo info_;
  const std::unique_ptr<storage::File> file_;
  mutable std::mutex mutex_;  // of what follows
  mutable format::StreamingHash hash_;
  mutable uint64_t hashed_ = 0;  // leading bytes
};

/// Where a cache was found; nothing of it has been read.
struct LegacyPlace {
  enum class Kind { kVemb, kNndex, kJsonFile, kAjsonFolder };
  Kind kind = Kind::kJsonFile;
  std::string source;  // ".vemb" or ".nndex" in its folder, the JSON file, the folder of logs
  std::string folder;  // where ".vdb" goes
  std::vector<std::string> files = {};  // paths, in a fixed order
  std::vector<std::string> warnings = {};

  std::string DefaultDatabase() const;
};

/// The cache that `path` names, or nothing. `by_name`: `path` was given to be migrated, so that a
/// folder of logs, or of one JSON file, counts too.
StatusOr<std::optional<LegacyPlace>> FindLegacy(storage::FileSystem& fs, const std::string& path,
                                                bool by_name);

/// What `path` is, if it is something that vdb knows and does not read ("" else), and what to do.
std::string ForeignStore(storage::FileSystem& fs, const std::string& path);

/// The files of a place, open.
struct OpenedPlace {
  format::LegacySources sources;
  std::vector<std::shared_ptr<const FileSource>> files;
  uint64_t bytes = 0;
};
StatusOr<OpenedPlace> OpenPlace(storage::FileSystem& fs, const LegacyPlace& place);

/// `path` as a record of the database `database` has it: relative to the folder that the database
/// lies in, if it is below that.
std::string RecordedPath(const std::string& path, const std::string& database);

/// Whether `record`, found in `database`, is of this place.
bool IsOfPlace(const format::MigrationRecord& record, const LegacyPlace& place,
               const std::string& database);
/// In words, what changed since; "" if nothing.
StatusOr<std::string> ChangedSince(storage::FileSystem& fs, const format::MigrationRecord& record,
                                   const LegacyPlace& place, const std::string& database);

}  // namespace vdb::engine
