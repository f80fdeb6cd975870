#include "format/legacy_columns.h"

#include <algorithm>

#include "format/manifest.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

constexpr size_t kSuffixBytesMax = 32;  // what may come after the model

std::string ValidName(std::string_view wanted) {
  if (wanted.empty()) return "embedding";
  std::string name(wanted.substr(0, kNameBytesMax - kSuffixBytesMax));
  if (name.size() == wanted.size() && CheckName("column", name).ok()) return name;
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F) c = '_';
  }
  return name;
}

}  // namespace

std::string LegacyColumnName(std::string_view wanted, uint32_t dimension,
                             const std::vector<LegacyColumn>& columns) {
  const auto taken = [&columns](const std::string& name) {
    return std::any_of(columns.begin(), columns.end(),
                       [&name](const LegacyColumn& column) { return column.name == name; });
  };
  const std::string base = ValidName(wanted);
  if (!taken(base)) return base;
  const std::string with_dimension = base + "-" + std::to_string(dimension);
  if (!taken(with_dimension)) return with_dimension;
  for (uint32_t i = 2;; ++i) {
    std::string numbered = with_dimension + "-" + std::to_string(i);
    if (!taken(numbered)) return numbered;
  }
}

uint32_t LegacyColumnOf(std::string_view model, uint32_t dimension,
                        std::vector<LegacyColumn>* columns) {
  model = model.substr(0, kModelBytesMax);
  for (size_t i = 0; i < columns->size(); ++i) {
    if ((*columns)[i].model == model && (*columns)[i].dimension == dimension) {
      return static_cast<uint32_t>(i);
    }
  }
  columns->push_back(
      {LegacyColumnName(model, dimension, *columns), std::string(model), dimension});
  return static_cast<uint32_t>(columns->size() - 1);
}

}  // namespace vdb::format
