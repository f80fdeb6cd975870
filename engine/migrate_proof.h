// The end of a migration: what is on disk, read back from the files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine_options.h"
#include "engine/legacy_document.h"
#include "format/migration_record.h"

namespace vdb::engine {

/// The collection that a migration fills.
inline constexpr char kMigratedCollection[] = "docs";

struct StoredContents {
  EntriesHash hash;    // of the documents of kMigratedCollection
  uint64_t batch = 0;  // last one
  bool alone = false;  // there is no other collection
};

/// Opens the database read-only, reads every document with its vectors (each row's checksum is
/// compared), and closes it. Keeps little of the mapped files resident. kCorruption; kCancelled.
StatusOr<StoredContents> ReadBack(const std::string& path, const EngineOptions& options,
                                  const ProgressCallback& progress);

/// Compares what was read from the source with what is stored.
Status CompareContents(const EntriesHash& source, const StoredContents& stored);

/// The record of the database; nothing if it has none. kCorruption if it is damaged.
StatusOr<std::optional<format::MigrationRecord>> ReadMigrationRecord(storage::FileSystem& fs,
                                                                     const std::string& database);

}  // namespace vdb::engine
