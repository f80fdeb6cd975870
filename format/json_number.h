// Numbers as JSON text that is read back as the same bits.
#pragma once

#include <string>

namespace vdb::format {

/// The shortest text that gives `value` again. Finite values only.
void AppendJsonDouble(std::string* out, double value);

/// The same; what JSON has no number for becomes "NaN", "Infinity" or "-Infinity", as a string.
void AppendJsonAnyDouble(std::string* out, double value);

}  // namespace vdb::format
