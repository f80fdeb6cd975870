// Any bytes as a legacy cache: it opens or is refused with a reason, and every entry converts to
// what a database takes, or is refused with one. A libFuzzer entry; legacy_fuzz_test.cc in
// tests/format also runs it on mutations of fixtures and shapes. With clang, in a build directory
// of its own:
//   cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DVDB_SANITIZE=address,undefined
//   ninja -C build-fuzz vdb
//   clang++ -std=c++20 -g -fsanitize=fuzzer,address,undefined -I. -Iinclude
//     tests/fuzz/legacy_fuzz.cc build-fuzz/libvdb.a -licuuc -lzstd -o legacy_fuzz   (on one line)
//
// Bytes of the input: which source it is (low three bits; 8: salvage, 16: force, 32 and 64: a field
// is named as key or vector), then two lengths of two bytes (little-endian) and the files, up to
// three, the last one to the end.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "format/legacy_cache.h"
#include "format/manifest.h"
#include "format/metadata.h"
#include "vdb/types.h"

namespace {

using namespace vdb;  // NOLINT: a program of its own

void Require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "legacy_fuzz.cc:%d: does not hold\n", line);
  __builtin_trap();
}

struct Files {
  uint8_t first = 0;
  std::string_view parts[3];
};

Files Split(std::string_view input) {
  Files files;
  if (input.empty()) return files;
  files.first = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  for (int i = 0; i < 2; ++i) {
    if (input.size() < 2) break;
    const size_t size =
        static_cast<uint8_t>(input[0]) | size_t{static_cast<uint8_t>(input[1])} << 8;
    input.remove_prefix(2);
    files.parts[i] = input.substr(0, size);
    input.remove_prefix(files.parts[i].size());
  }
  files.parts[2] = input;
  return files;
}

format::LegacySources SourcesOf(const Files& files) {
  const auto part = [&files](int i) -> std::shared_ptr<const format::ByteSource> {
    return std::make_shared<format::MemorySource>(files.parts[i]);
  };
  format::LegacySources sources;
  sources.name = "input";
  switch (files.first & 7) {
    case 0: sources.vemb_cache = part(2); break;
    case 1:
      sources.vemb_manifest = part(0);
      sources.vemb_vectors = part(1);
      break;
    case 2:
      sources.vemb_manifest = part(0);
      sources.vemb_vectors = part(1);
      sources.vemb_cache = part(2);
      break;
    case 3:
      sources.nndex_metadata = part(0);
      sources.nndex_embeddings = part(1);
      break;
    case 4:
      sources.json = part(0);
      sources.json_matrix = part(1);
      break;
    default: sources.json = part(2);
  }
  return sources;
}

void CheckColumns(const format::LegacyCache& cache) {
  std::set<std::string> names;
  for (const format::LegacyColumn& column : cache.columns()) {
    Require(names.insert(column.name).second && format::CheckName("column", column.name).ok());
    Require(column.dimension >= 1 && column.dimension <= kDimensionMax);
  }
}

void CheckVectors(const format::LegacyCache& cache, const format::LegacyEntry& entry) {
  std::set<uint32_t> columns;
  for (const format::LegacyVector& vector : entry.vectors) {
    Require(columns.insert(vector.column).second && vector.column < cache.columns().size());
    Require(vector.values.size() == cache.columns()[vector.column].dimension);
    bool zero = true;
    for (const double value : vector.values) {
      Require(std::isfinite(value));
      zero = zero && value == 0;
    }
    Require(!zero);
  }
}

void CheckEntry(const format::LegacyCache& cache, const format::LegacyEntry& entry) {
  using format::LegacyReason;
  Require((entry.reason == LegacyReason::kNone) == LegacyReasonCode(entry.reason).empty());
  Require(entry.reason == LegacyReason::kNone || !entry.detail.empty());
  if (!entry.migrates()) return;
  Require(!entry.key.empty() && entry.key.size() <= kKeyBytesMax);
  Require(format::MetadataFromJson(entry.metadata).ok());
  CheckVectors(cache, entry);
}

bool IsSame(const format::LegacyEntry& a, const format::LegacyEntry& b) {
  if (a.key != b.key || a.metadata != b.metadata || a.reason != b.reason || a.flags != b.flags ||
      a.source_offset != b.source_offset || a.vectors.size() != b.vectors.size()) {
    return false;
  }
  for (size_t i = 0; i < a.vectors.size(); ++i) {
    if (a.vectors[i].column != b.vectors[i].column || a.vectors[i].values != b.vectors[i].values) {
      return false;
    }
  }
  return true;
}

// False if the source turned out not to be JSON where the first pass does not look.
bool ReadAll(const format::LegacyCache& cache, std::vector<format::LegacyEntry>* entries) {
  const Status status =
      cache.ReadEntries(0, cache.entry_count(), [&](format::LegacyEntry& entry) {
        entries->push_back(std::move(entry));
        return Status::Ok();
      });
  Require(status.ok() || status.code() == StatusCode::kCorruption);
  Require(!status.ok() || entries->size() == cache.entry_count());
  return status.ok();
}

// Read from the middle on and one by one, the entries are the same.
void CheckPieces(const format::LegacyCache& cache, const std::vector<format::LegacyEntry>& all) {
  const auto check_from = [&](uint64_t first, uint64_t count) {
    uint64_t at = first;
    const Status status = cache.ReadEntries(first, count, [&](format::LegacyEntry& entry) {
      Require(IsSame(entry, all[at++]));
      return Status::Ok();
    });
    Require(status.ok() && at == first + count);
  };
  const uint64_t count = all.size();
  check_from(count / 2, count - count / 2);
  for (uint64_t i = 0; i < std::min<uint64_t>(count, 8); ++i) check_from(count - 1 - i, 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Files files = Split({reinterpret_cast<const char*>(data), size});
  format::LegacyOptions options;
  options.salvage = (files.first & 8) != 0;
  options.force = (files.first & 16) != 0;
  if ((files.first & 32) != 0) options.key_field = "id";
  if ((files.first & 64) != 0) options.vector_field = "vector";
  const auto opened = format::LegacyCache::Open(SourcesOf(files), options);
  Require(opened.ok());
  const format::LegacyCache& cache = **opened;
  CheckColumns(cache);
  if (cache.refused() != format::LegacyReason::kNone) {
    Require(!cache.refusal().empty() && cache.entry_count() == 0 && cache.columns().empty());
    return 0;
  }
  Require(cache.format() != "unknown" && (options.salvage || !cache.torn()));
  std::vector<format::LegacyEntry> entries;
  if (!ReadAll(cache, &entries)) return 0;
  std::set<std::string_view> keys;
  uint64_t vector_bytes = 0;
  for (const format::LegacyEntry& entry : entries) {
    CheckEntry(cache, entry);
    if (entry.migrates()) Require(keys.insert(entry.key).second);
    for (const auto& vector : entry.vectors) vector_bytes += vector.values.size() * sizeof(float);
  }
  // A prediction; of a matrix beside the file the rows count, which entries may share.
  Require(vector_bytes <= cache.vector_bytes() || (files.first & 7) == 4);
  CheckPieces(cache, entries);
  return 0;
}
