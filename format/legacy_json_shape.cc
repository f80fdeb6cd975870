#include "format/legacy_json_shape.h"

#include <utility>

namespace vdb::format {

JsonStep JsonMember(std::string name) { return {JsonStep::Kind::kName, std::move(name)}; }
JsonStep JsonMembers() { return {JsonStep::Kind::kMembers, {}}; }
JsonStep JsonElements() { return {JsonStep::Kind::kElements, {}}; }

std::string JsonPathText(const JsonPath& path) {
  std::string text;
  for (const JsonStep& step : path) {
    if (step.kind == JsonStep::Kind::kElements) {
      text += "[]";
      continue;
    }
    if (!text.empty()) text += '.';
    text += step.kind == JsonStep::Kind::kMembers ? "*" : step.name;
  }
  return text;
}

uint32_t JsonFieldSet::Member(uint32_t active, size_t level, std::string_view name) const {
  uint32_t found = 0;
  for (size_t i = 0; i < fields_->size(); ++i) {
    const JsonPath& path = (*fields_)[i].path;
    if ((active >> i & 1) == 0 || path.size() <= level) continue;
    const JsonStep& step = path[level];
    if (step.kind == JsonStep::Kind::kMembers ||
        (step.kind == JsonStep::Kind::kName && step.name == name)) {
      found |= uint32_t{1} << i;
    }
  }
  return found;
}

uint32_t JsonFieldSet::Elements(uint32_t active, size_t level) const {
  uint32_t found = 0;
  for (size_t i = 0; i < fields_->size(); ++i) {
    const JsonPath& path = (*fields_)[i].path;
    if ((active >> i & 1) != 0 && path.size() > level &&
        path[level].kind == JsonStep::Kind::kElements) {
      found |= uint32_t{1} << i;
    }
  }
  return found;
}

int JsonFieldSet::Ending(uint32_t active, size_t steps) const {
  for (size_t i = 0; i < fields_->size(); ++i) {
    if ((active >> i & 1) != 0 && (*fields_)[i].path.size() == steps) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace vdb::format
