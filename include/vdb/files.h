// Keeping a collection in step with the files that its documents were made from, so that a tool
// that embeds files can use the store as its cache:
//
//   auto changes = vdb::ChangedSince(photos, files);   // which of these must be embedded again
//   ... embed files[i] for i in changes->changed, put them ...
//   vdb::PruneFiles(photos, "/home/me/photos");        // drop what is gone
//   vdb::RekeyPrefix(photos, "2024/", "archive/2024/");  // a folder was moved
//
// What is known of a file stands in its document's metadata, where migrations put it, too: relpath
// (below the root; a JSON string as vdb/json_text.h has it, so that any bytes come back), size,
// mtime_ns, and hash (whatever the tool hashes with).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vdb/collection.h"

namespace vdb {

/// A file as the caller sees it now. What is left out is not compared.
struct FileState {
  std::string_view key = {};  ///< of its document
  std::optional<uint64_t> size = {};
  std::optional<int64_t> mtime_ns = {};
  std::string_view hash = {};
};

/// What ChangedSince found. Positions are those of the list, ascending.
struct FileChanges {
  std::vector<size_t> changed;  ///< embed again: no document, no vector, or another state
  std::vector<size_t> touched;  ///< the same hash but another mtime: metadata alone is to be set
  uint64_t unchanged_count = 0;
  uint64_t unlisted_count = 0;  ///< documents of the collection that the list does not name
};

/// Compare `files` (in any order) with the documents of their keys, in one pass in the order of
/// keys. A file is unchanged if its document has a vector in `column` (empty: the default column;
/// collections without columns: no vector is asked for) and, of what is given: the same hash, or,
/// without one, the same size and mtime. A field that is given and that the metadata lacks counts
/// as different. Cost: O(files log files), and one walk over the keys.
StatusOr<FileChanges> ChangedSince(const Collection& collection, std::span<const FileState> files,
                                   std::string_view column = {}, const ReadOptions& options = {});

/// For PruneFiles.
struct PruneOptions {
  bool dry_run = false;
  WriteOptions write = {};
  ProgressCallback progress = {};  ///< done and total count documents
};

struct PruneReport {
  uint64_t document_count = 0;  ///< looked at
  uint64_t without_path_count = 0;  ///< kept: their metadata has no relpath
  uint64_t gone_count = 0;      ///< dropped: no such file below the root
  uint64_t changed_count = 0;   ///< dropped: another size or mtime
};

/// Drop the documents whose file, `root`/relpath, is gone, or has another size or mtime_ns than the
/// metadata says. A document that is changed meanwhile is left for the next time. Errors: kNotFound
/// if `root` is no directory (an unmounted disk must not empty a collection), kIoError where a file
/// cannot be looked at; what was dropped before stays dropped.
StatusOr<PruneReport> PruneFiles(Collection& collection, const std::string& root,
                                 const PruneOptions& options = {});

/// For RekeyPrefix.
struct RekeyOptions {
  bool dry_run = false;
  WriteOptions write = {};
};

struct RekeyReport {
  uint64_t renamed_count = 0;
};

/// Give every document whose key starts with `from` the key that starts with `to` instead. Body and
/// vectors stay bit for bit, and so does the metadata, but for a relpath that starts with `from`,
/// which follows. Refused before anything is written: kAlreadyExists if a new key is taken,
/// kInvalidArgument if `from` is empty or a new key would be too long. Each document moves in one
/// atomic step; a call that was cut short can be made again. If one prefix starts with the other
/// everything moves in one batch, which kResourceExhausted limits to kBatchBytesMax.
StatusOr<RekeyReport> RekeyPrefix(Collection& collection, std::string_view from,
                                  std::string_view to, const RekeyOptions& options = {});

}  // namespace vdb
