#include "engine/open_checks.h"

namespace vdb::engine {

Status CheckLedger(const format::LedgerRecord& record, const format::Manifest& manifest) {
  if (record.uuid != manifest.uuid) {
    return Status::Corruption("'ledger': belongs to database " + record.uuid +
                              ", the manifest to " + manifest.uuid +
                              "; restore the whole directory from one copy");
  }
  if (manifest.generation < record.generation) {
    return Status::Corruption("'CURRENT': names generation " +
                              std::to_string(manifest.generation) + ", the ledger has seen " +
                              std::to_string(record.generation) +
                              "; restore the whole directory from one copy");
  }
  return Status::Ok();
}

Status CheckBatches(const format::LedgerRecord& record, const format::StateRecord& state) {
  if (state.batch < record.durable_batch) {
    return Status::Corruption("documents end at batch " + std::to_string(state.batch) +
                              ", but batch " + std::to_string(record.durable_batch) +
                              " was acknowledged as durable; restore the directory from a copy");
  }
  if (state.batch == record.batch && state.running_hash != record.running_hash) {
    return Status::Corruption("documents at batch " + std::to_string(state.batch) +
                              " are not those that were written (running hash); restore the "
                              "directory from a copy");
  }
  return Status::Ok();
}

}  // namespace vdb::engine
