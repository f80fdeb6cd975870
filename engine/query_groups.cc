#include "engine/query_groups.h"

#include <algorithm>

#include "engine/query_projection.h"
#include "format/field_value.h"
#include "format/json_reader.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

// Numbers that are equal are one value, however they are written. Integers stay apart from the
// doubles that they would be rounded to.
std::string ValueOf(const std::string& json) {
  if (json.empty() || (json[0] != '-' && (json[0] < '0' || json[0] > '9'))) return json;
  if (json.find_first_of(".eE") == std::string::npos) return json;
  double number = 0;
  if (!format::JsonNumberToDouble(json, &number)) return json;
  if (number >= -9.2e18 && number <= 9.2e18) {
    const auto integer = static_cast<int64_t>(number);
    if (static_cast<double>(integer) == number) return std::to_string(integer);
  }
  return json;
}

}  // namespace

Status HitGroups::Add(Candidate hit, std::string_view metadata) {
  VDB_ASSIGN_OR_RETURN(const auto value, MetadataValueAt(metadata, field_));
  if (!value) {
    groups_.push_back({{}, {}});
    groups_.back().hits.push_back(std::move(hit));
    return Status::Ok();
  }
  const auto [place, is_new] = places_.try_emplace(ValueOf(*value), groups_.size());
  if (is_new) groups_.push_back({*value, {}});
  HitGroup& group = groups_[place->second];
  if (group.hits.size() < size_) group.hits.push_back(std::move(hit));
  return Status::Ok();
}

bool HitGroups::IsFull(size_t first, size_t count) const {
  if (groups_.size() < count) return false;
  return std::all_of(groups_.begin() + static_cast<std::ptrdiff_t>(std::min(first, count)),
                     groups_.begin() + static_cast<std::ptrdiff_t>(count),
                     [this](const HitGroup& group) {
                       return group.value.empty() || group.hits.size() == size_;
                     });
}

}  // namespace vdb::engine
