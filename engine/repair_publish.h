// The end of a repair: the one rename, and the damaged files kept aside.
#pragma once

#include "engine/repair_run.h"
#include "format/manifest.h"

namespace vdb::engine {

/// Writes manifest, twin and CURRENT. Everything that the manifest names is durable. When the
/// rename happened, the new state stands.
Status PublishRepair(RepairRun* run, const format::Manifest& manifest);

/// The same in two steps: everything up to CURRENT.tmp, durable; and the rename.
Status WriteGeneration(RepairRun* run, const format::Manifest& manifest);
Status PublishGeneration(RepairRun* run);

/// The number of "docs-000002" or "ledger-000002"; "ledger" is 1; 0: another name.
uint64_t DocsNumber(const std::string& name);

/// Moves what is in run->quarantine(), and RocksDB directories and ledgers that `live` does not
/// name, into `quarantine/`. Done again, it does what is left.
Status QuarantineDamaged(RepairRun* run, const format::Manifest& live);

/// A number for a new RocksDB directory; what an interrupted repair left is removed.
StatusOr<uint64_t> NewDocsDirectory(RepairRun* run, uint64_t live);
/// Above every number in use: by manifests, also damaged ones, and by files of segments.
struct RepairNumbers {
  uint64_t generation = 1;
  uint64_t segment_id = 1;
};
StatusOr<RepairNumbers> NewNumbers(RepairRun* run, const format::Manifest& manifest);

}  // namespace vdb::engine
