// Allow masks: the rows of a column that a filter lets through on one view, and the cache of them.
//
// A mask belongs to a view: to its batch (what matches) and its generation (where rows are). The
// cache is keyed by both, so that nothing is ever invalidated, only forgotten.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "engine/filter_run.h"
#include "engine/view.h"
#include "query/row_mask.h"

namespace vdb::engine {

struct AllowMask {
  std::vector<std::shared_ptr<const query::RowMask>> segments;  // as the column view has them
  std::vector<uint32_t> list_allowed;  // rows by inverted list; empty: the column has no index
  uint64_t row_count = 0;              // allowed, all segments together
  uint64_t memory_bytes = 0;
  StopReason stopped = StopReason::kNone;  // not kNone: some rows may be missing
  FilterExplain explain;
};

/// `matches` on the segments of a column. Cost: a binary search per match, or a pass over the row
/// records where matches are many.
StatusOr<std::shared_ptr<const AllowMask>> MakeAllowMask(const ColumnView& column,
                                                         FilterMatches matches,
                                                         query::Budget* budget);

/// The masks used last, up to a number of bytes. Threads: any.
class MaskCache {
 public:
  struct Key {
    uint64_t batch = 0;
    uint64_t generation = 0;
    uint32_t column_id = 0;
    std::string filter;  // canonical text
    auto operator<=>(const Key&) const = default;
  };

  explicit MaskCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const AllowMask> Find(const Key& key);
  void Insert(Key key, std::shared_ptr<const AllowMask> mask);
  uint64_t memory_bytes() const;

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const AllowMask> mask;
    uint64_t bytes = 0;
  };
  const uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the last used in front
  std::map<Key, std::list<Entry>::iterator> by_key_;
  uint64_t bytes_ = 0;
};

}  // namespace vdb::engine
