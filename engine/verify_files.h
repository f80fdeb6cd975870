// Verify of the bytes of a segment's files, with its mask.
#pragma once

#include "engine/verify_run.h"
#include "engine/view.h"

namespace vdb::engine {

/// Headers, and exact sizes. Cost: independent of the number of rows.
void VerifySegmentHeads(VerifyRun* run, const format::SegmentEntry& entry,
                        const format::SegmentIdentity& identity,
                        const format::WatermarkRecord& mark);
/// The block sums of a sealed segment, and by kChecksums every block.
void VerifySealedBytes(VerifyRun* run, const format::SegmentEntry& entry);
/// The first pages of an open segment.
void VerifyOpenPages(VerifyRun* run, const format::SegmentIdentity& identity);
/// The mask file that the manifest names, and the mask that the view has.
void VerifyMask(VerifyRun* run, const format::SegmentEntry& entry, const SegmentView& view);

}  // namespace vdb::engine
