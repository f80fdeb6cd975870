// What a backup reads: the files and documents of one view, in pieces, each checked against its
// checksums before the read ends. A file is cut at fixed places, behind its first page, so that the
// piece of a segment that is still open is the same once it is sealed. Documents are cut after keys
// whose hash says so, so that a change makes new pieces only where it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/view.h"
#include "format/segment_layout.h"
#include "storage/file_system.h"

namespace vdb::engine {

/// Gets a piece, at most format::kChunkBytesMax.
using PieceSink = std::function<Status(std::string piece)>;

/// A file of a view.
struct SourceFile {
  enum class Kind { kSealed, kOpen, kMask, kIndex, kEpoch, kMigrated };
  Kind kind = Kind::kSealed;
  std::string name;       // relative to the database
  uint64_t identity = 0;  // a checksum of all its bytes; 0: it may change
  uint64_t bytes = 0;     // about
  const format::SegmentEntry* segment = nullptr;
  format::SegmentFile part = format::SegmentFile::kRows;
  const format::EpochEntry* epoch = nullptr;
};

class BackupSource {
 public:
  /// `root`: of the database. The view must stay.
  BackupSource(storage::FileSystem& fs, std::string root, const View& view)
      : fs_(fs), root_(std::move(root)), view_(view) {}

  StatusOr<std::vector<SourceFile>> Files() const;
  Status ReadFile(const SourceFile& file, const PieceSink& sink);
  Status ReadDocuments(const PieceSink& sink) const;
  uint64_t DocumentBytes() const;  // about
  /// The manifest's file, as it is on disk.
  StatusOr<std::string> ManifestBytes() const;

 private:
  // The bytes from the end of the one before to `end` have this hash.
  struct Sum {
    uint64_t end = 0;
    uint64_t hash = 0;
  };

  const SegmentView* FindSegment(const format::SegmentEntry& entry) const;
  void AddSegment(const format::SegmentEntry& entry, std::vector<SourceFile>* files) const;
  StatusOr<std::string> ReadWhole(const std::string& name, uint64_t size_max) const;
  Status ReadSealed(const SourceFile& file, const PieceSink& sink);
  Status ReadOpen(const SourceFile& file, const PieceSink& sink) const;
  Status ReadMask(const SourceFile& file, const PieceSink& sink) const;
  Status ReadIndex(const SourceFile& file, const PieceSink& sink) const;
  Status ReadChecked(const std::string& name, uint64_t page_bytes, std::span<const Sum> sums,
                     const PieceSink& sink) const;

  storage::FileSystem& fs_;
  const std::string root_;
  const View& view_;
  std::string sums_bytes_;  // of the sealed segment that is being read
  std::optional<format::SegmentSums> sums_;
};

}  // namespace vdb::engine
