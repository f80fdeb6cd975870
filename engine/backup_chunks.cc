// See backup_chunks.h.
#include "engine/backup_chunks.h"

#include <algorithm>

#include "engine/migrate_files.h"
#include "engine/no_throw.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr unsigned kThreadsMax = 4;  // beyond that the disk is what one waits for

}  // namespace

ChunkWriter::ChunkWriter(const BackupDirectory& directory, int level)
    : directory_(directory), level_(level) {
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1u, kThreadsMax);
  threads_.reserve(count);
  try {
    for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { Work(); });
  } catch (const std::exception&) {
    // Those that could be started will do; without any, Put does the work itself.
  }
}

ChunkWriter::~ChunkWriter() { Stop(); }

void ChunkWriter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    for_work_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

StatusOr<size_t> ChunkWriter::Put(std::string raw) {
  std::unique_lock lock(mutex_);
  const size_t number = pieces_.size();
  pieces_.emplace_back();
  if (threads_.empty()) {
    lock.unlock();
    VDB_RETURN_IF_ERROR(Store({number, std::move(raw)}));
    return number;
  }
  for_room_.wait(lock, [this] { return !failure_.ok() || queue_.size() < threads_.size(); });
  VDB_RETURN_IF_ERROR(failure_);
  queue_.push_back({number, std::move(raw)});
  for_work_.notify_one();
  return number;
}

void ChunkWriter::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    for_work_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const Piece piece = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    const Status stored = NoThrow([&] { return Store(piece); });
    lock.lock();
    --busy_;
    if (failure_.ok()) failure_ = stored;
    for_room_.notify_all();
  }
}

Status ChunkWriter::Store(const Piece& piece) {
  const format::Hash128 hash = format::ChunkHash(piece.raw);
  const HashParts parts = {hash.high, hash.low};
  {
    const std::lock_guard lock(mutex_);
    pieces_[piece.number] = parts;
    const auto size = static_cast<uint32_t>(piece.raw.size());
    if (!chunks_.try_emplace(parts, format::BackupChunk{hash, size, 0}).second) {
      return Status::Ok();  // another piece of these bytes is dealt with
    }
  }
  const std::string path = directory_.PathOf(format::ChunkFileName(hash));
  VDB_ASSIGN_OR_RETURN(uint32_t stored, StoredBytes(hash, piece.raw));
  const bool is_new = stored == 0;
  if (is_new) {
    const std::string bytes = format::EncodeChunk(piece.raw, hash, level_);
    stored = static_cast<uint32_t>(bytes.size());
    VDB_RETURN_IF_ERROR(Write(path, bytes));
  }
  const std::lock_guard lock(mutex_);
  chunks_[parts].stored_bytes = stored;
  // Also of what a killed writer left: its name may not be durable.
  folders_.insert(FolderOf(path));
  new_chunk_count_ += is_new ? 1 : 0;
  bytes_written_ += is_new ? stored : 0;
  return Status::Ok();
}

// The size of the chunk's file if it is there and good, else 0.
StatusOr<uint32_t> ChunkWriter::StoredBytes(const format::Hash128& hash,
                                            const std::string& raw) const {
  const std::string name = format::ChunkFileName(hash);
  auto bytes = storage::ReadWholeFile(directory_.fs(), directory_.PathOf(name),
                                      format::kChunkFileBytesMax);
  if (!bytes.ok()) return 0;
  const auto found = format::DecodeChunk(*bytes, hash, name);
  return found.ok() && *found == raw ? static_cast<uint32_t>(bytes->size()) : 0;
}

Status ChunkWriter::Write(const std::string& path, const std::string& bytes) {
  storage::FileSystem& fs = directory_.fs();
  const std::string tmp = path + ".tmp";
  const Status written = WriteSyncedFile(fs, tmp, bytes);
  if (written.code() == StatusCode::kNotFound) {  // the first one in its folder
    VDB_RETURN_IF_ERROR(fs.CreateDir(FolderOf(path)));
    VDB_RETURN_IF_ERROR(WriteSyncedFile(fs, tmp, bytes));
  } else {
    VDB_RETURN_IF_ERROR(written);
  }
  return fs.Rename(tmp, path);
}

Status ChunkWriter::Finish() {
  {
    std::unique_lock lock(mutex_);
    for_room_.wait(lock, [this] { return !failure_.ok() || (queue_.empty() && busy_ == 0); });
  }
  Stop();
  VDB_RETURN_IF_ERROR(failure_);
  if (folders_.empty()) return Status::Ok();
  VDB_RETURN_IF_ERROR(
      directory_.fs().SyncDir(directory_.PathOf(format::kBackupChunksDir)));
  for (const std::string& folder : folders_) {
    VDB_RETURN_IF_ERROR(directory_.fs().SyncDir(folder));
  }
  return Status::Ok();
}

format::BackupChunk ChunkWriter::Chunk(size_t number) const {
  return chunks_.at(pieces_[number]);
}

}  // namespace vdb::engine
