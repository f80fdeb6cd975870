// For tests of legacy caches: sources from bytes and folders, .npy files, verdicts, and a plain
// JSON reader that shares no code with the library.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/legacy_cache.h"

namespace vdb::format {

/// Owns its bytes.
std::shared_ptr<const ByteSource> SourceOf(std::string bytes);

/// A file's bytes; ends the test program if it cannot be read.
std::string ReadTestFile(const std::string& path);

/// What the engine would hand over for a folder with .vemb or .nndex inside.
LegacySources SourcesOfFolder(const std::string& folder);

/// A .npy file; `shape` as Python writes it, e.g. "(3, 4)".
std::string NpyFile(std::string_view shape, std::string_view data,
                    std::string_view descr = "'<f4'", bool fortran_order = false, int version = 1,
                    size_t header_bytes = 118);
/// The bytes of numbers, as float32 or float64.
std::string FloatBytes(const std::vector<double>& values);
std::string DoubleBytes(const std::vector<double>& values);

/// Opens, or fails the test and gives null.
std::unique_ptr<const LegacyCache> OpenLegacy(const LegacySources& sources,
                                              const LegacyOptions& options = {});
/// All entries, read in pieces of `piece`.
std::vector<LegacyEntry> ReadAll(const LegacyCache& cache, uint64_t piece = ~uint64_t{0});

struct LegacyVerdict {
  std::string format;
  int exit_code = 0;
  uint64_t migrated = 0, without_vector = 0;
  std::map<std::string, uint64_t> refused;  // a source refused as a whole counts one, unless torn
};
LegacyVerdict VerdictOf(const LegacyCache& cache);

/// JSON as a tree, with NaN and Infinity; strings as bytes.
struct PlainJson {
  char kind = '0';  // one of 0 b n s [ {
  double number = 0;
  std::string string;  // also a number's text
  std::vector<PlainJson> items;
  std::vector<std::pair<std::string, PlainJson>> members;

  static PlainJson Parse(std::string_view text);
  /// The last member of that name; kind '0' if there is none.
  const PlainJson& operator[](std::string_view name) const;
};

/// Length one, in double.
std::vector<double> Normalised(std::vector<double> values);

}  // namespace vdb::format
