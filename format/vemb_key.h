// Keys of vemb caches. The document's key stays the raw key; what it says goes to the metadata.
//
//   0.1    basename:size:mtime_ns
//   0.2+   relpath:size:mtime_ns
//
// Split at the last two colons: names hold colons, quotes, newlines, any bytes. The two dialects
// look alike; a '/' tells 0.2, and of a name without one the `file` of version 1 entries may tell.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vdb::format {

struct VembKey {
  std::string_view path;  // a slice of the key: basename or relpath; the whole key if not `split`
  bool split = false;     // size and mtime_ns are there
  uint64_t size = 0;
  int64_t mtime_ns = 0;
};

/// Never fails: a key of another form comes back whole, not split.
VembKey ParseVembKey(std::string_view key);

enum class VembDialect : uint8_t { kUnknown, kBasename, kRelpath };  // 0.1 is kBasename

/// Where a document's file lies below the folder that was embedded.
struct VembRelpath {
  std::string_view relpath;  // a slice of the key or of `file`
  VembDialect dialect = VembDialect::kUnknown;
  bool inferred = false;     // from `file`, because a 0.1 key does not say it
};

/// Learns from all entries which folder their files share, to tell what 0.1 keys leave out: the
/// folder that 0.2 keys show, else the longest one that all files have in common.
class VembRelpaths {
 public:
  /// First pass: one entry; `file` is empty if it has none.
  void Add(const VembKey& key, std::string_view file);
  /// After all Add. Falls back to the key's own path where the file does not fit. Thread-safe.
  VembRelpath Of(const VembKey& key, std::string_view file) const;
  /// Whether keys of 0.1 were surely among those added; they collide where two folders hold the
  /// same name.
  bool has_basename_keys() const;

 private:
  // `file` without the shared folder, or empty if it does not fit.
  std::string_view WithoutRoot(std::string_view file) const;

  std::vector<std::string> roots_;    // that 0.2 keys show, each with its '/'; a few
  std::vector<std::string> folders_;  // of files whose key may be of 0.1; a few
  std::string common_;                // of all files so far, with its '/'
  bool any_file_ = false, any_absolute_ = false, any_relative_ = false;
};

/// Two entries that may be one file under both dialects: equal name, size and mtime_ns. The caller
/// compares their vectors.
struct VembTwin {
  uint64_t basename_entry = 0;
  uint64_t relpath_entry = 0;
};

/// All of them, by basename_entry; of one basename_entry perhaps several. `key_at(i)` for i below
/// `count` gives the raw key, valid until the next call. 24 bytes of memory an entry.
std::vector<VembTwin> FindVembTwins(uint64_t count,
                                    const std::function<std::string_view(uint64_t)>& key_at);

/// The one warning about such keys; "" if there is nothing to warn of. `twin_count`: those of
/// FindVembTwins whose vectors are equal.
std::string VembKeyWarning(bool has_basename_keys, uint64_t twin_count);

/// A document's metadata.
struct VembMetadata {
  VembKey key;
  VembRelpath where;
  std::string_view file = {};    // empty: left out, as every field that is not known
  std::string_view model = {};
  std::string_view source = {};  // the format: "vemb-v1", "vemb-v2"
  std::string_view more = {};    // members as JSON text, e.g. `"a":1,"b":[2]`
};

/// As a JSON object: relpath, size, mtime_ns, file, model, dialect, source.
std::string VembMetadataJson(const VembMetadata& metadata);

/// Appends `"name":"value"` with a comma before it unless the object is empty so far.
void AppendJsonMember(std::string* object, std::string_view name, std::string_view value);

}  // namespace vdb::format
