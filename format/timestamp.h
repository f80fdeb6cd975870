// Timestamps as text: RFC 3339 date-times, strictly, and back.
#pragma once

#include <string>
#include <string_view>

#include "vdb/filter.h"

namespace vdb::format {

/// Instants that have a text form, offsets included: (year 0000 at +23:59) to (9999 at -23:59).
inline constexpr int64_t kTimestampSecondsMin = -62'167'219'200 - 86'340;
inline constexpr int64_t kTimestampSecondsMax = 253'402'300'800 + 86'340;

/// Null if `text` is a date-time, else what was expected; `*at` is the byte where it was not found.
///   YYYY-MM-DD, T or t or a space, HH:MM:SS, maybe a fraction, Z or z or +hh:mm or -hh:mm
/// Digits of the fraction beyond nine are cut. Second 60 is the first second of the next minute.
const char* ReadTimestamp(std::string_view text, Timestamp* time, size_t* at);

inline bool IsTimestamp(std::string_view text, Timestamp* time) {
  size_t at = 0;
  return ReadTimestamp(text, time, &at) == nullptr;
}

/// In UTC where the year allows it. Seconds are within the limits above.
std::string TimestampText(const Timestamp& time);

}  // namespace vdb::format
