// Verify of the rows of a segment: their checksums, and that they are what rows may be.
#pragma once

#include "engine/verify_run.h"
#include "engine/view.h"

namespace vdb::engine {

/// Rows up to the watermark. kChecksums: the checksums of an open segment's rows (a sealed one's
/// bytes are checked block by block). kReferences: of all rows, and that docnos, norms, lengths,
/// keys and the order file agree with each other and with the manifest. Docnos are below
/// `next_docno`.
Status VerifyRows(VerifyRun* run, const SegmentView& view, uint64_t next_docno);

/// Whether a row's record and values are such as a write makes them; empty, or what is wrong.
std::string RowFault(const format::RowRecord& record, const float* values, uint32_t dimension);

}  // namespace vdb::engine
