// Verify of what says what must be there: CURRENT, both copies of the manifest, the ledger with
// RocksDB's logs, and the record of a migration.
#pragma once

#include "engine/verify_run.h"
#include "engine/view.h"

namespace vdb::engine {

void VerifyManifests(VerifyRun* run, const View& view);
void VerifyLedger(VerifyRun* run, const View& view);
/// The file `jobs`, if there is one.
void VerifyJobHistory(VerifyRun* run);
void VerifyMigrationRecord(VerifyRun* run);

}  // namespace vdb::engine
