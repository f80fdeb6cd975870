#include "format/json_number.h"

#include <charconv>
#include <cmath>

#include "vdb/json_text.h"

namespace vdb {
namespace {

template <typename T>
void AppendNumber(std::string* out, T value) {
  char buffer[40];
  out->append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

}  // namespace

void AppendJsonFloat(std::string* out, float value) {
  const size_t begin = out->size();
  AppendNumber(out, value);
  // Readers go by way of a double. Of all floats one, 7.038531e-26, does not survive that in its
  // shortest form; its shortest form as a double does.
  double wide = 0;
  std::from_chars(out->data() + begin, out->data() + out->size(), wide);
  if (static_cast<float>(wide) == value) return;
  out->resize(begin);
  AppendNumber(out, static_cast<double>(value));
}

namespace format {

void AppendJsonDouble(std::string* out, double value) { AppendNumber(out, value); }

void AppendJsonAnyDouble(std::string* out, double value) {
  if (std::isfinite(value)) return AppendJsonDouble(out, value);
  *out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

}  // namespace format
}  // namespace vdb
