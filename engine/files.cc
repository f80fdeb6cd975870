// What keeps a collection in step with files (vdb/files.h), on the public calls of Collection:
// every change is a batch that fails if a document was changed since it was looked at.
#include "vdb/files.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "engine/no_throw.h"
#include "format/json_reader.h"
#include "format/status_macros.h"
#include "storage/file_system.h"
#include "vdb/json_text.h"

namespace vdb {
namespace {

constexpr DocumentParts kMetadataOnly = {.metadata = true, .body = false, .vectors = false};
constexpr size_t kPruneBatchDocuments = 2000;
constexpr size_t kRekeyBatchBytes = 16u << 20;

// What metadata says of a file. Fields of another type count as missing.
struct KnownFile {
  std::optional<std::string> relpath, hash;
  std::optional<uint64_t> size;
  std::optional<int64_t> mtime_ns;
};

template <typename Int>
std::optional<Int> IntegerOf(const format::JsonNumber& number) {
  Int value = 0;
  const char* end = number.text.data() + number.text.size();
  const auto [at, error] = std::from_chars(number.text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

StatusOr<KnownFile> KnownFileOf(const std::string& metadata) {
  KnownFile known;
  format::JsonReader reader(metadata, kMetadataDepthMax);
  std::string name_scratch, scratch;
  std::string_view name, text;
  format::JsonNumber number;
  if (reader.EnterObject()) {
    while (reader.NextField(&name_scratch, &name)) {
      const format::JsonKind kind = reader.Peek();
      const bool is_text = kind == format::JsonKind::kString;
      const bool is_number = kind == format::JsonKind::kNumber;
      if (is_text && (name == "relpath" || name == "hash")) {
        auto& field = name == "hash" ? known.hash : known.relpath;
        if (reader.ReadString(&scratch, &text)) field = std::string(text);
      } else if (is_number && (name == "size" || name == "mtime_ns")) {
        if (!reader.ReadNumber(&number)) break;
        if (name == "size") known.size = IntegerOf<uint64_t>(number);
        else known.mtime_ns = IntegerOf<int64_t>(number);
      } else {
        reader.SkipValue();
      }
    }
  }
  if (!reader.ok()) return Status::Corruption("metadata: " + reader.status().message());
  return known;
}

enum class Look { kUnchanged, kTouched, kChanged };

Look Compare(const FileState& now, const KnownFile& known) {
  const bool same_size = !now.size || now.size == known.size;
  const bool same_mtime = !now.mtime_ns || now.mtime_ns == known.mtime_ns;
  if (!now.hash.empty()) {
    if (!same_size || known.hash != now.hash) return Look::kChanged;
    return same_mtime ? Look::kUnchanged : Look::kTouched;
  }
  return same_size && same_mtime ? Look::kUnchanged : Look::kChanged;
}

// The column that a file must have a vector in; empty: none is asked for.
StatusOr<std::string> ColumnAskedFor(const Collection& collection, std::string_view column) {
  VDB_ASSIGN_OR_RETURN(const auto columns, collection.Columns());
  for (const ColumnInfo& info : columns) {
    if (column.empty() ? info.is_default : info.name == column) return info.name;
  }
  if (column.empty()) return std::string();
  return Status::NotFound("collection '" + collection.name() + "': no column '" +
                          std::string(column) + "'");
}

StatusOr<Look> LookAt(const DocumentIterator& it, const FileState& now,
                      const std::string& column) {
  if (!column.empty()) {
    VDB_ASSIGN_OR_RETURN(const bool has_vector, it.HasVector(column));
    if (!has_vector) return Look::kChanged;
  }
  VDB_ASSIGN_OR_RETURN(const Document document, it.document(kMetadataOnly));
  VDB_ASSIGN_OR_RETURN(const KnownFile known, KnownFileOf(document.metadata));
  return Compare(now, known);
}

StatusOr<FileChanges> FindChanges(const Collection& collection, std::span<const FileState> files,
                                  std::string_view column_name, const ReadOptions& options) {
  VDB_ASSIGN_OR_RETURN(const std::string column, ColumnAskedFor(collection, column_name));
  VDB_ASSIGN_OR_RETURN(auto it, collection.NewIterator(options));
  std::vector<size_t> by_key(files.size());
  std::iota(by_key.begin(), by_key.end(), size_t{0});
  std::sort(by_key.begin(), by_key.end(),
            [&](size_t a, size_t b) { return files[a].key < files[b].key; });
  FileChanges changes;
  it.SeekToFirst();
  for (size_t i = 0; i < by_key.size(); ++i) {
    const FileState& file = files[by_key[i]];
    const bool repeated = i > 0 && files[by_key[i - 1]].key == file.key;
    if (i > 0 && !repeated && it.Valid() && it.key() == files[by_key[i - 1]].key) it.Next();
    for (; it.Valid() && it.key() < file.key; it.Next()) ++changes.unlisted_count;
    VDB_RETURN_IF_ERROR(it.status());
    Look look = Look::kChanged;
    if (it.Valid() && it.key() == file.key) {
      VDB_ASSIGN_OR_RETURN(look, LookAt(it, file, column));
    }
    if (look == Look::kUnchanged) ++changes.unchanged_count;
    else (look == Look::kTouched ? changes.touched : changes.changed).push_back(by_key[i]);
  }
  if (!by_key.empty() && it.Valid() && it.key() == files[by_key.back()].key) it.Next();
  for (; it.Valid(); it.Next()) ++changes.unlisted_count;
  VDB_RETURN_IF_ERROR(it.status());
  std::sort(changes.changed.begin(), changes.changed.end());
  std::sort(changes.touched.begin(), changes.touched.end());
  return changes;
}

enum class OnDisk { kSame, kGone, kChanged };

StatusOr<OnDisk> LookOnDisk(const std::string& root, const KnownFile& known) {
  // A NUL would cut the path short, and another file would be looked at.
  if (known.relpath->find('\0') != std::string::npos) return OnDisk::kGone;
  auto info = storage::PosixFileSystem()->Stat(root + "/" + *known.relpath);
  if (!info.ok() && info.status().code() == StatusCode::kNotFound) return OnDisk::kGone;
  VDB_RETURN_IF_ERROR(info.status());
  if (info->is_dir) return OnDisk::kGone;
  const bool same = (!known.size || *known.size == info->size_bytes) &&
                    (!known.mtime_ns || *known.mtime_ns == info->mtime_ns);
  return same ? OnDisk::kSame : OnDisk::kChanged;
}

// Deletes in batches. Where a document was changed since it was read, its batch fails whole: then
// one by one, and the changed ones stay.
class Pruner {
 public:
  Pruner(Collection* collection, const PruneOptions& options)
      : collection_(collection), options_(options) {}

  Status Drop(const Document& document, uint64_t* counter) {
    pending_.push_back({document.key, document.version, counter});
    return pending_.size() < kPruneBatchDocuments ? Status::Ok() : Commit();
  }

  Status Commit() {
    if (!options_.dry_run && !pending_.empty()) {
      WriteBatch batch;
      for (const Pending& p : pending_) batch.DeleteIfVersion(p.key, p.version);
      const Status written = collection_->Write(batch, options_.write).status();
      if (Stale(written)) return CommitOneByOne();
      VDB_RETURN_IF_ERROR(written);
    }
    for (const Pending& p : pending_) ++*p.counter;
    pending_.clear();
    return Status::Ok();
  }

 private:
  struct Pending {
    std::string key;
    uint64_t version;
    uint64_t* counter;
  };

  static bool Stale(const Status& status) {
    return status.code() == StatusCode::kFailedPrecondition ||
           status.code() == StatusCode::kNotFound;
  }

  Status CommitOneByOne() {
    for (const Pending& p : pending_) {
      WriteBatch batch;
      batch.DeleteIfVersion(p.key, p.version);
      const Status written = collection_->Write(batch, options_.write).status();
      if (written.ok()) ++*p.counter;
      else if (!Stale(written)) return written;
    }
    pending_.clear();
    return Status::Ok();
  }

  Collection* const collection_;
  const PruneOptions& options_;
  std::vector<Pending> pending_;
};

StatusOr<PruneReport> Prune(Collection& collection, const std::string& root,
                            const PruneOptions& options) {
  VDB_ASSIGN_OR_RETURN(const storage::FileInfo info, storage::PosixFileSystem()->Stat(root));
  if (!info.is_dir) return Status::NotFound("'" + root + "' is no directory");
  VDB_ASSIGN_OR_RETURN(const uint64_t total, collection.Count());
  VDB_ASSIGN_OR_RETURN(auto it, collection.NewIterator());
  PruneReport report;
  Pruner pruner(&collection, options);
  for (it.SeekToFirst(); it.Valid(); it.Next()) {
    VDB_ASSIGN_OR_RETURN(const Document document, it.document(kMetadataOnly));
    VDB_ASSIGN_OR_RETURN(const KnownFile known, KnownFileOf(document.metadata));
    if (++report.document_count % 1024 == 0 && options.progress &&
        !options.progress({"prune", report.document_count, total})) {
      return Status::Cancelled("prune: cancelled by the caller");
    }
    if (!known.relpath) {
      ++report.without_path_count;
      continue;
    }
    VDB_ASSIGN_OR_RETURN(const OnDisk on_disk, LookOnDisk(root, known));
    if (on_disk == OnDisk::kSame) continue;
    VDB_RETURN_IF_ERROR(pruner.Drop(document, on_disk == OnDisk::kGone ? &report.gone_count
                                                                       : &report.changed_count));
  }
  VDB_RETURN_IF_ERROR(it.status());
  VDB_RETURN_IF_ERROR(pruner.Commit());
  return report;
}

// `metadata` with its relpath moved along, if it lies below `from`.
StatusOr<std::string> MovedMetadata(const std::string& metadata, std::string_view from,
                                    std::string_view to) {
  VDB_ASSIGN_OR_RETURN(const KnownFile known, KnownFileOf(metadata));
  if (!known.relpath || !known.relpath->starts_with(from)) return metadata;
  std::string moved = "{";
  format::JsonReader reader(metadata, kMetadataDepthMax);
  std::string scratch;
  std::string_view name, raw;
  if (reader.EnterObject()) {
    while (reader.NextField(&scratch, &name)) {
      if (moved.size() > 1) moved += ", ";
      AppendJsonString(&moved, name);
      moved += ": ";
      const bool is_path = name == "relpath";
      if (!reader.ReadRaw(&raw)) break;
      if (is_path) {
        AppendJsonString(&moved, std::string(to) + known.relpath->substr(from.size()));
      } else {
        moved += raw;
      }
    }
  }
  if (!reader.ok()) return Status::Corruption("metadata: " + reader.status().message());
  return moved + "}";
}

Status AddMove(const Document& document, std::string_view from, std::string_view to,
               bool is_deleted, WriteBatch* batch) {
  const std::string key = std::string(to) + document.key.substr(from.size());
  VDB_ASSIGN_OR_RETURN(const std::string metadata, MovedMetadata(document.metadata, from, to));
  DocumentView moved = {.key = key, .metadata = metadata};
  if (document.body) moved.body = *document.body;
  for (const DocumentVector& vector : document.vectors) {
    moved.vectors.push_back({vector.column, vector.stored.unit, vector.stored.norm});
  }
  if (!is_deleted) batch->DeleteIfVersion(document.key, document.version);
  batch->PutIfAbsent(moved);
  return Status::Ok();
}

// Whether every new key is free (or is itself about to move) and of a legal length.
StatusOr<uint64_t> CheckTargets(const Collection& collection, std::string_view from,
                                std::string_view to) {
  VDB_ASSIGN_OR_RETURN(auto it, collection.NewIterator());
  VDB_ASSIGN_OR_RETURN(auto target, collection.NewIterator());
  uint64_t count = 0;
  for (it.Seek(from); it.Valid() && it.key().starts_with(from); it.Next(), ++count) {
    const std::string key = std::string(to) + std::string(it.key().substr(from.size()));
    if (key.empty() || key.size() > kKeyBytesMax) {
      return Status::InvalidArgument("collection '" + collection.name() + "': a new key of " +
                                     std::to_string(key.size()) + " bytes, expected 1 to " +
                                     std::to_string(kKeyBytesMax));
    }
    if (key.starts_with(from)) continue;
    target.Seek(key);
    VDB_RETURN_IF_ERROR(target.status());
    if (target.Valid() && target.key() == key) {
      std::string shown;
      AppendJsonString(&shown, key);
      return Status::AlreadyExists("collection '" + collection.name() + "': key " + shown +
                                   " is taken; delete that document, or choose another prefix");
    }
  }
  VDB_RETURN_IF_ERROR(it.status());
  return count;
}

// One document after the other into batches, each of which moves its documents whole.
class Rekeyer {
 public:
  Rekeyer(Collection* collection, std::string_view from, std::string_view to,
          const RekeyOptions& options)
      : collection_(collection), from_(from), to_(to), options_(options) {}

  // A new key that starts with `from` would be moved again by a second call after a crash, and may
  // be that of a document that is yet to move: then everything goes in one batch, deletes first.
  StatusOr<RekeyReport> Run() {
    const bool one_batch = to_.starts_with(from_) || from_.starts_with(to_);
    VDB_ASSIGN_OR_RETURN(auto it, collection_->NewIterator());
    if (one_batch) VDB_RETURN_IF_ERROR(DeleteAll(&it));
    for (it.Seek(from_); it.Valid() && it.key().starts_with(from_); it.Next()) {
      VDB_ASSIGN_OR_RETURN(const Document document, it.document());
      VDB_RETURN_IF_ERROR(AddMove(document, from_, to_, one_batch, &batch_));
      ++pending_;
      if (!one_batch && batch_.size_bytes() >= kRekeyBatchBytes) VDB_RETURN_IF_ERROR(Commit());
      if (batch_.size_bytes() > kBatchBytesMax) return TooLarge();
    }
    VDB_RETURN_IF_ERROR(it.status());
    VDB_RETURN_IF_ERROR(Commit());
    return report_;
  }

 private:
  Status DeleteAll(DocumentIterator* it) {
    for (it->Seek(from_); it->Valid() && it->key().starts_with(from_); it->Next()) {
      VDB_ASSIGN_OR_RETURN(const Document document, it->document({false, false, false}));
      batch_.DeleteIfVersion(document.key, document.version);
    }
    return it->status();
  }

  Status Commit() {
    if (pending_ == 0) return Status::Ok();
    VDB_RETURN_IF_ERROR(collection_->Write(batch_, options_.write).status());
    report_.renamed_count += pending_;
    pending_ = 0;
    batch_.Clear();
    return Status::Ok();
  }

  static Status TooLarge() {
    return Status::ResourceExhausted(
        "rekey: one prefix starts with the other, so all documents must move in one batch, and "
        "they are more than " + std::to_string(kBatchBytesMax) +
        " bytes; move them to a third prefix first");
  }

  Collection* const collection_;
  const std::string_view from_, to_;
  const RekeyOptions& options_;
  WriteBatch batch_;
  uint64_t pending_ = 0;
  RekeyReport report_;
};

StatusOr<RekeyReport> Rekey(Collection& collection, std::string_view from, std::string_view to,
                            const RekeyOptions& options) {
  if (from.empty()) return Status::InvalidArgument("rekey: expected a prefix, found an empty one");
  if (from == to) return RekeyReport();
  VDB_ASSIGN_OR_RETURN(const uint64_t count, CheckTargets(collection, from, to));
  if (options.dry_run) return RekeyReport{count};
  return Rekeyer(&collection, from, to, options).Run();
}

}  // namespace

StatusOr<FileChanges> ChangedSince(const Collection& collection, std::span<const FileState> files,
                                   std::string_view column, const ReadOptions& options) {
  return engine::NoThrow([&] { return FindChanges(collection, files, column, options); });
}

StatusOr<PruneReport> PruneFiles(Collection& collection, const std::string& root,
                                 const PruneOptions& options) {
  return engine::NoThrow([&] { return Prune(collection, root, options); });
}

StatusOr<RekeyReport> RekeyPrefix(Collection& collection, std::string_view from,
                                  std::string_view to, const RekeyOptions& options) {
  return engine::NoThrow([&] { return Rekey(collection, from, to, options); });
}

}  // namespace vdb
