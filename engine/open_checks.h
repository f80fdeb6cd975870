// What must hold between CURRENT, manifest, ledger and documents: checked alike by writers and
// readers.
#pragma once

#include <memory>
#include <string>

#include "format/document_record.h"
#include "format/ledger_record.h"
#include "format/manifest.h"
#include "storage/file_system.h"
#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb::engine {

inline constexpr uint64_t kCurrentBytesMax = 4096;

/// The one writer's lock of the database at `path`, held as long as the object lives.
struct WriterLock {
  std::unique_ptr<storage::File> file;
  std::unique_ptr<storage::FileLock> lock;
};
/// kBusy names the process that has it.
StatusOr<WriterLock> TakeWriterLock(storage::FileSystem& fs, const std::string& path);

/// The manifest that CURRENT names, of its twin if need be, with a warning.
StatusOr<format::DecodedManifest> ReadManifest(storage::FileSystem& fs, const std::string& path,
                                               const format::Current& current,
                                               const Logger& logger);

/// kFailedPrecondition: what it takes to write to a database of an older format version.
Status NeedsUpgrade(const std::string& path, const format::Manifest& manifest);

/// Ledger and manifest are of one database, and the manifest is not older than the ledger has seen.
Status CheckLedger(const format::LedgerRecord& record, const format::Manifest& manifest);

/// The documents hold every batch that the ledger knows to be durable, as it was written.
Status CheckBatches(const format::LedgerRecord& record, const format::StateRecord& state);

}  // namespace vdb::engine
