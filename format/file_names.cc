#include "format/file_names.h"

#include <charconv>
#include <cstdio>

namespace vdb::format {
namespace {

std::string SixDigits(uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof(text), "%06llu", static_cast<unsigned long long>(number));
  return text;
}

// Reads digits from the front of `text`; only the form SixDigits writes is taken.
std::optional<uint64_t> TakeNumber(std::string_view* text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const auto length = static_cast<size_t>(end - text->data());
  if (error != std::errc() || text->substr(0, length) != SixDigits(number)) return std::nullopt;
  text->remove_prefix(length);
  return number;
}

constexpr std::string_view kEndings[] = {".npy",  ".rows",  ".keys",
                                         ".sums", ".order", ".ivf"};

}  // namespace

std::string ManifestName(uint64_t generation) {
  return "manifest-" + SixDigits(generation) + ".vdbm";
}
std::string ManifestTwinName(uint64_t generation) {
  return "manifest-" + SixDigits(generation) + ".twin";
}
std::string DocsDirName(uint64_t number) { return "docs-" + SixDigits(number); }
std::string LedgerName(uint64_t docs_directory) {
  std::string name(kLedgerFile);
  return docs_directory == 1 ? name : name + "-" + SixDigits(docs_directory);
}

std::string SegmentFileName(uint64_t segment_id, SegmentFile file) {
  return SixDigits(segment_id) + std::string(kEndings[static_cast<int>(file)]);
}
std::string MaskFileName(uint64_t segment_id, uint64_t generation) {
  return SixDigits(segment_id) + ".del-" + SixDigits(generation);
}

std::string EpochFileName(uint64_t epoch_id) { return SixDigits(epoch_id) + ".vdbe"; }

std::string SnapshotDirName(uint64_t snapshot_id) { return SixDigits(snapshot_id); }

std::optional<uint64_t> ParseSnapshotDirName(std::string_view name) {
  const auto id = TakeNumber(&name);
  return name.empty() ? id : std::nullopt;
}

std::optional<uint64_t> ParseManifestName(std::string_view name) {
  if (!name.starts_with("manifest-")) return std::nullopt;
  name.remove_prefix(9);
  const auto generation = TakeNumber(&name);
  if (name != ".vdbm" && name != ".twin") return std::nullopt;
  return generation;
}

std::optional<uint64_t> ParseEpochName(std::string_view name) {
  const auto id = TakeNumber(&name);
  return name == ".vdbe" ? id : std::nullopt;
}

std::optional<SegmentName> ParseSegmentName(std::string_view name) {
  const auto id = TakeNumber(&name);
  if (!id) return std::nullopt;
  for (const std::string_view ending : kEndings) {
    if (name == ending) return SegmentName{*id, std::nullopt, name == ".ivf"};
  }
  if (!name.starts_with(".del-")) return std::nullopt;
  name.remove_prefix(5);
  const auto generation = TakeNumber(&name);
  if (!generation || !name.empty()) return std::nullopt;
  return SegmentName{*id, generation, false};
}

}  // namespace vdb::format
