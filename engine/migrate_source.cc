#include "engine/migrate_source.h"

#include <algorithm>
#include <filesystem>

#include "engine/migrate_files.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using format::JoinPath;

constexpr char kVembFolder[] = ".vemb";
constexpr char kNndexFolder[] = ".nndex";

std::string Absolute(const std::string& path) {
  std::string text = std::filesystem::absolute(path).lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Several files as one, a newline between them.
class JoinedSource final : public format::ByteSource {
 public:
  explicit JoinedSource(std::vector<std::shared_ptr<const FileSource>> parts)
      : parts_(std::move(parts)) {
    for (const auto& part : parts_) {
      begins_.push_back(size_);
      size_ += part->size() + 1;
    }
  }

  uint64_t size() const override { return size_; }

  Status ReadAt(uint64_t offset, std::span<char> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return Status::Corruption("bytes past the end of " + std::to_string(size_));
    }
    size_t i = static_cast<size_t>(std::upper_bound(begins_.begin(), begins_.end(), offset) -
                                   begins_.begin());
    for (--i; !out.empty(); ++i) {
      const uint64_t at = offset - begins_[i];
      const uint64_t left = parts_[i]->size() - at;
      const auto take = static_cast<size_t>(std::min<uint64_t>(out.size(), left));
      if (take > 0) VDB_RETURN_IF_ERROR(parts_[i]->ReadAt(at, out.first(take)));
      out = out.subspan(take);
      offset += take + 1;
      if (out.empty()) break;
      out[0] = '\n';
      out = out.subspan(1);
    }
    return Status::Ok();
  }

 private:
  const std::vector<std::shared_ptr<const FileSource>> parts_;
  std::vector<uint64_t> begins_;
  uint64_t size_ = 0;
};

bool IsJsonName(std::string_view name) {
  return name.ends_with(".json") || name.ends_with(".ajson") || name.ends_with(".jsonl") ||
         name.ends_with(".ndjson");
}

// The first byte that is no white space, after a byte order mark; 0 if there is none at the start.
StatusOr<char> FirstByte(storage::FileSystem& fs, const std::string& path) {
  VDB_ASSIGN_OR_RETURN(const auto file, fs.Open(path, storage::OpenMode::kRead));
  std::string head(4096, '\0');
  VDB_ASSIGN_OR_RETURN(const size_t size, file->ReadAt(0, head.data(), head.size()));
  std::string_view text(head.data(), size);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const size_t at = text.find_first_not_of(" \t\r\n");
  return at == std::string_view::npos ? '\0' : text[at];
}

StatusOr<bool> AddIfThere(storage::FileSystem& fs, const std::string& path, LegacyPlace* place) {
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(path));
  if (there) place->files.push_back(path);
  return there;
}

// A folder's `.vemb` or `.nndex`; with `only`, the one of that name.
StatusOr<std::optional<LegacyPlace>> FindInFolder(storage::FileSystem& fs,
                                                  const std::string& folder,
                                                  std::string_view only = "") {
  LegacyPlace vemb = {LegacyPlace::Kind::kVemb, JoinPath(folder, kVembFolder), folder};
  VDB_ASSIGN_OR_RETURN(const bool cache,
                       AddIfThere(fs, JoinPath(vemb.source, "cache.json"), &vemb));
  VDB_ASSIGN_OR_RETURN(const bool manifest,
                       AddIfThere(fs, JoinPath(vemb.source, "manifest.json"), &vemb));
  VDB_RETURN_IF_ERROR(AddIfThere(fs, JoinPath(vemb.source, "vectors.npy"), &vemb).status());
  LegacyPlace nndex = {LegacyPlace::Kind::kNndex, JoinPath(folder, kNndexFolder), folder};
  VDB_ASSIGN_OR_RETURN(const bool metadata,
                       AddIfThere(fs, JoinPath(nndex.source, "metadata.json"), &nndex));
  VDB_RETURN_IF_ERROR(AddIfThere(fs, JoinPath(nndex.source, "embeddings.npy"), &nndex).status());
  if ((cache || manifest) && only != kNndexFolder) {
    if (metadata && only.empty()) {
      vemb.warnings.push_back("'" + nndex.source + "' is there too and was left alone; `vdbtool "
                              "migrate '" + nndex.source + "' --to DB` takes it");
    }
    return std::optional<LegacyPlace>(std::move(vemb));
  }
  if (metadata && only != kVembFolder) return std::optional<LegacyPlace>(std::move(nndex));
  return std::optional<LegacyPlace>();
}

StatusOr<std::optional<LegacyPlace>> FindFile(storage::FileSystem& fs, const std::string& path,
                                              bool by_name) {
  const std::string folder = FolderOf(path);
  if (NameOf(folder) == kVembFolder || NameOf(folder) == kNndexFolder) {
    VDB_ASSIGN_OR_RETURN(auto place, FindInFolder(fs, FolderOf(folder), NameOf(folder)));
    const auto is_this = [&](const std::string& file) { return NameOf(file) == NameOf(path); };
    if (place && std::any_of(place->files.begin(), place->files.end(), is_this)) return place;
  }
  VDB_ASSIGN_OR_RETURN(const char first, FirstByte(fs, path));
  const bool looks_like_json = first == '{' || first == '[' || first == '"';
  if (!looks_like_json && !(by_name && IsJsonName(path))) return std::optional<LegacyPlace>();
  LegacyPlace place = {LegacyPlace::Kind::kJsonFile, path, folder};
  place.files.push_back(path);
  const size_t dot = path.rfind('.');
  if (dot != std::string::npos && path.find('/', dot) == std::string::npos) {
    VDB_RETURN_IF_ERROR(AddIfThere(fs, path.substr(0, dot) + ".npy", &place).status());
  }
  return std::optional<LegacyPlace>(std::move(place));
}

// A folder with nothing but .ajson files, which are one log; or with nothing but one JSON file.
StatusOr<std::optional<LegacyPlace>> FindLogs(storage::FileSystem& fs, const std::string& folder) {
  std::string logs = folder;
  for (const char* below : {"multi", ".smart-env/multi"}) {
    const std::string path = JoinPath(folder, below);
    VDB_ASSIGN_OR_RETURN(const bool there, fs.IsDir(path));
    if (there) logs = path;
  }
  VDB_ASSIGN_OR_RETURN(std::vector<std::string> names, fs.List(logs));
  std::erase_if(names, [](const std::string& name) { return name.starts_with(".vdb"); });
  std::sort(names.begin(), names.end());
  if (names.size() == 1 && IsJsonName(names[0])) {
    return FindFile(fs, JoinPath(logs, names[0]), /*by_name=*/true);
  }
  LegacyPlace place = {LegacyPlace::Kind::kAjsonFolder, logs, folder};
  for (const std::string& name : names) {
    if (!name.ends_with(".ajson")) return std::optional<LegacyPlace>();
    place.files.push_back(JoinPath(logs, name));
  }
  if (place.files.empty()) return std::optional<LegacyPlace>();
  return std::optional<LegacyPlace>(std::move(place));
}

std::string Figures(uint64_t size_bytes, int64_t mtime_ns) {
  return std::to_string(size_bytes) + " bytes of time " + std::to_string(mtime_ns) + " ns";
}

}  // namespace

StatusOr<std::shared_ptr<const FileSource>> FileSource::Open(storage::FileSystem& fs,
                                                             const std::string& path) {
  VDB_ASSIGN_OR_RETURN(const storage::FileInfo info, fs.Stat(path));
  if (info.is_dir) return Status::UnsupportedFormat("'" + path + "' is a folder, not a file");
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path, storage::OpenMode::kRead));
  return std::shared_ptr<const FileSource>(new FileSource(path, info, std::move(file)));
}

Status FileSource::ReadAt(uint64_t offset, std::span<char> out) const {
  VDB_ASSIGN_OR_RETURN(const size_t read, file_->ReadAt(offset, out.data(), out.size()));
  if (read != out.size()) {
    return Status::Corruption("'" + path_ + "': expected " + std::to_string(out.size()) +
                              " bytes at " + std::to_string(offset) + ", found " +
                              std::to_string(read) + "; it has become shorter");
  }
  const std::lock_guard lock(mutex_);
  if (offset <= hashed_ && hashed_ < offset + out.size()) {
    const auto skip = static_cast<size_t>(hashed_ - offset);
    hash_.Update(out.data() + skip, out.size() - skip);
    hashed_ = offset + out.size();
  }
  return Status::Ok();
}

StatusOr<format::Hash128> FileSource::Hash() const {
  std::string buffer(256 << 10, '\0');
  while (true) {
    uint64_t at = 0;
    {
      const std::lock_guard lock(mutex_);
      at = hashed_;
    }
    if (at >= size()) break;
    const auto take = static_cast<size_t>(std::min<uint64_t>(buffer.size(), size() - at));
    VDB_RETURN_IF_ERROR(ReadAt(at, std::span(buffer.data(), take)));
  }
  const std::lock_guard lock(mutex_);
  return hash_.Digest128();
}

Status FileSource::CheckUnchanged(storage::FileSystem& fs) const {
  VDB_ASSIGN_OR_RETURN(const storage::FileInfo now, fs.Stat(path_));
  if (now.size_bytes == info_.size_bytes && now.mtime_ns == info_.mtime_ns) return Status::Ok();
  return Status::Corruption("'" + path_ + "' changed during the migration: expected " +
                            Figures(info_.size_bytes, info_.mtime_ns) + ", found " +
                            Figures(now.size_bytes, now.mtime_ns) +
                            "; nothing was published; try again when nobody writes to it");
}

std::string LegacyPlace::DefaultDatabase() const { return JoinPath(folder, ".vdb"); }

StatusOr<std::optional<LegacyPlace>> FindLegacy(storage::FileSystem& fs, const std::string& given,
                                                bool by_name) {
  std::string path = given;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(path));
  if (!there) return std::optional<LegacyPlace>();
  VDB_ASSIGN_OR_RETURN(const bool is_dir, fs.IsDir(path));
  std::optional<LegacyPlace> found;
  if (!is_dir) {
    VDB_ASSIGN_OR_RETURN(found, FindFile(fs, path, by_name));
  } else {
    VDB_ASSIGN_OR_RETURN(found, FindInFolder(fs, path));
    if (found || !by_name) return found;
    const std::string name = NameOf(path);
    if (name == kVembFolder || name == kNndexFolder) {
      VDB_ASSIGN_OR_RETURN(found, FindInFolder(fs, FolderOf(path), name));
    } else {
      VDB_ASSIGN_OR_RETURN(found, FindLogs(fs, path));
    }
  }
  return found;
}

StatusOr<OpenedPlace> OpenPlace(storage::FileSystem& fs, const LegacyPlace& place) {
  OpenedPlace opened;
  opened.sources.name = place.source;
  for (const std::string& path : place.files) {
    VDB_ASSIGN_OR_RETURN(auto file, FileSource::Open(fs, path));
    opened.bytes += file->size();
    opened.files.push_back(file);
    const std::string name = NameOf(path);
    switch (place.kind) {
      case LegacyPlace::Kind::kVemb:
        (name == "cache.json"      ? opened.sources.vemb_cache
         : name == "manifest.json" ? opened.sources.vemb_manifest
                                   : opened.sources.vemb_vectors) = file;
        break;
      case LegacyPlace::Kind::kNndex:
        (name == "metadata.json" ? opened.sources.nndex_metadata
                                 : opened.sources.nndex_embeddings) = file;
        break;
      case LegacyPlace::Kind::kJsonFile:
        (path == place.source ? opened.sources.json : opened.sources.json_matrix) = file;
        break;
      case LegacyPlace::Kind::kAjsonFolder: break;
    }
  }
  if (place.kind == LegacyPlace::Kind::kAjsonFolder) {
    opened.sources.json = std::make_shared<JoinedSource>(opened.files);
  }
  return opened;
}

std::string RecordedPath(const std::string& path, const std::string& database) {
  const std::string folder = JoinPath(FolderOf(Absolute(database)), "");
  std::string absolute = Absolute(path);
  if (absolute.starts_with(folder)) absolute.erase(0, folder.size());
  return absolute;
}

bool IsOfPlace(const format::MigrationRecord& record, const LegacyPlace& place,
               const std::string& database) {
  return record.source == RecordedPath(place.source, database);
}

StatusOr<std::string> ChangedSince(storage::FileSystem& fs, const format::MigrationRecord& record,
                                   const LegacyPlace& place, const std::string& database) {
  for (const std::string& path : place.files) {
    const auto known = std::find_if(
        record.files.begin(), record.files.end(), [&](const format::MigratedSource& file) {
          return file.path == RecordedPath(path, database);
        });
    if (known == record.files.end()) return "'" + path + "' is new";
    VDB_ASSIGN_OR_RETURN(const storage::FileInfo now, fs.Stat(path));
    if (now.size_bytes != known->size_bytes || now.mtime_ns != known->mtime_ns) {
      return "'" + path + "' has " + Figures(now.size_bytes, now.mtime_ns) + ", had " +
             Figures(known->size_bytes, known->mtime_ns);
    }
  }
  if (place.files.size() < record.files.size()) return std::string("a file of it is gone");
  return std::string();
}

}  // namespace vdb::engine
