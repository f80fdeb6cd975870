#include "tools/json_out.h"

#include <charconv>
#include <cmath>

#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

// Of integers and doubles the shortest text; floats are AppendJsonFloat's.
template <typename T>
void AppendNumber(std::string* out, T value) {
  char buffer[40];
  out->append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

}  // namespace

void JsonOut::Separate() {
  if (needs_comma_) text_ += ", ";
  needs_comma_ = true;
}

JsonOut& JsonOut::Begin(char open) {
  Separate();
  text_ += open;
  needs_comma_ = false;
  return *this;
}

JsonOut& JsonOut::End(char close) {
  text_ += close;
  needs_comma_ = true;
  return *this;
}

JsonOut& JsonOut::Key(std::string_view name) {
  String(name);
  text_ += ": ";
  needs_comma_ = false;
  return *this;
}

JsonOut& JsonOut::String(std::string_view bytes) {
  Separate();
  AppendJsonString(&text_, bytes);
  return *this;
}

JsonOut& JsonOut::Uint(uint64_t value) {
  Separate();
  AppendNumber(&text_, value);
  return *this;
}

JsonOut& JsonOut::Bool(bool value) { return Raw(value ? "true" : "false"); }
JsonOut& JsonOut::Null() { return Raw("null"); }

JsonOut& JsonOut::Double(double value) {
  if (!std::isfinite(value)) return Null();
  Separate();
  AppendNumber(&text_, value);
  return *this;
}

JsonOut& JsonOut::Float(float value) {
  Separate();
  AppendJsonFloat(&text_, value);
  return *this;
}

JsonOut& JsonOut::Raw(std::string_view json) {
  Separate();
  text_ += json;
  return *this;
}

}  // namespace vdb::tools
