// What fuzz targets share. A NAME_fuzz.cc has one target: a function of any bytes that says
// whether they were taken for valid, and seeds that are. With clang and fuzz_entry.cc it is a
// libFuzzer program; replay_test.cc has them all, and runs corpus and mutations with any compiler.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vdb::fuzz {

struct Target {
  std::string_view name;
  /// True: the bytes were valid. Traps where a promise is broken.
  bool (*run)(std::string_view bytes) = nullptr;
  /// Valid inputs, from today's encoders.
  std::vector<std::string> (*seeds)() = nullptr;
};

/// Those linked in, by name.
const std::vector<Target>& Targets();

struct Registration {
  explicit Registration(const Target& target);
};

/// Not an assert: also in release builds, and the fuzzer sees a trap as a crash.
inline void Require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Frames (format/frame.h) keep any mutation out by their checksums. `bytes` with the checksums
/// made right for its payload: so many of its bytes (the rest is behind the frame), or all.
std::string WithFrameFixed(std::string_view bytes, size_t payload_bytes = SIZE_MAX);

/// decode(encode(decode(bytes))) is decode(bytes), told by what encode makes of it. The bytes as
/// they are, and with their frame fixed. `decode` gives a StatusOr.
template <typename Decode, typename Encode>
bool RoundTrip(std::string_view bytes, const Decode& decode, const Encode& encode) {
  const auto decoded = decode(bytes);
  if (!decoded.ok()) return false;
  const std::string again = encode(*decoded);
  const auto same = decode(std::string_view(again));
  Require(same.ok() && encode(*same) == again);
  return true;
}

template <typename Decode, typename Encode>
bool FramedRoundTrip(std::string_view bytes, const Decode& decode, const Encode& encode) {
  const bool raw = RoundTrip(bytes, decode, encode);
  const std::string fixed = WithFrameFixed(bytes);
  return RoundTrip(std::string_view(fixed), decode, encode) || raw;
}

/// Several strings in one input: each behind two bytes of its length, the last one to the end.
std::vector<std::string_view> SplitInput(std::string_view bytes, size_t count);
std::string JoinInput(const std::vector<std::string>& parts);

inline constexpr char kUuid[] = "00112233445566778899aabbccddeeff";

}  // namespace vdb::fuzz

/// Defines and registers a target: VDB_FUZZ_TARGET(name, Run, Seeds).
#define VDB_FUZZ_TARGET(name, run, seeds) \
  const ::vdb::fuzz::Registration registration({#name, run, seeds})
