// ChunkWriter: pieces of a backup become chunk files, each once, compressed and synced on several
// threads. What is there already is compared with what it should be, and written anew if it is
// damaged: a backup does not rest on bytes that nobody looked at for years, if it has better ones.
//
// Threads: one caller. Memory: a few pieces per thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/backup_directory.h"

namespace vdb::engine {

class ChunkWriter {
 public:
  ChunkWriter(const BackupDirectory& directory, int level);
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  /// Waits while all threads are busy. The number of the piece, for Chunk. An error: of any piece.
  StatusOr<size_t> Put(std::string raw);
  /// Waits for all of them, then makes them durable. Once, after the last Put.
  Status Finish();

  // --- after Finish ---
  format::BackupChunk Chunk(size_t number) const;
  uint64_t new_chunk_count() const { return new_chunk_count_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  struct Piece {
    size_t number = 0;
    std::string raw;
  };
  using HashParts = std::pair<uint64_t, uint64_t>;

  void Stop();
  void Work();
  Status Store(const Piece& piece);
  StatusOr<uint32_t> StoredBytes(const format::Hash128& hash, const std::string& raw) const;
  Status Write(const std::string& path, const std::string& bytes);

  const BackupDirectory& directory_;
  const int level_;
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;
  std::condition_variable for_work_, for_room_;
  std::deque<Piece> queue_;
  size_t busy_ = 0;
  bool stop_ = false;
  Status failure_;
  std::vector<HashParts> pieces_;              // by number
  std::map<HashParts, format::BackupChunk> chunks_;
  std::set<std::string> folders_;              // to be synced
  uint64_t new_chunk_count_ = 0;
  uint64_t bytes_written_ = 0;
};

}  // namespace vdb::engine
