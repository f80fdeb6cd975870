#include "format/json_scan.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <system_error>

#include "format/json_reader.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

// Small enough to stay in the second-level cache between the copy and the scan.
constexpr size_t kBlockBytes = 256 * 1024;

// Bytes side by side. GCC's and Clang's own vectors, not a processor's: GCC 12 leaves the plain
// loops scalar (0.5 GB/s instead of 2).
using Lanes = uint8_t __attribute__((vector_size(16)));
constexpr size_t kLanes = sizeof(Lanes);
constexpr size_t kRunBytes = 8 * kLanes;   // looked at together in a run of numbers
constexpr size_t kTextBytes = 2 * kLanes;  // and in a string

bool IsSpace(int c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool IsDigit(int c) { return c >= '0' && c <= '9'; }
bool BeginsNumber(int c) { return IsDigit(c) || c == '-' || c == 'N' || c == 'I'; }

// The bytes of numbers and of what stands between them: digits + , - . / e E and 0x09 to 0x0D. A
// few more than JSON's, because a range costs less than a list; converting finds them.
inline unsigned char OutsideRun(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const auto from_plus = static_cast<unsigned char>(byte - '+');
  const auto from_tab = static_cast<unsigned char>(byte - '\t');
  return static_cast<unsigned char>((from_plus > '9' - '+') & ((byte | 0x20) != 'e') &
                                    (byte != ' ') & (from_tab > 4));
}

inline Lanes LanesAt(const char* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

inline void Halves(Lanes lanes, uint64_t halves[2]) { std::memcpy(halves, &lanes, sizeof(lanes)); }

inline bool IsZero(Lanes lanes) {
  uint64_t halves[2];
  Halves(lanes, halves);
  return (halves[0] | halves[1]) == 0;
}

// Whether kRunBytes bytes all pass OutsideRun; then their commas are counted.
inline bool BlockIsRun(const char* from, uint64_t* comma_count) {
  Lanes outside = {}, commas = {};
  for (size_t i = 0; i < kRunBytes; i += kLanes) {
    const Lanes bytes = LanesAt(from + i);
    outside |= reinterpret_cast<Lanes>((bytes - '+' > '9' - '+') & ((bytes | 0x20) != 'e') &
                                       (bytes != ' ') & (bytes - '\t' > 4));
    commas -= reinterpret_cast<Lanes>(bytes == ',');  // a lane that holds is -1
  }
  if (!IsZero(outside)) return false;
  uint64_t halves[2];
  Halves(commas, halves);
  *comma_count += (halves[0] + halves[1]) * 0x0101010101010101u >> 56;  // at most kRunBytes
  return true;
}

inline bool EndsPlainText(char c) {
  return (c == '"') | (c == '\\') | (static_cast<unsigned char>(c) < 0x20);
}

inline bool BlockIsPlainText(const char* from) {
  Lanes special = {};
  for (size_t i = 0; i < kTextBytes; i += kLanes) {
    const Lanes bytes = LanesAt(from + i);
    special |= reinterpret_cast<Lanes>((bytes == '"') | (bytes == '\\') | (bytes < 0x20));
  }
  return IsZero(special);
}

}  // namespace

JsonScanner::JsonScanner(const ByteSource* source, const JsonProgress& progress)
    : source_(source), progress_(progress), size_(source->size()) {
  block_.resize(static_cast<size_t>(std::min<uint64_t>(kBlockBytes, size_)));
  begin_ = end_ = at_ = block_.data();
}

JsonScanner::JsonScanner(std::string_view text, uint64_t base)
    : size_(base + text.size()),
      begin_(text.data()),
      end_(text.data() + text.size()),
      at_(text.data()),
      base_(base) {}

bool JsonScanner::Refill() {
  if (source_ == nullptr || !status_.ok()) return false;
  if (run_from_ != nullptr) NoteLastByte(run_from_);
  const uint64_t next = offset();
  const auto count = static_cast<size_t>(std::min<uint64_t>(block_.size(), size_ - next));
  if (progress_ && !progress_(next, size_)) {
    status_ = Status::Cancelled("cancelled at byte " + std::to_string(next));
    return false;
  }
  if (count == 0) return false;
  status_ = source_->ReadAt(next, {block_.data(), count});
  if (!status_.ok()) return false;
  base_ = next;
  begin_ = at_ = block_.data();
  end_ = begin_ + count;
  if (run_from_ != nullptr) run_from_ = begin_;
  return true;
}

int JsonScanner::SkipSpace() {
  int c = Peek();
  while (IsSpace(c)) {
    ++at_;
    c = Peek();
  }
  return c;
}

std::string JsonScanner::Found() {
  if (at_ == end_) return "the end of the file";
  return JsonReader({at_, static_cast<size_t>(end_ - at_)}, 0).Found(0);
}

const JsonToken& JsonScanner::Fail(std::string expected) {
  const bool torn = Peek() < 0;
  return FailAt(offset(), "expected " + std::move(expected) + ", found " + Found(), torn);
}

const JsonToken& JsonScanner::FailAt(uint64_t offset, std::string detail, bool torn) {
  run_from_ = nullptr;
  token_ = {};
  token_.event = JsonEvent::kError;
  token_.offset = token_.end = error_offset_ = offset;
  if (!status_.ok()) return token_;  // the source's own error
  error_detail_ = std::move(detail);
  torn_ = torn;
  status_ = Status::InvalidArgument("JSON: at byte " + std::to_string(offset) + ": " +
                                    error_detail_);
  return token_;
}

const JsonToken& JsonScanner::Next() {
  if (!status_.ok()) return token_;
  if (depth_ == 0) return NextRoot();
  return objects_[depth_ - 1] ? NextInObject() : NextInArray();
}

const JsonToken& JsonScanner::NextRoot() {
  if (expect_ == Expect::kValue) return ScanValue(SkipSpace());
  if (offset() == 0) {
    std::string scratch;
    const auto mark = Bytes(0, std::min<uint64_t>(3, size_), &scratch);
    if (mark.ok() && *mark == "\xEF\xBB\xBF") {
      Peek();
      at_ += 3;
    }
  }
  int c = SkipSpace();
  while (c == ',') {
    ++at_;
    c = SkipSpace();
  }
  if (c >= 0) return ScanValue(c);
  if (!status_.ok()) return FailAt(offset(), "", false);
  token_ = {};
  token_.offset = token_.end = offset();
  return token_;
}

const JsonToken& JsonScanner::NextInObject() {
  int c = SkipSpace();
  if (expect_ == Expect::kValue) return ScanValue(c);
  if (c == '}') return Close(JsonEvent::kEndObject);
  if (expect_ == Expect::kNextOrEnd) {
    if (c != ',') return Fail("',' or '}'");
    ++at_;
    c = SkipSpace();
  }
  if (c != '"') return Fail("a name in quotes");
  return ScanKey();
}

const JsonToken& JsonScanner::NextInArray() {
  int c = SkipSpace();
  if (c == ']' && expect_ != Expect::kValue) return Close(JsonEvent::kEndArray);
  if (expect_ == Expect::kNextOrEnd) {
    if (c != ',') return Fail("',' or ']'");
    ++at_;
    c = SkipSpace();
  }
  return ScanValue(c);
}

const JsonToken& JsonScanner::ScanKey() {
  if (!ScanString()) return token_;
  token_.event = JsonEvent::kKey;
  if (SkipSpace() != ':') return Fail("':'");
  ++at_;
  expect_ = Expect::kValue;
  return token_;
}

const JsonToken& JsonScanner::Begin(JsonEvent event, bool object) {
  if (depth_ == kDepthMax) {
    return FailAt(offset(), "expected at most " + std::to_string(kDepthMax) +
                                " levels of nesting, found more", false);
  }
  objects_[depth_++] = object;
  token_ = {};
  token_.event = event;
  token_.offset = offset();
  token_.end = token_.offset + 1;
  ++at_;
  expect_ = Expect::kFirst;
  return token_;
}

const JsonToken& JsonScanner::Close(JsonEvent event) {
  token_ = {};
  token_.offset = offset();
  ++at_;
  --depth_;
  return Done(event);
}

// Of a value whose token_.offset is set and which ends here.
const JsonToken& JsonScanner::Done(JsonEvent event) {
  token_.event = event;
  token_.end = offset();
  expect_ = depth_ == 0 ? Expect::kFirst : Expect::kNextOrEnd;
  return token_;
}

const JsonToken& JsonScanner::ScanValue(int first) {
  switch (first) {
    case '{': return Begin(JsonEvent::kBeginObject, true);
    case '[': return Begin(JsonEvent::kBeginArray, false);
    case 't': return ScanWord("true", JsonEvent::kTrue);
    case 'f': return ScanWord("false", JsonEvent::kFalse);
    case 'n': return ScanWord("null", JsonEvent::kNull);
    case '"':
      if (!ScanString()) return token_;
      // A name at depth 0 is known by the colon behind it.
      if (depth_ == 0 && expect_ != Expect::kValue && SkipSpace() == ':') {
        ++at_;
        token_.event = JsonEvent::kKey;
        expect_ = Expect::kValue;
        return token_;
      }
      token_.event = JsonEvent::kString;
      expect_ = depth_ == 0 ? Expect::kFirst : Expect::kNextOrEnd;
      return token_;
    default: break;
  }
  if (!BeginsNumber(first)) return Fail("a value");
  return depth_ > 0 && !objects_[depth_ - 1] ? ScanRun() : ScanNumber();
}

bool JsonScanner::ScanLiteral(std::string_view word) {
  for (const char c : word) {
    if (Peek() != static_cast<unsigned char>(c)) {
      Fail("'" + std::string(word) + "'");
      return false;
    }
    ++at_;
  }
  return true;
}

const JsonToken& JsonScanner::ScanWord(std::string_view word, JsonEvent event) {
  token_ = {};
  token_.offset = offset();
  token_.non_finite = event == JsonEvent::kNonFinite;
  if (!ScanLiteral(word)) return token_;
  return Done(event);
}

// At a quote. token_ gets offset, end and escaped.
bool JsonScanner::ScanString() {
  token_ = {};
  token_.offset = offset();
  ++at_;
  for (;;) {
    while (static_cast<size_t>(end_ - at_) >= kTextBytes && BlockIsPlainText(at_)) {
      at_ += kTextBytes;
    }
    while (at_ != end_ && !EndsPlainText(*at_)) ++at_;
    const int c = Peek();
    if (c == '"') {
      ++at_;
      token_.end = offset();
      return true;
    }
    if (c == '\\') {
      token_.escaped = true;
      ++at_;
      const int escape = Peek();
      if (escape < 0 || std::string_view("\"\\/bfnrtu").find(static_cast<char>(escape)) ==
                            std::string_view::npos) {
        Fail("one of \"\\/bfnrtu after a backslash");
        return false;
      }
      ++at_;
    } else if (c < 0x20) {  // the end, too
      Fail(c < 0 ? "'\"'" : "a control character to be escaped");
      return false;
    }
  }
}

bool JsonScanner::ScanDigits() {
  if (!IsDigit(Peek())) {
    Fail("a digit");
    return false;
  }
  while (IsDigit(Peek())) ++at_;
  return true;
}

// A number outside arrays: its grammar is checked, because it may become metadata as it stands.
const JsonToken& JsonScanner::ScanNumber() {
  int c = Peek();
  if (c == 'N') return ScanWord("NaN", JsonEvent::kNonFinite);
  if (c == 'I') return ScanWord("Infinity", JsonEvent::kNonFinite);
  token_ = {};
  token_.offset = offset();
  if (c == '-') {
    ++at_;
    c = Peek();
    if (c == 'I') {
      token_.non_finite = true;
      if (!ScanLiteral("Infinity")) return token_;
      return Done(JsonEvent::kNonFinite);
    }
  }
  if (c == '0') {
    ++at_;
    if (IsDigit(Peek())) return Fail("no zero before a number's first digit");
  } else if (!ScanDigits()) {
    return token_;
  }
  if (Peek() == '.') {
    ++at_;
    if (!ScanDigits()) return token_;
  }
  c = Peek();
  if (c == 'e' || c == 'E') {
    ++at_;
    c = Peek();
    if (c == '+' || c == '-') ++at_;
    if (!ScanDigits()) return token_;
  }
  return Done(JsonEvent::kNumber);
}

// Leaves the bytes of a run behind; false at the end of the source.
bool JsonScanner::SkipRunBytes() {
  for (;;) {
    while (static_cast<size_t>(end_ - at_) >= kRunBytes && BlockIsRun(at_, &token_.count)) {
      at_ += kRunBytes;
    }
    for (; at_ != end_ && OutsideRun(*at_) == 0; ++at_) token_.count += *at_ == ',';
    if (at_ != end_) return true;
    if (Peek() < 0) return false;
  }
}

const JsonToken& JsonScanner::ScanRun() {
  token_ = {};
  token_.offset = offset();
  run_from_ = at_;
  last_byte_ = 0;
  while (SkipRunBytes()) {
    const char c = *at_;
    if (c != 'N' && c != 'I') return EndRun();
    token_.non_finite = true;
    if (!ScanLiteral(c == 'N' ? "NaN" : "Infinity")) return token_;
  }
  return Fail("',' or ']'");
}

// The last byte of [from, at_) that is no space, if there is one, is the run's last so far.
void JsonScanner::NoteLastByte(const char* from) {
  for (const char* p = at_; p != from; --p) {
    if (IsSpace(static_cast<unsigned char>(p[-1]))) continue;
    last_byte_ = p[-1];
    return;
  }
}

// Behind a run: before ']' its last number must stand, before any other value a comma.
const JsonToken& JsonScanner::EndRun() {
  NoteLastByte(run_from_);
  run_from_ = nullptr;
  const bool comma = last_byte_ == ',';
  if (comma == (*at_ == ']')) return Fail(comma ? "a value" : "',' or ']'");
  if (!comma) ++token_.count;
  token_.event = JsonEvent::kNumbers;
  token_.end = offset();
  expect_ = comma ? Expect::kValue : Expect::kNextOrEnd;
  return token_;
}

bool JsonScanner::Skip(const JsonToken& begin) {
  if (begin.event != JsonEvent::kBeginObject && begin.event != JsonEvent::kBeginArray) {
    return status_.ok();
  }
  const size_t outside = depth_ - 1;
  while (depth_ > outside) {
    const JsonEvent event = Next().event;
    if (event == JsonEvent::kError || event == JsonEvent::kEnd) return false;
  }
  return true;
}

StatusOr<std::string_view> JsonScanner::Bytes(uint64_t offset, uint64_t end,
                                              std::string* scratch) const {
  const auto size = static_cast<size_t>(end - offset);
  if (offset >= base_ && end <= base_ + static_cast<uint64_t>(end_ - begin_)) {
    return std::string_view(begin_ + (offset - base_), size);
  }
  if (source_ == nullptr) return Status::InvalidArgument("bytes outside the text");
  scratch->resize(size);
  VDB_RETURN_IF_ERROR(source_->ReadAt(offset, {scratch->data(), size}));
  return std::string_view(*scratch);
}

// What overflows a double is an infinity, what underflows a zero. (A reader of our own by Eisel and
// Lemire's method was measured: 23 ns a number instead of 30, not worth its 150 lines.)
const char* JsonScanner::TakeNumber(const char* from, const char* end, double* value) {
  const auto done = std::from_chars(from, end, *value);
  if (done.ec != std::errc() &&
      !JsonNumberToDouble({from, static_cast<size_t>(done.ptr - from)}, value)) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    *value = *from == '-' ? -kInfinity : kInfinity;
  }
  return done.ptr;
}

// At what begins a number and is none: one of the words.
bool JsonScanner::TakeWord(double* value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (*at_ == 'N') {
    *value = std::numeric_limits<double>::quiet_NaN();
    return ScanLiteral("NaN");
  }
  const bool minus = *at_ == '-';
  at_ += minus;
  *value = minus ? -kInfinity : kInfinity;
  if (at_ != end_ && *at_ == 'I') return ScanLiteral("Infinity");
  Fail("a digit");
  return false;
}

bool JsonScanner::TakeNumbers(std::vector<double>* values) {
  const char* at = at_;
  const auto skip_space = [&at, this] {
    while (at != end_ && IsSpace(*at)) ++at;
    return at != end_ ? *at : '\0';
  };
  for (;;) {
    char c = skip_space();
    if (expect_ == Expect::kNextOrEnd) {
      if (c != ',') break;
      ++at;
      expect_ = Expect::kValue;
      c = skip_space();
    }
    if (!BeginsNumber(c)) break;
    double value = 0;
    if (IsDigit(c) || (c == '-' && end_ - at > 1 && IsDigit(at[1]))) {
      at = TakeNumber(at, end_, &value);
    } else {
      at_ = at;
      if (!TakeWord(&value)) return false;
      at = at_;
    }
    values->push_back(value);
    expect_ = Expect::kNextOrEnd;
  }
  at_ = at;
  return true;
}

}  // namespace vdb::format
