// Hits gathered by the value of a field.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/query_fusion.h"
#include "format/field_path.h"

namespace vdb::engine {

struct HitGroup {
  std::string value;  // JSON of the best hit's; empty: it lacks the field, and is alone
  std::vector<Candidate> hits;
};

class HitGroups {
 public:
  /// Keeps at most `size` hits of a group.
  HitGroups(format::FieldPath field, size_t size) : field_(std::move(field)), size_(size) {}

  /// The next best hit, and its document's metadata as JSON.
  Status Add(Candidate hit, std::string_view metadata);

  /// By their best hits.
  const std::vector<HitGroup>& groups() const { return groups_; }
  /// Whether `count` groups are there, and those from `first` on are full.
  bool IsFull(size_t first, size_t count) const;

 private:
  const format::FieldPath field_;
  const size_t size_;
  std::vector<HitGroup> groups_;
  std::unordered_map<std::string, size_t> places_;
};

}  // namespace vdb::engine
