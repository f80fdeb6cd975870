// What a repair rests on: the newest manifest that is whole, the ledger, and RocksDB opened for
// reading, of a copy where it cannot be opened where it lies.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/repair_run.h"
#include "format/document_record.h"
#include "format/ledger_record.h"
#include "format/manifest.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

struct RepairSource {
  format::Manifest manifest;
  std::optional<format::LedgerRecord> ledger;  // absent: damaged
  std::shared_ptr<storage::DocumentStore> store;
  format::StateRecord state;
  bool state_found = false;
  /// Batches or tables are missing: documents may be gone or older than they were, and what files
  /// of ours say beyond them counts.
  bool lossy = false;
  std::string copy;  // of RocksDB's directory, to be removed; empty: none was needed
};

/// Errors: kNotFound (no database), kUnsupportedFormat, kCorruption (no manifest is whole, or
/// RocksDB cannot be read at all).
Status OpenRepairSource(RepairRun* run, RepairSource* source);

/// Visits every key with `prefix` that can be read, in order, past damaged blocks. `lost` hears
/// between which keys some may be missing (empty: the range's begin or end).
Status WalkStore(const storage::DocumentStore& store, const std::string& prefix,
                 const std::function<Status(std::string_view key, std::string_view value)>& visit,
                 const std::function<void(const std::string& after, const std::string& before)>&
                     lost);

}  // namespace vdb::engine
