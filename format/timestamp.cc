#include "format/timestamp.h"

#include <algorithm>

namespace vdb::format {
namespace {

constexpr int64_t kDaySeconds = 86'400;
constexpr int64_t kYear0 = -62'167'219'200;     // 0000-01-01T00:00:00Z
constexpr int64_t kYear10000 = 253'402'300'800;

struct Date {
  int64_t year, month, day;
};

// Days since 1970-01-01, of the proleptic Gregorian calendar; its years are counted from March, so
// that leap days are last.
int64_t DaysOf(const Date& date) {
  const int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

Date DateOf(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t from_march = (5 * day_of_year + 2) / 153;
  const int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * from_march + 2) / 5 + 1};
}

int64_t DaysInMonth(int64_t year, int64_t month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

class TimestampReader {
 public:
  explicit TimestampReader(std::string_view text) : text_(text) {}

  void Read(Timestamp* time) {
    Date date{};
    date.year = Number(4, 0, 9999, "four digits of the year");
    Byte("-", "'-' after the year");
    date.month = Number(2, 1, 12, "a month from 01 to 12");
    Byte("-", "'-' after the month");
    if (expected_ != nullptr) return;  // the month is needed
    date.day = Number(2, 1, DaysInMonth(date.year, date.month), "a day of that month");
    Byte("Tt ", "'T' after the date");
    int64_t seconds = DaysOf(date) * kDaySeconds;
    seconds += Number(2, 0, 23, "an hour from 00 to 23") * 3600;
    Byte(":", "':' after the hour");
    seconds += Number(2, 0, 59, "a minute from 00 to 59") * 60;
    Byte(":", "':' after the minute");
    seconds += Number(2, 0, 60, "a second from 00 to 60");
    time->nanoseconds = Fraction();
    time->seconds = seconds - Offset();
    if (expected_ == nullptr && at_ != text_.size()) Fail(at_, "the end of the time");
  }

  const char* expected() const { return expected_; }
  size_t at() const { return at_; }

 private:
  char Next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool NextIsDigit() const { return Next() >= '0' && Next() <= '9'; }

  void Fail(size_t at, const char* expected) {
    if (expected_ != nullptr) return;
    expected_ = expected;
    at_ = at;
  }

  int64_t Number(int digits, int64_t least, int64_t most, const char* expected) {
    const size_t begin = at_;
    int64_t value = 0;
    for (int i = 0; i < digits && expected_ == nullptr; ++i) {
      if (!NextIsDigit()) {
        Fail(at_, expected);
      } else {
        value = value * 10 + (text_[at_++] - '0');
      }
    }
    if (value < least || value > most) Fail(begin, expected);
    return value;
  }

  void Byte(std::string_view allowed, const char* expected) {
    if (expected_ != nullptr) return;
    if (at_ < text_.size() && allowed.find(text_[at_]) != std::string_view::npos) {
      ++at_;
    } else {
      Fail(at_, expected);
    }
  }

  uint32_t Fraction() {
    if (expected_ != nullptr || Next() != '.') return 0;
    ++at_;
    if (!NextIsDigit()) Fail(at_, "a digit after the point");
    uint32_t nanoseconds = 0, unit = 100'000'000;
    for (; NextIsDigit(); ++at_, unit /= 10) {
      nanoseconds += static_cast<uint32_t>(text_[at_] - '0') * unit;
    }
    return nanoseconds;
  }

  int64_t Offset() {
    if (expected_ != nullptr) return 0;
    const char sign = Next();
    Byte("Zz+-", "'Z' or an offset like +01:00");
    if (sign == 'Z' || sign == 'z') return 0;
    const int64_t hours = Number(2, 0, 23, "an offset of 00 to 23 hours");
    Byte(":", "':' in the offset");
    const int64_t minutes = Number(2, 0, 59, "an offset of 00 to 59 minutes");
    return (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
  }

  std::string_view text_;
  size_t at_ = 0;
  const char* expected_ = nullptr;
};

// `unit`: a one with as many digits as are wanted.
void AppendDigits(std::string* out, int64_t value, int64_t unit) {
  for (; unit > 0; unit /= 10) out->push_back(static_cast<char>('0' + value / unit % 10));
}

void AppendFraction(std::string* out, uint32_t nanoseconds) {
  if (nanoseconds == 0) return;
  out->push_back('.');
  AppendDigits(out, nanoseconds, 100'000'000);
  while (out->back() == '0') out->pop_back();
}

}  // namespace

const char* ReadTimestamp(std::string_view text, Timestamp* time, size_t* at) {
  TimestampReader reader(text);
  reader.Read(time);
  *at = reader.at();
  return reader.expected();
}

std::string TimestampText(const Timestamp& time) {
  int64_t local = time.seconds;
  const char* offset = "Z";
  if (local < kYear0) {
    local += 86'340;
    offset = "+23:59";
  } else if (local >= kYear10000) {
    local -= 86'340;
    offset = "-23:59";
  }
  // Only a leap second has the very last instants.
  const int64_t leap = local >= kYear10000 ? 1 : 0;
  local = std::clamp(local - leap, kYear0, kYear10000 - 1);
  const int64_t days = (local - kYear0) / kDaySeconds + kYear0 / kDaySeconds;
  const int64_t second = local - days * kDaySeconds;
  const Date date = DateOf(days);
  std::string text;
  AppendDigits(&text, date.year, 1000);
  text.push_back('-');
  AppendDigits(&text, date.month, 10);
  text.push_back('-');
  AppendDigits(&text, date.day, 10);
  text.push_back('T');
  AppendDigits(&text, second / 3600, 10);
  text.push_back(':');
  AppendDigits(&text, second / 60 % 60, 10);
  text.push_back(':');
  AppendDigits(&text, second % 60 + leap, 10);
  AppendFraction(&text, time.nanoseconds);
  return text + offset;
}

}  // namespace vdb::format

namespace vdb {

StatusOr<Timestamp> Timestamp::Parse(std::string_view text) {
  Timestamp time;
  size_t at = 0;
  const char* expected = format::ReadTimestamp(text, &time, &at);
  if (expected == nullptr) return time;
  const std::string found = at < text.size() ? std::string(text.substr(at, 20)) : "the end";
  return Status::InvalidArgument("timestamp: at byte " + std::to_string(at) + ": expected " +
                                 expected + " (RFC 3339), found " + found);
}

}  // namespace vdb
