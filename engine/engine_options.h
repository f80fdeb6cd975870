// What tests may turn inside the engine, beside the public options. Applications never see it.
#pragma once

#include <string>
#include <string_view>

#include "format/file_names.h"
#include "query/budget.h"
#include "storage/file_system.h"
#include "vdb/database.h"

namespace vdb::engine {

struct EngineOptions {
  DatabaseOptions user;
  storage::FileSystem* fs = storage::PosixFileSystem();
  uint64_t segment_rows_max = 0;          // 0: storage::DefaultRowCapacity
  size_t write_buffer_bytes = 4u << 20;   // RocksDB memtable; bounds the live WAL
  std::string uuid = {};                  // 32 hex digits for a new database; empty: random
  size_t field_chunk_documents = 2000;    // a field index build looks at between other rounds
  size_t tombstones_max = 8192;           // more are folded into masks; bounds the work of an open
  uint64_t indexer_rows_min = 50'000;     // background_jobs: unindexed rows that call for a build
  uint32_t indexer_pause_ms = 2000;       // and how long it waits for more of them
  uint32_t job_retry_ms = 30'000;         // a background job that found the disk full tries again
  query::Clock clock = {};                // of deadlines; empty: the system's
  bool recover_only = false;              // an older format version, too; nobody may write to it
  std::string_view current_file = format::kCurrentFile;  // readers: what names their manifest
  bool codes_always = false;              // search by codes where scanning rows would be as fast
};

/// Database::Open with the engine's own options.
StatusOr<Database> OpenDatabase(const std::string& path, const EngineOptions& options);

}  // namespace vdb::engine
