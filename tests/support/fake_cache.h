// FakeCache: a legacy cache that is a list in memory, so that migrations can be tested without a
// reader; beside a real file that stands for its source.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "engine/migrate.h"
#include "format/legacy_cache.h"

namespace vdb::testing {

class FakeCache final : public format::LegacyCache {
 public:
  explicit FakeCache(std::vector<format::LegacyColumn> columns = {{"m", "m", 4}}) {
    format_ = "fake";
    columns_ = std::move(columns);
  }

  void Add(std::string key, std::vector<double> values, std::string metadata = "{}") {
    format::LegacyEntry entry;
    entry.source_offset = entries_.size() * 100;
    entry.key = std::move(key);
    entry.metadata = std::move(metadata);
    if (!values.empty()) entry.vectors.push_back({0, std::move(values)});
    Add(std::move(entry));
  }
  void Add(format::LegacyEntry entry) {
    for (const auto& vector : entry.vectors) {
      vector_bytes_ += vector.values.size() * sizeof(float);
    }
    entries_.push_back(std::move(entry));
    entry_count_ = entries_.size();
  }
  void RefuseWhole(format::LegacyReason reason, std::string why) {
    refused_ = reason;
    refusal_ = std::move(why);
  }
  void set_torn() { torn_ = true; }
  void set_entry_count(uint64_t count) { entry_count_ = count; }
  /// Called before every entry that is read; an error ends the read.
  void set_before_entry(std::function<Status(uint64_t)> hook) { before_entry_ = std::move(hook); }

  Status ReadEntries(uint64_t first, uint64_t count,
                     const std::function<Status(format::LegacyEntry&)>& take) const override {
    for (uint64_t i = first; i < first + count && i < entries_.size(); ++i) {
      if (before_entry_) {
        const Status status = before_entry_(i);
        if (!status.ok()) return status;
      }
      format::LegacyEntry entry = entries_[i];
      const Status taken = take(entry);
      if (!taken.ok()) return taken;
    }
    return Status::Ok();
  }

  const std::vector<format::LegacyEntry>& entries() const { return entries_; }

 private:
  std::vector<format::LegacyEntry> entries_;
  std::function<Status(uint64_t)> before_entry_;
};

/// `count` documents, of which every seventh has no vector and every eleventh is refused; columns
/// "m" of dimension 4 and "n" of dimension 3.
inline FakeCache MakeFakeCache(uint64_t count) {
  FakeCache cache({{"m", "model", 4}, {"n", "other", 3}});
  for (uint64_t i = 0; i < count; ++i) {
    format::LegacyEntry entry;
    entry.source_offset = i;
    entry.key = "key" + std::to_string(i * 7919 % count) + std::string(1, static_cast<char>(0x80));
    entry.metadata = R"({"n": )" + std::to_string(i) + R"(, "name": "k\u00e9y"})";
    const double x = static_cast<double>(i) + 0.25;
    if (i % 7 != 0) entry.vectors.push_back({0, {x, -2 * x, 1e-3, 7}});
    if (i % 3 == 0 && i % 7 != 0) entry.vectors.push_back({1, {1, x, -x * x}});
    if (i % 11 == 10) {
      entry.reason = format::LegacyReason::kWrongType;
      entry.detail = "a number was expected";
      entry.vectors.clear();
    }
    cache.Add(std::move(entry));
  }
  return cache;
}

/// A source folder with a `.nndex` in it (the bytes are not looked at), and how migrations of a
/// FakeCache are run on it.
class FakeSource {
 public:
  explicit FakeSource(std::string folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_ + "/.nndex");
    std::ofstream(file(), std::ios::binary) << "a source of 27 bytes, or so";
  }
  /// One that is there already.
  static FakeSource At(std::string folder) {
    FakeSource source;
    source.folder_ = std::move(folder);
    return source;
  }

  const std::string& folder() const { return folder_; }
  std::string file() const { return folder_ + "/.nndex/metadata.json"; }
  std::string database() const { return folder_ + "/.vdb"; }

  StatusOr<MigrationReport> Migrate(const format::LegacyCache& cache,
                                    const MigrateOptions& options = {},
                                    const engine::EngineOptions& engine = {}) const {
    auto place = engine::FindLegacy(*engine.fs, folder_, false);
    if (!place.ok()) return place.status();
    if (!*place) return Status::NotFound("no source");
    auto opened = engine::OpenPlace(*engine.fs, **place);
    if (!opened.ok()) return opened.status();
    const std::string to = options.to.empty() ? database() : options.to;
    return engine::MigrateCache(cache, **place, *opened, to, options, engine);
  }

  /// Names in the folder, sorted: nothing else may be left behind.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  FakeSource() = default;
  std::string folder_;
};

}  // namespace vdb::testing
