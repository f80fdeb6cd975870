// A manifest with something of everything, for seeds.
#pragma once

#include "format/manifest.h"
#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {

inline format::Manifest SomeManifest() {
  format::Manifest m;
  m.generation = 7;
  m.min_batch = 99;
  m.uuid = kUuid;
  m.next_collection_id = 5;
  m.next_column_id = 9;
  m.next_segment_id = 12;
  m.next_epoch_id = 4;
  m.next_field_index_id = 7;
  m.named_snapshots = true;
  m.collections.push_back(
      {1, "docs", 3, {{3, "v", 128, Metric::kL2, "model-a"}, {4, "w", 1, Metric::kDot, ""}}});
  m.collections.push_back({2, "empty", 0, {}});
  m.collections[0].field_indexes = {{2, {{"a", "b"}}, FieldIndexKind::kOrdered, true},
                                    {6, {{}, true}, FieldIndexKind::kText, false}};
  m.segments.push_back({10, 3, true, 100, 700, 90, 5, 200, 0xABCD, 7, 0x1234, 3, 0x77, 9000});
  m.segments.push_back({11, 3, false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  m.epochs.push_back({3, 3, 0x99, 4000, 12, 100, 50, 95, true,
                      {{-0.5f, 8, 1, 2, {0.5f, 0.6f}}, {2, 0, 3, 3.5f, {1, 0.9f}}}});
  return m;
}

}  // namespace vdb::fuzz
