// DiskModel: what a disk may hold after a power loss, by the strictest reading of POSIX.
//
//  - A file has durable contents (as of its last sync) and pending writes and truncations since.
//  - A directory has durable names and pending changes of names since its last sync. Syncing a
//    file does not make its name durable; a rename or removal without a sync of its directory may
//    be lost.
//  - After a cut any of the pending writes may be there: none, all, the first few, or any subset,
//    torn at the borders of 512-byte sectors or 4 KiB pages. Of the pending changes of names of a
//    directory, the first few are there.
//
// The strictness is the point: ext4 in its default mode keeps more than this; nothing keeps less.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/recording_file_system.h"

namespace vdb::testing {

struct CutPolicy {
  enum class Pending {
    kNone,    ///< nothing that was not synced
    kAll,     ///< everything: a kill of the process, not of the machine
    kPrefix,  ///< of each file or directory, the first few, the last write torn
    kRandom,  ///< of data, a random subset of its sectors or pages; of names, the first few
  };
  Pending data = Pending::kNone;
  Pending names = Pending::kNone;
  uint64_t seed = 0;

  std::string ToString() const;
};

/// The six mixtures that tests cut with.
std::vector<CutPolicy> AllPolicies(uint64_t seed);

/// A change that is not durable yet: a write, a truncation, or a change of a directory's names.
struct PendingChange {
  uint64_t order = 0;   ///< in which they were made
  bool of_names = false;
  uint64_t owner = 0;   ///< number of the file or directory
  uint64_t offset = 0;  ///< of a write
  uint64_t size = 0;    ///< 0: nothing that could be torn
};

/// What a cut makes of a pending change. Of a directory's changes of names those after a lost
/// one are lost too.
struct Fate {
  enum class Kind : uint8_t { kLost, kKept, kHead, kTail };
  Kind kind = Kind::kLost;
  uint32_t unit = 512;  ///< of kHead and kTail: where the disk tears, near the middle
};

/// Relative file name to contents. Directories have a trailing slash.
using DiskImage = std::map<std::string, std::string>;
/// Writes an image into the directory `out`, which must exist and be empty.
void WriteImage(const DiskImage& image, const std::string& out);

class DiskModel {
 public:
  DiskModel();

  void Apply(const Operation& operation);
  /// Writes what is left after a cut now into the directory `out`, which must exist and be empty.
  void Materialise(const CutPolicy& policy, const std::string& out) const;

  /// The same in memory.
  DiskImage Survivors(const CutPolicy& policy) const;

  /// What is pending now, in order; and what is left when these are their fates.
  std::vector<PendingChange> Pending() const;
  DiskImage Survivors(const std::vector<PendingChange>& pending,
                      const std::vector<Fate>& fates) const;

 private:
  struct PendingWrite {
    bool truncate = false;
    uint64_t offset = 0;  // or the new size
    std::string bytes;
    uint64_t order = 0;
  };
  struct FileState {
    std::string durable;
    std::vector<PendingWrite> pending;
  };
  struct Entry {
    bool is_dir = false;
    uint64_t id = 0;  // of a file or a directory
  };
  using Names = std::map<std::string, Entry>;
  struct NameChange {
    std::string removed;                   // empty: none
    std::string added;                     // empty: none
    Entry entry;                           // of `added`
    uint64_t order = 0;
  };
  struct DirState {
    Names durable;
    std::vector<NameChange> pending;
    Names live() const;
  };

  static void ApplyWrite(std::string* contents, const PendingWrite& write);
  static void ApplyChange(Names* names, const NameChange& change);
  static std::string Contents(const FileState& file, CutPolicy::Pending keep, uint64_t seed);
  static Names NamesOf(const DirState& dir, CutPolicy::Pending keep, uint64_t seed);
  std::optional<uint64_t> FindDir(std::string_view path) const;
  static void ApplyTorn(std::string* contents, PendingWrite write, const Fate& fate);
  // By what is left of a file and of a directory.
  struct Choice {
    std::function<std::string(uint64_t, const FileState&)> contents;
    std::function<Names(uint64_t, const DirState&)> names;
  };
  void Collect(uint64_t dir, const std::string& prefix, const Choice& choice,
               DiskImage* out) const;

  std::map<uint64_t, FileState> files_;
  std::map<uint64_t, DirState> dirs_;
  uint64_t next_dir_ = 1;
  uint64_t next_order_ = 0;
};

/// Materialises the state after a cut just before entry `position` of the log.
void CutPowerAt(const Log& log, size_t position, const CutPolicy& policy, const std::string& out);

}  // namespace vdb::testing
