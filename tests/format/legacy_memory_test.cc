// Sources of hundreds of megabytes that are no cache, or hold one giant entry: an answer, and
// memory that does not follow the file. The sources are made up as they are read; every allocation
// of this program is counted.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "format/legacy_cache.h"
#include "tests/format/legacy_support.h"

namespace {

std::atomic<size_t> live_bytes{0}, peak_bytes{0};

void* Count(void* memory) noexcept {
  if (memory == nullptr) return nullptr;
  const size_t live = live_bytes += malloc_usable_size(memory);
  size_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return memory;
}

void* Counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return Count(memory);
}

void Uncounted(void* memory) {
  if (memory != nullptr) live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) { return Counted(std::malloc(size)); }
void* operator new[](size_t size) { return Counted(std::malloc(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return Count(std::malloc(size));
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return Count(std::malloc(size));
}
void operator delete(void* memory) noexcept { Uncounted(memory); }
void operator delete[](void* memory) noexcept { Uncounted(memory); }
void operator delete(void* memory, size_t) noexcept { Uncounted(memory); }
void operator delete[](void* memory, size_t) noexcept { Uncounted(memory); }

namespace vdb::format {
namespace {

// `before`, then `piece` again and again up to `middle_bytes`, then `after`.
class Repeating : public ByteSource {
 public:
  Repeating(std::string_view before, std::string_view piece, uint64_t middle_bytes,
            std::string_view after)
      : before_(before), after_(after), middle_bytes_(middle_bytes / piece.size() * piece.size()) {
    while (tile_.size() < 64 * 1024) tile_ += piece;
  }

  uint64_t size() const override { return before_.size() + middle_bytes_ + after_.size(); }

  Status ReadAt(uint64_t offset, std::span<char> out) const override {
    if (offset > size() || out.size() > size() - offset) return Status::Corruption("past the end");
    for (size_t done = 0; done < out.size();) {
      const std::string_view run = RunAt(offset + done).substr(0, out.size() - done);
      std::memcpy(out.data() + done, run.data(), run.size());
      done += run.size();
    }
    return Status::Ok();
  }

 private:
  std::string_view RunAt(uint64_t offset) const {
    if (offset < before_.size()) return std::string_view(before_).substr(offset);
    const uint64_t in_middle = offset - before_.size();
    if (in_middle >= middle_bytes_) {
      return std::string_view(after_).substr(in_middle - middle_bytes_);
    }
    return std::string_view(tile_).substr(in_middle % tile_.size())
        .substr(0, middle_bytes_ - in_middle);
  }

  std::string before_, tile_, after_;
  uint64_t middle_bytes_;
};

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGigabyte = 1'000'000'000;
constexpr uint64_t kHuge = 100'000'000;

enum class As { kJson, kV1, kV2, kNndex };
constexpr As kAll[] = {As::kJson, As::kV1, As::kV2, As::kNndex};

LegacySources SourcesOf(As as, std::shared_ptr<const ByteSource> source) {
  const auto matrix = SourceOf(NpyFile("(1, 2)", FloatBytes({3, 4})));
  LegacySources sources;
  sources.name = "huge";
  switch (as) {
    case As::kJson: sources.json = std::move(source); break;
    case As::kV1: sources.vemb_cache = std::move(source); break;
    case As::kV2:
      sources.vemb_manifest = std::move(source);
      sources.vemb_vectors = matrix;
      break;
    case As::kNndex:
      sources.nndex_metadata = std::move(source);
      sources.nndex_embeddings = matrix;
      break;
  }
  return sources;
}

struct Outcome {
  LegacyReason refused = LegacyReason::kNone;
  std::vector<LegacyReason> entries;
  uint64_t peak = 0;
};

// Opens it and reads every entry.
Outcome Read(As as, std::shared_ptr<const ByteSource> source, bool salvage = false) {
  const LegacySources sources = SourcesOf(as, std::move(source));
  LegacyOptions options;
  options.salvage = salvage;
  const size_t before = live_bytes;
  peak_bytes = before;
  Outcome outcome;
  {
    const auto cache = OpenLegacy(sources, options);
    if (cache == nullptr) return outcome;
    outcome.refused = cache->refused();
    const Status status = cache->ReadEntries(0, cache->entry_count(), [&](LegacyEntry& entry) {
      outcome.entries.push_back(entry.reason);
      return Status::Ok();
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  outcome.peak = peak_bytes - before;
  return outcome;
}

TEST(LegacyMemory, AGigabyteOfBrackets) {
  for (const As as : kAll) {
    for (const char* piece : {"[", "{\"a\":", "[{\"a\":"}) {
      for (const bool salvage : {false, true}) {
        const auto outcome =
            Read(as, std::make_shared<Repeating>("", piece, kGigabyte, ""), salvage);
        EXPECT_NE(outcome.refused, LegacyReason::kNone);
        EXPECT_LT(outcome.peak, 4 * kMiB) << piece << " as " << static_cast<int>(as);
      }
    }
  }
}

TEST(LegacyMemory, HugeAndNothingInIt) {
  for (const As as : kAll) {
    for (const char* piece : {" ", "\n"}) {
      const auto outcome = Read(as, std::make_shared<Repeating>("", piece, kHuge / 4, ""));
      EXPECT_NE(outcome.refused, LegacyReason::kNone);
      EXPECT_LT(outcome.peak, 4 * kMiB);
    }
    const auto text = Read(as, std::make_shared<Repeating>("{\"", "k", kHuge, ""));
    EXPECT_NE(text.refused, LegacyReason::kNone);
    EXPECT_LT(text.peak, 4 * kMiB);
  }
}

struct Giant {
  As as;
  const char* before;
  const char* piece;
  const char* after;
  std::vector<LegacyReason> entries;
  uint64_t bytes = kHuge;
};

TEST(LegacyMemory, OneGiantEntryAmongOthers) {
  constexpr LegacyReason kNone = LegacyReason::kNone, kTooLarge = LegacyReason::kTooLarge;
  const Giant giants[] = {
      {As::kV1, R"({"version": 1, "entries": {"a": {"values": [3, 4]}, ")", "k",
       R"(": {"values": [1, 2]}, "c": {"values": [5, 6]}}})", {kNone, kTooLarge, kNone}},
      {As::kV1, R"({"version": 1, "entries": {"a": {"values": [3, 4]}, "b": {"text": ")", "t",
       R"(", "values": [1, 2]}, "c": {"values": [5, 6]}}})", {kNone, kTooLarge, kNone}},
      {As::kV1, R"({"version": 1, "entries": {"a": {"values": [3, 4]}, "b": {"values": [)",
       "0.5, ", R"(1]}, "c": {"values": [5, 6]}}})", {kNone, kTooLarge, kNone}, 3 * kHuge},
      {As::kV1, R"({"version": 1, "note": ")", "t",
       R"(", "entries": {"a": {"values": [3, 4]}, "c": {"values": [5, 6]}}})", {kNone, kNone}},
      {As::kV2, R"({"version": 2, "keys": {"a": 0, ")", "k", R"(": 0, "c": 0}})",
       {kNone, kTooLarge, kNone}},
      {As::kV2, R"({"version": 2, "model": ")", "m", R"(", "keys": {"a": 0}})", {kNone}},
      {As::kV2, R"({"version": 2, "keys": {"a": 0, "b": [)", "1, ", R"(1], "c": 0}})",
       {kNone, LegacyReason::kWrongType, kNone}},
      {As::kNndex, R"({"chunks": [{"file_path": "a", "start_line": 1, "end_line": 2},
       {"file_path": "b", "start_line": 1, "end_line": 2, "preview": ")", "p", R"("}]})",
       {kNone, kTooLarge}},
      {As::kJson, R"({"a": [3, 4], "b": [)", "0.5, ", R"(1], "c": [5, 6]})",
       {kNone, kTooLarge, kNone}},
      {As::kJson, R"({"a": [3, 4], ")", "k", R"(": [1, 2], "c": [5, 6]})",
       {kNone, kTooLarge, kNone}},
      {As::kJson, R"([{"id": "a", "embedding": [3, 4]}, {"id": "b", "text": ")", "t",
       R"(", "embedding": [1, 2]}, {"id": "c", "embedding": [5, 6]}])", {kNone, kTooLarge, kNone}},
      {As::kJson, "{\"id\": \"a\", \"vector\": [3, 4]}\n{\"id\": \"b\", \"vector\": [",
       "0.5, ",
       "1]}\n{\"id\": \"c\", \"vector\": [5, 6]}\n", {kNone, kTooLarge, kNone}},
      {As::kJson, "\"a\": {\"vec\": [3, 4]},\n\"b\": {\"text\": \"", "\\n",
       "\", \"vec\": [1, 2]},\n", {kNone, kTooLarge}},
  };
  for (const Giant& giant : giants) {
    const auto outcome = Read(giant.as, std::make_shared<Repeating>(giant.before, giant.piece,
                                                                    giant.bytes, giant.after));
    ASSERT_EQ(outcome.refused, kNone) << giant.before;
    EXPECT_EQ(outcome.entries, giant.entries) << giant.before;
    EXPECT_LT(outcome.peak, 4 * kMiB) << giant.before;
  }
}

// About the longest entry that is read at all: its text a few times, and no more.
TEST(LegacyMemory, ALargeEntry) {
  constexpr uint64_t kLarge = 60'000'000;
  const auto numbers = Read(
      As::kV1, std::make_shared<Repeating>(
                   R"({"version": 1, "entries": {"a": {"values": [3, 4]}, "b": {"values": [)",
                   "0.5, ", kLarge, R"(1]}, "c": {"values": [5, 6]}}})"));
  EXPECT_EQ(numbers.entries[1], LegacyReason::kWrongLength);
  EXPECT_LT(numbers.peak, 8 * kLarge);
  const auto text = Read(
      As::kV1, std::make_shared<Repeating>(
                   R"({"version": 1, "entries": {"a": {"values": [3, 4]}, "b": {"text": ")", "t",
                   kLarge, R"(", "values": [1, 2]}, "c": {"values": [5, 6]}}})"));
  EXPECT_EQ(text.entries[1], LegacyReason::kTooLarge);
  EXPECT_LT(text.peak, 8 * kLarge);
}

TEST(LegacyMemory, ManyEntriesCostBytesEach) {
  constexpr uint64_t kCount = 200'000;
  std::string v1 = R"({"version": 1, "entries": {)", v2 = R"({"version": 2, "keys": {)";
  for (uint64_t i = 0; i < kCount; ++i) {
    const std::string key = (i > 0 ? ", \"folder/name of a file " : "\"folder/name of a file ") +
                            std::to_string(i) + ".png:12345:1773900000000000000\": ";
    v1 += key + R"({"values": [0.1234567, 1]})";
    v2 += key + "0";
  }
  v1 += "}}", v2 += "}}";
  for (const bool first : {true, false}) {
    const auto source = SourceOf(first ? v1 : v2);
    const LegacySources sources = SourcesOf(first ? As::kV1 : As::kV2, source);
    const size_t before = live_bytes;
    peak_bytes = before;
    const auto cache = OpenLegacy(sources);
    ASSERT_EQ(cache->entry_count(), kCount);
    EXPECT_LT(live_bytes - before, 64 * kCount + kMiB) << "kept";
    EXPECT_LT(peak_bytes - before, 160 * kCount + kMiB) << "while opening";
  }
}

}  // namespace
}  // namespace vdb::format
