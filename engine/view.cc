#include "engine/view.h"

#include "format/status_macros.h"

namespace vdb::engine {

StatusOr<RowAddress> FindRow(const ColumnView* column, uint64_t docno) {
  if (column == nullptr) return RowAddress();
  for (const SegmentView& segment : column->segments) {
    VDB_ASSIGN_OR_RETURN(const auto row, segment.segment->FindDocno(docno, segment.mark));
    if (row) return RowAddress{&segment, *row};
  }
  return RowAddress();
}

}  // namespace vdb::engine
