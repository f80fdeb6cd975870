// One backup: pieces of files and documents first, then, when all of them are durable, the record.
#include "engine/backup.h"

#include <chrono>

#include "engine/backup_chunks.h"
#include "engine/backup_source.h"
#include "engine/clock.h"
#include "engine/database_impl.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

using Clock = std::chrono::steady_clock;

class BackupRun {
 public:
  BackupRun(storage::FileSystem& fs, const std::string& root, const View& view,
            const std::string& directory, const BackupOptions& options)
      : view_(view), options_(options), source_(fs, root, view), directory_(fs, directory) {}

  StatusOr<BackupReport> Run() {
    const auto begin = Clock::now();
    VDB_RETURN_IF_ERROR(directory_.OpenForBackups(view_.manifest->uuid));
    VDB_RETURN_IF_ERROR(FindPrevious());
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

  Status Tick(uint64_t bytes) {
    done_bytes_ += bytes;
    total_bytes_ = std::max(total_bytes_, done_bytes_);
    if (!options_.progress || options_.progress({"backup", done_bytes_, total_bytes_})) {
      return Status::Ok();
    }
    return Status::Cancelled("backup: cancelled by the caller");
  }

  Status CopyAll() {
    VDB_ASSIGN_OR_RETURN(const auto files, source_.Files());
    for (const SourceFile& file : files) total_bytes_ += file.bytes;
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
    for (const SourceFile& file : files) {
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
