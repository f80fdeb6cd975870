// Verify of index files: their bytes, and on a sample that codes are those of their rows.
#pragma once

#include "engine/verify_run.h"
#include "engine/view.h"

namespace vdb::engine {

/// Every index file that the view names, read anew: epochs, directories; by kChecksums the codes'
/// checksums; by kFull a sample of codes against their rows.
Status VerifyIndexes(VerifyRun* run, const View& view);

/// One indexed segment against its codebook, as above.
Status VerifyIndex(VerifyRun* run, const format::SegmentEntry& entry,
                   const index::Codebook& codebook, const IndexFile& file,
                   const SegmentView& segment);

}  // namespace vdb::engine
