// What must hold between CURRENT, manifest, ledger and documents: checked alike by writers and
// readers.
#pragma once

#include <memory>
#include <string>

#include "format/document_record.h"
#include "format/ledger_record.h"
#include "format/manifest.h"
#include "storage/file_system.h"
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

/// Ledger and manifest are of one database, and the manifest is not older than the ledger has seen.
Status CheckLedger(const format::LedgerRecord& record, const format::Manifest& manifest);

/// The documents hold every batch that the ledger knows to be durable, as it was written.
Status CheckBatches(const format::LedgerRecord& record, const format::StateRecord& state);

}  // namespace vdb::engine
