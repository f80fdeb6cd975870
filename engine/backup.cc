// One backup: pieces of files and documents first, then, when all of them are durable, the record.
#include "engine/backup.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "engine/backup_chunks.h"
#include "engine/backup_source.h"
#include "engine/clock.h"
#include "engine/database_impl.h"
#include "engine/migrate_files.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kSpareBytes = 4u << 20;  // the record, block sums, heads of chunks

class BackupRun {
 public:
  BackupRun(storage::FileSystem& fs, const std::string& root, const View& view,
            const std::string& directory, const BackupOptions& options)
      : view_(view), options_(options), source_(fs, root, view), directory_(fs, directory) {}

  StatusOr<BackupReport> Run() {
    const auto begin = Clock::now();
    VDB_ASSIGN_OR_RETURN(files_, source_.Files());
    const std::string marker = directory_.PathOf(format::kBackupMarkerFile);
    VDB_ASSIGN_OR_RETURN(const bool there, directory_.fs().Exists(marker));
    if (!there) VDB_RETURN_IF_ERROR(CheckSpace(/*has_chunks=*/false));  // before it is made
    VDB_RETURN_IF_ERROR(directory_.OpenForBackups(view_.manifest->uuid));
    VDB_RETURN_IF_ERROR(FindPrevious());
    if (there) VDB_RETURN_IF_ERROR(CheckSpace(/*has_chunks=*/true));
    VDB_RETURN_IF_ERROR(Describe());
    VDB_RETURN_IF_ERROR(CopyAll());
    VDB_RETURN_IF_ERROR(directory_.WriteRecord(record_, &report_.bytes_written));
    directory_.RemoveUnreferenced().IgnoreError("what is left goes with the next backup or drop");
    report_.info = InfoOf(record_);
    report_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return std::move(report_);
  }

 private:
  // The newest backup that can be read; ids of those that cannot are not used again either.
  Status FindPrevious() {
    VDB_ASSIGN_OR_RETURN(const auto ids, directory_.Ids());
    record_.id = ids.empty() ? 1 : ids.back() + 1;
    for (size_t i = ids.size(); i-- > 0;) {
      auto record = directory_.ReadRecord(ids[i]);
      if (!record.ok()) continue;
      for (format::BackupFile& file : record->files) {
        if (file.identity == 0) continue;
        const std::string name = file.name;
        previous_[{name, file.identity}] = std::move(file);
      }
      break;
    }
    return Status::Ok();
  }

  Status Describe() {
    record_.created_unix_ms = UnixMilliseconds();
    record_.uuid = view_.manifest->uuid;
    VDB_ASSIGN_OR_RETURN(record_.manifest_bytes, source_.ManifestBytes());
    VDB_ASSIGN_OR_RETURN(const auto state,
                         view_.store->Get(format::StateKey(), view_.snapshot.get()));
    VDB_ASSIGN_OR_RETURN(record_.state, format::DecodeState(state.value_or("")));
    for (const auto& collection : view_.manifest->collections) {
      record_.collections.push_back(collection.name);
      VDB_ASSIGN_OR_RETURN(const auto counts, view_.store->Get(format::CountsKey(collection.id),
                                                               view_.snapshot.get()));
      if (!counts) continue;
      VDB_ASSIGN_OR_RETURN(const auto decoded, format::DecodeCounts(*counts));
      record_.document_count += decoded.documents;
    }
    return Status::Ok();
  }

  // Also when its chunks are still there: a backup must not rest on a file that is gone.
  bool HaveIt(const SourceFile& file, format::BackupFile* out) const {
    const auto found = previous_.find({file.name, file.identity});
    if (file.identity == 0 || found == previous_.end()) return false;
    for (const format::BackupChunk& chunk : found->second.chunks) {
      const auto info =
          directory_.fs().Stat(directory_.PathOf(format::ChunkFileName(chunk.hash)));
      if (!info.ok() || info->size_bytes != chunk.stored_bytes) return false;
    }
    *out = found->second;
    return true;
  }

  // Refuses what the disk has no room for. Before compression, and with all of the documents: what
  // of them is new only their chunks tell, so those are asked where it matters.
  Status CheckSpace(bool has_chunks) {
    uint64_t needed = source_.DocumentBytes();
    for (const SourceFile& file : files_) {
      format::BackupFile unused;
      if (!HaveIt(file, &unused)) needed += file.bytes;
    }
    needed += needed / 1024 + kSpareBytes;
    storage::FileSystem& fs = directory_.fs();
    VDB_ASSIGN_OR_RETURN(const bool there, fs.Exists(directory_.path()));
    VDB_ASSIGN_OR_RETURN(
        const uint64_t free,
        fs.FreeBytes(there ? directory_.path() : FolderOf(directory_.path())));
    if (free >= needed) return Status::Ok();
    const Status refused = Status::ResourceExhausted(
        "backup: up to " + std::to_string(needed) + " bytes of disk are needed at '" +
        directory_.path() + "', " + std::to_string(free) + " are free; nothing was written, free "
        "some space");
    if (!has_chunks || free < kSpareBytes) return refused;
    return NewBytesFit(free - kSpareBytes, refused);
  }

  // Reads what the backup would read, and writes nothing; ends where it is too much.
  Status NewBytesFit(uint64_t room, const Status& refused) {
    uint64_t new_bytes = 0;
    std::set<std::pair<uint64_t, uint64_t>> seen;
    const PieceSink sink = [&](std::string piece) -> Status {
      if (options_.progress && !options_.progress({"room", 0, room})) return Cancelled();
      const format::Hash128 hash = format::ChunkHash(piece);
      const std::string path = directory_.PathOf(format::ChunkFileName(hash));
      VDB_ASSIGN_OR_RETURN(const bool there, directory_.fs().Exists(path));
      if (!there && seen.insert({hash.high, hash.low}).second) new_bytes += piece.size();
      return new_bytes > room ? refused : Status::Ok();
    };
    for (const SourceFile& file : files_) {
      format::BackupFile unused;
      if (!HaveIt(file, &unused)) VDB_RETURN_IF_ERROR(source_.ReadFile(file, sink));
    }
    return source_.ReadDocuments(sink);
  }

  static Status Cancelled() { return Status::Cancelled("backup: cancelled by the caller"); }

  Status Tick(uint64_t bytes) {
    done_bytes_ += bytes;
    total_bytes_ = std::max(total_bytes_, done_bytes_);
    if (!options_.progress || options_.progress({"backup", done_bytes_, total_bytes_})) {
      return Status::Ok();
    }
    return Cancelled();
  }

  Status CopyAll() {
    for (const SourceFile& file : files_) total_bytes_ += file.bytes;
    total_bytes_ += source_.DocumentBytes();
    ChunkWriter writer(directory_, options_.compression_level);
    std::vector<std::vector<size_t>> pieces;  // by file: numbers of the writer
    const PieceSink sink = [&](std::string piece) -> Status {
      const size_t bytes = piece.size();
      record_.files.back().file_bytes += bytes;
      report_.bytes_read += bytes;
      VDB_ASSIGN_OR_RETURN(const size_t number, writer.Put(std::move(piece)));
      pieces.back().push_back(number);
      return Tick(bytes);
    };
    for (const SourceFile& file : files_) {
      format::BackupFile one;
      one.name = file.name;
      one.identity = file.identity;
      const bool have = HaveIt(file, &one);
      record_.files.push_back(std::move(one));
      pieces.emplace_back();
      VDB_RETURN_IF_ERROR(have ? Tick(file.bytes) : source_.ReadFile(file, sink));
    }
    record_.files.push_back({std::string(format::kBackupDocuments), 0, 0, {}});
    pieces.emplace_back();
    VDB_RETURN_IF_ERROR(source_.ReadDocuments(sink));
    VDB_RETURN_IF_ERROR(writer.Finish());
    for (size_t i = 0; i < pieces.size(); ++i) {
      for (const size_t number : pieces[i]) {
        record_.files[i].chunks.push_back(writer.Chunk(number));
      }
      report_.chunk_count += record_.files[i].chunks.size();
    }
    report_.new_chunk_count = writer.new_chunk_count();
    report_.bytes_written += writer.bytes_written();
    return Status::Ok();
  }

  const View& view_;
  const BackupOptions& options_;
  BackupSource source_;
  BackupDirectory directory_;
  std::vector<SourceFile> files_;
  std::map<std::pair<std::string, uint64_t>, format::BackupFile> previous_;
  format::BackupRecord record_;
  BackupReport report_;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
};

}  // namespace

StatusOr<BackupReport> DatabaseImpl::Backup(const std::string& directory,
                                            const BackupOptions& options) {
  if (options.compression_level < 1 || options.compression_level > 19) {
    return Status::InvalidArgument("compression_level: expected 1 to 19, found " +
                                   std::to_string(options.compression_level));
  }
  ViewPin pin;
  VDB_ASSIGN_OR_RETURN(const auto view, PinnedView(&pin));
  return BackupRun(fs(), path_, *view, directory, options).Run();
}

}  // namespace vdb::engine
