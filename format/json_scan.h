// JsonScanner: JSON of any size as a stream of structural events, for readers of other people's
// files. It holds one block of the source, never a value: strings and numbers are offsets, and what
// the caller wants of them it asks for. Grammar of RFC 8259 with what real files need besides: bare
// NaN, Infinity, -Infinity (Python), lone surrogates, a byte order mark, several root values one
// after another with or without commas (JSON lines), and members without an object around them
// (.ajson).
//
//   JsonScanner scanner(&source);
//   for (;;) {
//     const JsonToken& token = scanner.Next();
//     if (token.event == JsonEvent::kEnd || token.event == JsonEvent::kError) break;
//   }
//
// A run of numbers in an array is ONE event with their count: that is what makes it fast, because a
// cache of vectors is nothing but runs. Inside a run the bytes are only told from others, 128 at a
// time, and the commas counted; that each number is one shows when it is converted. Of the rest the
// grammar is checked, except for what follows \u.
//
// One line of 344 MB, 5,000 x 3,072 numbers of 16 to 18 digits, warm, a busy machine, by the
// thread's CPU time: scan 4.0 GB/s, conversion 0.51 GB/s (bench/legacy_cache_bench.cc). RapidJSON
// 1.1's SAX over the same stream, iterative and with NaN: 0.24 GB/s, 0.17 with full precision; it
// takes NaN, lone low surrogates and the long line, but no lone high surrogate, no second root
// value, no .ajson.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "format/byte_source.h"
#include "vdb/status.h"

namespace vdb::format {

enum class JsonEvent : uint8_t {
  kEnd,          // of the source, between root values
  kError,        // see JsonScanner::status()
  kBeginObject,
  kEndObject,
  kBeginArray,
  kEndArray,
  kKey,          // a member's name; its value is next. At depth 0: of an .ajson line
  kString,
  kNumber,       // not in an array
  kNumbers,      // a run of them in an array, NaN and Infinity among them
  kTrue,
  kFalse,
  kNull,
  kNonFinite,    // NaN, Infinity, -Infinity; not in an array
};

struct JsonToken {
  JsonEvent event = JsonEvent::kEnd;
  bool escaped = false;     // kKey, kString: has backslashes
  bool non_finite = false;  // kNumbers: bare words are among them; kNonFinite
  uint64_t offset = 0;      // of the first byte
  uint64_t end = 0;         // behind the last byte
  uint64_t count = 0;       // kNumbers
};

/// Where a scan stands; false cancels.
using JsonProgress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

class JsonScanner {
 public:
  static constexpr size_t kDepthMax = 100;

  /// Over a source, from `begin` on. Both must outlive the scanner.
  explicit JsonScanner(const ByteSource* source, const JsonProgress& progress = {});
  /// Over a text in memory, which is a slice of a source: offsets count from `base`.
  explicit JsonScanner(std::string_view text, uint64_t base = 0);
  JsonScanner(const JsonScanner&) = delete;
  JsonScanner& operator=(const JsonScanner&) = delete;

  /// The next event; valid until the next call. After kEnd and kError it is the same again.
  const JsonToken& Next();

  /// After kBeginObject, kBeginArray: leaves the value behind; false: kError. After any other
  /// event: does nothing. `begin` is the token that began the value; the value ends at offset().
  bool Skip(const JsonToken& begin);

  /// Where the scanner stands: behind the token returned last.
  uint64_t offset() const { return base_ + static_cast<uint64_t>(at_ - begin_); }
  size_t depth() const { return depth_; }

  /// The bytes [offset, end) of the source, as they stand; `scratch` holds them if the block has
  /// moved on. Valid until the next call of Next.
  StatusOr<std::string_view> Bytes(uint64_t offset, uint64_t end, std::string* scratch) const;

  /// Right after kBeginArray (or a run before): converts the numbers that follow and appends them.
  /// Stops before whatever is no number; the next event tells what. Over a text in memory only.
  /// NaN and Infinity, and what overflows a double, are appended as such. False: kError.
  bool TakeNumbers(std::vector<double>* values);

  /// kInvalidArgument "JSON: at byte N: expected.., found.."; kIoError and the like of the source;
  /// kCancelled.
  const Status& status() const { return status_; }
  /// For callers that name places their own way. `torn`: the source ended in the middle.
  uint64_t error_offset() const { return error_offset_; }
  const std::string& error_detail() const { return error_detail_; }
  bool torn() const { return torn_; }

 private:
  enum class Expect : uint8_t {
    kFirst,     // a container has begun: a member, or its end
    kValue,     // a value and nothing else
    kNextOrEnd  // ',' or the end
  };

  // The next byte, or -1 at the end of the source and after errors.
  int Peek() { return at_ != end_ || Refill() ? static_cast<unsigned char>(*at_) : -1; }
  bool Refill();
  int SkipSpace();
  const JsonToken& Fail(std::string expected);
  const JsonToken& FailAt(uint64_t offset, std::string detail, bool torn);
  std::string Found();

  const JsonToken& NextRoot();
  const JsonToken& NextInObject();
  const JsonToken& NextInArray();
  const JsonToken& ScanKey();
  const JsonToken& ScanValue(int first);
  const JsonToken& ScanWord(std::string_view word, JsonEvent event);
  const JsonToken& ScanNumber();
  const JsonToken& ScanRun();
  const JsonToken& EndRun();
  bool SkipRunBytes();
  bool ScanString();
  bool ScanDigits();
  bool ScanLiteral(std::string_view word);
  const JsonToken& Begin(JsonEvent event, bool object);
  const JsonToken& Close(JsonEvent event);
  const JsonToken& Done(JsonEvent event);
  void NoteLastByte(const char* from);
  static const char* TakeNumber(const char* from, const char* end, double* value);
  bool TakeWord(double* value);

  const ByteSource* source_ = nullptr;  // null: a text in memory
  JsonProgress progress_;
  uint64_t size_ = 0;
  std::string block_;
  const char* begin_ = nullptr;  // of the block; stands for offset base_
  const char* end_ = nullptr;
  const char* at_ = nullptr;
  uint64_t base_ = 0;
  size_t depth_ = 0;
  Expect expect_ = Expect::kFirst;
  bool objects_[kDepthMax] = {};  // whether the container of a depth is an object
  JsonToken token_;
  // Of the run being scanned.
  const char* run_from_ = nullptr;  // its first byte in this block
  char last_byte_ = 0;              // its last byte that is no space, of the blocks before
  Status status_;
  uint64_t error_offset_ = 0;
  std::string error_detail_;
  bool torn_ = false;
};

}  // namespace vdb::format
