// See row_stream.h.
#include "engine/row_stream.h"

#include <algorithm>

#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr auto kLater = [](const auto& a, const auto& b) { return a.docno > b.docno; };

}  // namespace

RowStream::RowStream(std::span<const MergeSource> sources) : sources_(sources) {
  if (!sources.empty() && sources[0].lists != nullptr) {
    list_count_ = sources[0].lists->header().list_count;
  }
}

Status RowStream::StartList() {
  for (uint32_t s = 0; s < sources_.size(); ++s) {
    const auto& [view, lists] = sources_[s];
    Cursor cursor = {s, 0, view->mark.rows, 0, 0};
    if (lists != nullptr) {
      cursor.at = lists->row_begin(next_list_);  // of list_count: where the loose rows begin
      if (next_list_ < list_count_) cursor.past = lists->row_end(next_list_);
    }
    VDB_RETURN_IF_ERROR(Push(cursor));
  }
  ++next_list_;
  return Status::Ok();
}

Status RowStream::Push(Cursor cursor) {
  const SegmentView& view = *sources_[cursor.source].view;
  const uint32_t* order =
      sources_[cursor.source].lists == nullptr ? view.segment->order() : nullptr;
  for (; cursor.at < cursor.past; ++cursor.at) {
    cursor.row = order == nullptr ? cursor.at : order[cursor.at];
    if (cursor.row >= view.mark.rows) {
      return Status::Corruption("segment " + std::to_string(view.segment->id()) +
                                ": its order file names a row past the end");
    }
    if (view.mask != nullptr) {
      VDB_ASSIGN_OR_RETURN(const bool dead, view.mask->Test(cursor.row));
      if (dead) continue;
    }
    ++cursor.at;
    cursor.docno = view.segment->records()[cursor.row].docno;
    heap_.push_back(cursor);
    std::push_heap(heap_.begin(), heap_.end(), kLater);
    return Status::Ok();
  }
  return Status::Ok();
}

StatusOr<bool> RowStream::Next(Row* next) {
  while (heap_.empty()) {
    if (next_list_ > list_count_) return false;
    VDB_RETURN_IF_ERROR(StartList());
  }
  std::pop_heap(heap_.begin(), heap_.end(), kLater);
  const Cursor first = heap_.back();
  heap_.pop_back();
  *next = {first.source, next_list_ - 1, first.row};
  VDB_RETURN_IF_ERROR(Push(first));
  return true;
}

}  // namespace vdb::engine
