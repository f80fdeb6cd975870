// The runs that fail_operation_test lets fail: what each starts from, does, and must leave.
#pragma once

#include "tests/crash/fail_operation.h"

namespace vdb::testing {

// fault_writes.cc: on one database.
FaultScenario PutsScenario(bool sync);
FaultScenario DeletesScenario();
FaultScenario FlushScenario();
FaultScenario SealScenario();
FaultScenario IndexBuildScenario();
FaultScenario FieldIndexBuildScenario();
FaultScenario CompactionScenario();
FaultScenario SnapshotsScenario();

// fault_stores.cc: whole databases and backups.
FaultScenario OpenScenario(bool after_a_kill);
FaultScenario LifeScenario();
FaultScenario ImportScenario();
FaultScenario MigrationScenario();
FaultScenario BackupScenario();
FaultScenario RestoreScenario();
FaultScenario RepairScenario();
FaultScenario UpgradeScenario();

// --- shared by them ---

inline constexpr size_t kBaseSteps = 5;
/// The steps of the base, and with some more after them.
Workload BaseWorkload();
Workload WithPuts(bool sync);
/// Writes the steps up to number `past`; stops at the first error.
Status WriteSteps(World& world, Database& database, const Workload& workload, size_t past);

using Work = std::function<Status(World&, Database&)>;
/// Opens the database, does `work`, and closes it. Failures begin with the open if `with_open`,
/// else when `work` arms them.
Status OnDatabase(World& world, bool with_open, const Work& work);
/// 23 documents, some deleted, sealed and open segments in two columns, an index of one.
Status MakeBase(World& world, const Workload& workload);
Status CheckBase(World& world, const Workload& workload, bool finished);
/// A run of `work` on the base. `ready`: what is done before failures begin.
FaultScenario OnBase(const std::string& name, const Workload& workload, const Work& work,
                     const Work& ready = {});

}  // namespace vdb::testing
