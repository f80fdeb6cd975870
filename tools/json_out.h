// JsonOut: writes JSON text in the shape scripts rely on: {"a": 1, "b": [1, 2]} on one line.
// Strings are bytes, escaped reversibly as include/vdb/json_text.h has it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vdb::tools {

class JsonOut {
 public:
  JsonOut& BeginObject() { return Begin('{'); }
  JsonOut& EndObject() { return End('}'); }
  JsonOut& BeginArray() { return Begin('['); }
  JsonOut& EndArray() { return End(']'); }
  /// The name of the next value in an object.
  JsonOut& Key(std::string_view name);

  JsonOut& String(std::string_view bytes);
  JsonOut& Uint(uint64_t value);
  JsonOut& Bool(bool value);
  JsonOut& Null();
  /// The shortest text that is read back as the same double; null for what JSON has
  /// no number for (infinite, NaN).
  JsonOut& Double(double value);
  /// The same for a float, whether it is read as a float or as a double that is then rounded.
  JsonOut& Float(float value);
  /// Text that is JSON already.
  JsonOut& Raw(std::string_view json);

  std::string& text() { return text_; }

 private:
  JsonOut& Begin(char open);
  JsonOut& End(char close);
  void Separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace vdb::tools
