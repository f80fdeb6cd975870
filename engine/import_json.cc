// Import of JSON whose shape is found by looking (format/legacy_cache.h): entries are counted and
// placed in one pass, and converted on the workers.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/import_source.h"
#include "engine/legacy_document.h"
#include "engine/migrate_source.h"
#include "format/json_reader.h"
#include "format/legacy_cache.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

class JsonSource final : public ImportSource {
 public:
  JsonSource(std::unique_ptr<const format::LegacyCache> cache, std::string name,
             uint64_t file_bytes, const ImportOptions& options, const ChunkLimits& limits)
      : cache_(std::move(cache)), name_(std::move(name)), file_bytes_(file_bytes), limits_(limits) {
    for (const format::LegacyColumn& column : cache_->columns()) {
      const bool rename = !options.column.empty() && cache_->columns().size() == 1;
      columns_.push_back(rename ? options.column : column.name);
      if (!column.model.empty()) models_[columns_.back()] = column.model;
    }
    taken_ = cache_->format() + ": " + cache_->taken();
    for (const std::string& warning : cache_->warnings()) taken_ += "; " + warning;
  }

  StatusOr<bool> Next(ImportChunk* chunk) override {
    const uint64_t left = cache_->entry_count() - entry_;
    if (left == 0) return false;
    const uint64_t bytes = std::max<uint64_t>(1, cache_->vector_bytes() / cache_->entry_count());
    const uint64_t text = std::max<uint64_t>(1, file_bytes_ / cache_->entry_count());
    chunk->row_count = std::min(
        {left, limits_.rows, std::max<uint64_t>(1, limits_.vector_bytes / bytes),
         std::max<uint64_t>(1, 4 * limits_.text_bytes / text)});
    chunk->file_bytes = text * chunk->row_count;
    chunk->begin = {entry_, entry_, entry_};
    entry_ += chunk->row_count;
    chunk->end = {entry_, entry_, entry_};
    return true;
  }

  Status Convert(const ImportChunk& chunk, ImportBatch* batch) const override {
    uint64_t place = chunk.begin.place;
    std::vector<std::vector<float>> units(columns_.size());
    const Status read = cache_->ReadEntries(
        chunk.begin.place, chunk.row_count, [&](format::LegacyEntry& entry) -> Status {
          Add(entry, place++, &units, batch);
          return Status::Ok();
        });
    return read.ok() ? read : Prefixed("'" + name_ + "': ", read);
  }

  Status Resume(const ImportPosition& position) override {
    entry_ = std::min(position.place, cache_->entry_count());
    return Status::Ok();
  }

  uint64_t total_bytes() const override { return file_bytes_; }
  std::string_view place_word() const override { return "entry"; }

 private:
  void Add(const format::LegacyEntry& entry, uint64_t place,
           std::vector<std::vector<float>>* units, ImportBatch* batch) const {
    if (!entry.migrates()) return Reject(entry, place, entry.detail, batch);
    DocumentView document;
    document.key = entry.key;
    document.metadata = entry.metadata;
    for (const format::LegacyVector& vector : entry.vectors) {
      std::vector<float>& unit = (*units)[vector.column];
      unit.resize(vector.values.size());
      const double norm = Normalise(vector.values, unit.data());
      if (!std::isfinite(norm)) return Reject(entry, place, "its length overflows", batch);
      if (norm == 0) std::fill(unit.begin(), unit.end(), 0.0f);
      document.vectors.push_back({columns_[vector.column], unit, norm});
    }
    batch->Put(document, place);
  }

  static void Reject(const format::LegacyEntry& entry, uint64_t place, const std::string& detail,
                     ImportBatch* batch) {
    std::string content = "{\"id\": ";
    AppendJsonString(&content, entry.key);
    content += ", \"offset\": " + std::to_string(entry.source_offset) + "}";
    const std::string_view code = format::LegacyReasonCode(entry.reason);
    batch->Reject(place, (code.empty() ? "" : std::string(code) + ": ") + detail,
                  std::move(content));
  }

  std::unique_ptr<const format::LegacyCache> cache_;
  const std::string name_;
  const uint64_t file_bytes_;
  const ChunkLimits limits_;
  std::vector<std::string> columns_;
  uint64_t entry_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<ImportSource>> NewJsonSource(const std::string& path,
                                                      const ImportOptions& options,
                                                      const ChunkLimits& limits) {
  if (!options.keys_path.empty()) {
    return Status::InvalidArgument("a keys file goes with files of vectors; name the field of the "
                                   "keys in '" + path + "' instead");
  }
  format::LegacySources sources;
  sources.name = path;
  VDB_ASSIGN_OR_RETURN(sources.json, FileSource::Open(*storage::PosixFileSystem(), path));
  const uint64_t size = sources.json->size();
  format::LegacyOptions legacy;
  legacy.key_field = options.key_field;
  legacy.vector_field = options.vector_field;
  const auto progress = [&options](uint64_t done, uint64_t total) {
    return !options.progress || options.progress({"look through", done, total});
  };
  VDB_ASSIGN_OR_RETURN(auto cache, format::LegacyCache::Open(sources, legacy, progress));
  if (cache->refused() != format::LegacyReason::kNone) {
    return Status::InvalidArgument(cache->refusal());
  }
  return std::unique_ptr<ImportSource>(
      std::make_unique<JsonSource>(std::move(cache), path, size, options, limits));
}

StatusOr<bool> LooksLikeDocuments(ImportInput* input) {
  constexpr size_t kLookMax = 64u << 20;
  size_t size = 1u << 16;
  VDB_ASSIGN_OR_RETURN(std::string_view head, input->Head(size));
  size_t begin = head.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  while (true) {  // to the first line that is not blank, and its end
    begin = head.find_first_not_of(" \t\r\n", begin);
    if (begin != head.npos && head.find('\n', begin) != head.npos) break;
    if (head.size() < size || size >= kLookMax) break;
    if (begin == head.npos) begin = head.size();
    size *= 2;
    VDB_ASSIGN_OR_RETURN(head, input->Head(size));
  }
  if (begin == head.npos) return true;
  const std::string_view line = head.substr(begin, head.find('\n', begin) - begin);
  format::JsonReader reader(line, kMetadataDepthMax + 1);
  if (line[0] != '{' || !reader.EnterObject()) return true;  // an error that names the line
  std::string scratch;
  std::string_view name;
  while (reader.NextField(&scratch, &name)) {
    if (name == "vdb_collection") return true;
    if (name != "id" && name != "metadata" && name != "body" && name != "vectors" &&
        name != "vector" && name != "version") {
      return false;
    }
    if (!reader.SkipValue()) break;
  }
  return true;
}

}  // namespace vdb::engine
