#include "format/vemb_key.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <tuple>

#include "vdb/json_text.h"

namespace vdb::format {
namespace {

constexpr size_t kFoldersMax = 8;

// As Python prints an integer: no plus, no zero before the first digit.
template <typename Integer>
bool ParseDecimal(std::string_view text, Integer* value) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return false;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), *value);
  return done.ec == std::errc() && done.ptr == text.data() + text.size();
}

std::string_view Basename(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool HasFolder(std::string_view path) { return path.find('/') != std::string_view::npos; }

// The beginning of `a` that `b` shares, up to and with a '/'.
size_t CommonFolder(std::string_view a, std::string_view b) {
  const size_t size = std::min(a.size(), b.size());
  const auto same = std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(size), b.begin());
  const auto shared = static_cast<size_t>(same.first - a.begin());
  return shared == 0 ? 0 : a.rfind('/', shared - 1) + 1;
}

uint64_t HashOf(const VembKey& key) {
  uint64_t hash = std::hash<std::string_view>()(Basename(key.path));
  for (const uint64_t part : {key.size, static_cast<uint64_t>(key.mtime_ns)}) {
    hash = (hash ^ part) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

VembKey ParseVembKey(std::string_view key) {
  VembKey parsed;
  parsed.path = key;
  const size_t second = key.rfind(':');
  if (second == std::string_view::npos || second == 0) return parsed;
  const size_t first = key.rfind(':', second - 1);
  if (first == std::string_view::npos || first == 0) return parsed;
  if (!ParseDecimal(key.substr(first + 1, second - first - 1), &parsed.size) ||
      !ParseDecimal(key.substr(second + 1), &parsed.mtime_ns)) {
    parsed.size = 0;
    return parsed;
  }
  parsed.path = key.substr(0, first);
  parsed.split = true;
  return parsed;
}

void VembRelpaths::Add(const VembKey& key, std::string_view file) {
  if (file.empty()) return;
  if (file.starts_with('/')) {
    any_absolute_ = true;
  } else {
    any_relative_ = true;
  }
  if (!any_file_) {
    common_ = file.substr(0, file.rfind('/') + 1);
    any_file_ = true;
  } else {
    common_.resize(CommonFolder(common_, file));
  }
  if (!file.ends_with(key.path)) return;
  const std::string_view folder = file.substr(0, file.size() - key.path.size());
  if (!folder.empty() && !folder.ends_with('/')) return;
  std::vector<std::string>& known = HasFolder(key.path) ? roots_ : folders_;
  if (known.size() > kFoldersMax) return;
  if (std::find(known.begin(), known.end(), folder) == known.end()) known.emplace_back(folder);
}

std::string_view VembRelpaths::WithoutRoot(std::string_view file) const {
  size_t size = 0;
  bool fits = false;
  for (const std::string& root : roots_) {
    if (!file.starts_with(root)) continue;
    fits = true;
    size = std::max(size, root.size());
  }
  if (roots_.empty()) {
    // Of files partly relative to who knows which folder nothing can be told.
    fits = !(any_absolute_ && any_relative_) && file.starts_with(common_);
    size = common_.size();
  }
  return fits ? file.substr(size) : std::string_view();
}

bool VembRelpaths::has_basename_keys() const {
  return std::any_of(folders_.begin(), folders_.end(), [this](const std::string& folder) {
    return !WithoutRoot(folder).empty();
  });
}

VembRelpath VembRelpaths::Of(const VembKey& key, std::string_view file) const {
  VembRelpath where;
  where.relpath = key.path;
  if (HasFolder(key.path)) {
    where.dialect = VembDialect::kRelpath;
    return where;
  }
  if (file.empty() || Basename(file) != key.path) return where;
  const std::string_view below = WithoutRoot(file);
  if (below.empty() || below == key.path) return where;  // both dialects write the same key
  where.relpath = below;
  where.dialect = VembDialect::kBasename;
  where.inferred = true;
  return where;
}

std::vector<VembTwin> FindVembTwins(uint64_t count,
                                    const std::function<std::string_view(uint64_t)>& key_at) {
  struct Name {
    uint64_t hash;
    uint64_t entry;
    bool has_folder;
  };
  std::vector<Name> names;
  bool any[2] = {false, false};
  for (uint64_t i = 0; i < count; ++i) {
    const VembKey key = ParseVembKey(key_at(i));
    if (!key.split) continue;
    const bool has_folder = HasFolder(key.path);
    any[has_folder] = true;
    names.push_back({HashOf(key), i, has_folder});
  }
  std::vector<VembTwin> twins;
  if (!any[0] || !any[1]) return twins;
  std::sort(names.begin(), names.end(), [](const Name& a, const Name& b) {
    return std::tie(a.hash, a.has_folder, a.entry) < std::tie(b.hash, b.has_folder, b.entry);
  });
  for (auto run = names.begin(); run != names.end();) {
    const auto end = std::find_if(run, names.end(),
                                  [run](const Name& name) { return name.hash != run->hash; });
    const auto folders = std::find_if(run, end, [](const Name& name) { return name.has_folder; });
    for (auto older = run; older != folders; ++older) {
      const std::string older_key(key_at(older->entry));
      for (auto newer = folders; newer != end; ++newer) {
        // The hash may lie.
        if (key_at(newer->entry).ends_with("/" + older_key)) {
          twins.push_back({older->entry, newer->entry});
        }
      }
    }
    run = end;
  }
  std::sort(twins.begin(), twins.end(), [](const VembTwin& a, const VembTwin& b) {
    return std::tie(a.basename_entry, a.relpath_entry) <
           std::tie(b.basename_entry, b.relpath_entry);
  });
  return twins;
}

std::string VembKeyWarning(bool has_basename_keys, uint64_t twin_count) {
  if (!has_basename_keys && twin_count == 0) return "";
  std::string warning =
      "some keys name files without their folder (vemb 0.1): of files with equal name, size and "
      "time only one was kept by the program that wrote them";
  if (twin_count > 0) {
    warning += "; " + std::to_string(twin_count) +
               " of them stand there again with their folder: both are kept, the older is flagged "
               "duplicate_of";
  }
  return warning;
}

void AppendJsonMember(std::string* object, std::string_view name, std::string_view value) {
  if (!object->ends_with('{')) object->push_back(',');
  AppendJsonString(object, name);
  object->push_back(':');
  AppendJsonString(object, value);
}

std::string VembMetadataJson(const VembMetadata& metadata) {
  std::string json = "{";
  AppendJsonMember(&json, "relpath", metadata.where.relpath);
  if (metadata.key.split) {
    json += ",\"size\":" + std::to_string(metadata.key.size) +
            ",\"mtime_ns\":" + std::to_string(metadata.key.mtime_ns);
  }
  if (!metadata.file.empty()) AppendJsonMember(&json, "file", metadata.file);
  if (!metadata.model.empty()) AppendJsonMember(&json, "model", metadata.model);
  if (metadata.where.dialect != VembDialect::kUnknown) {
    AppendJsonMember(&json, "dialect",
                     metadata.where.dialect == VembDialect::kBasename ? "0.1" : "0.2");
  }
  if (!metadata.source.empty()) AppendJsonMember(&json, "source", metadata.source);
  if (!metadata.more.empty()) (json += ',') += metadata.more;
  return json += '}';
}

}  // namespace vdb::format
