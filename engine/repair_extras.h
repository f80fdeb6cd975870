// What a repair makes of files beside the newest state: records that only tell a story, and named
// snapshots, which are kept whole or not at all.
#pragma once

#include "engine/repair_run.h"

namespace vdb::engine {

/// MIGRATED and the history of jobs: the database does without.
void JudgeRecords(RepairRun* run);

/// After everything else was judged: a snapshot that is damaged, or needs a file that is, is lost.
Status JudgeSnapshots(RepairRun* run);

}  // namespace vdb::engine
