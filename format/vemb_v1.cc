#include "format/vemb_v1.h"

#include <algorithm>
#include <map>

#include "format/legacy_columns.h"
#include "format/legacy_json.h"
#include "format/status_macros.h"
#include "format/vemb_key.h"

namespace vdb::format {
namespace {

class VembV1 : public JsonCache {
 public:
  VembV1(std::string name, std::shared_ptr<const ByteSource> source)
      : JsonCache(std::move(name), std::move(source)) {
    format_ = "vemb-v1";
    taken_ = "key: the map's key; vector: 'values'; metadata: from the key and the other fields";
    shape_.format = format_;
    shape_.entries = {JsonMember("entries"), JsonMembers()};
    shape_.fields = {{JsonRole::kVector, {JsonMember("values")}},
                     {JsonRole::kFile, {JsonMember("file")}}};
  }

  Status Open(const LegacyOptions& options, const LegacyProgress& progress);

 protected:
  bool needs_vector() const override { return true; }
  std::vector<std::string_view> ReservedMembers() const override;
  Status Finish(uint64_t index, JsonRecord* record, LegacyEntry* entry) const override;

 private:
  void CheckRoot(const LegacyOptions& options);
  void CompareDimension();
  Status FindTwins();
  StatusOr<bool> SameVectors(uint64_t a, uint64_t b) const;

  std::string model_;
  VembRelpaths relpaths_;
  std::map<uint64_t, std::string> twins_;  // entries of 0.1 and the key that stands for them
};

std::vector<std::string_view> VembV1::ReservedMembers() const {
  return {"relpath", "size",   "mtime_ns",         "file",        "model",
          "dialect", "source", "relpath_inferred", "duplicate_of"};
}

void VembV1::CheckRoot(const LegacyOptions& options) {
  if (outline_.first_root != JsonEvent::kBeginObject) {
    return Refuse(LegacyReason::kWrongShape,
                  "expected an object {\"version\": 1, \"entries\": {...}} at byte 0, found "
                  "something else");
  }
  if (outline_.roots > 1) {
    return Refuse(LegacyReason::kNotJson, "expected one JSON value, found another at byte " +
                                              std::to_string(outline_.second_root));
  }
  std::string version = "none";
  for (const auto& [name, text] : outline_.headers) {
    if (name == "version") version = text;
  }
  if (version != "1" && version != "1.0") {
    const std::string found = "version " + version;
    if (!options.force) {
      return Refuse(LegacyReason::kUnknownVersion,
                    "expected version 1, found " + found + "; --force reads it as version 1");
    }
    warnings_.push_back(found + " was read as version 1");
  }
  if (!outline_.reached) {
    Refuse(LegacyReason::kWrongShape, "expected an object \"entries\", found none");
  }
}

Status VembV1::Open(const LegacyOptions& options, const LegacyProgress& progress) {
  const auto on_file = [this](std::string_view key, std::string_view file) {
    relpaths_.Add(ParseVembKey(key), file);
  };
  VDB_ASSIGN_OR_RETURN(const bool whole, Outline(options, progress, on_file));
  if (outline_.roots > 0 && (whole || outline_.first_root != JsonEvent::kBeginObject)) {
    CheckRoot(options);
  }
  if (refused_ != LegacyReason::kNone) {
    outline_ = {};
    return Status::Ok();
  }
  model_ = outline_.Header("model");
  VDB_RETURN_IF_ERROR(Settle());
  // Named as the other readers of vemb name it, so that both can share a column.
  for (size_t i = 0; i < columns_.size(); ++i) {
    std::vector<LegacyColumn> named;
    LegacyColumnOf(columns_[i].model, columns_[i].dimension, &named);
    columns_[i].name = named[0].name;
  }
  CompareDimension();
  return FindTwins();
}

void VembV1::CompareDimension() {
  const std::string declared = outline_.Header("dim");
  if (declared.empty() || declared == "0" || columns_.empty()) return;
  if (declared == std::to_string(columns_[0].dimension)) return;
  warnings_.push_back("dim says " + declared + ", but most vectors have " +
                      std::to_string(columns_[0].dimension) + " numbers");
}

StatusOr<bool> VembV1::SameVectors(uint64_t a, uint64_t b) const {
  std::vector<double> values[2];
  const uint64_t entries[2] = {a, b};
  for (int i = 0; i < 2; ++i) {
    VDB_RETURN_IF_ERROR(ReadEntries(entries[i], 1, [&values, i](LegacyEntry& entry) {
      if (!entry.vectors.empty()) values[i] = std::move(entry.vectors[0].values);
      return Status::Ok();
    }));
  }
  return !values[0].empty() && values[0] == values[1];
}

Status VembV1::FindTwins() {
  Status status;
  std::string key;
  const auto key_at = [&](uint64_t index) -> std::string_view {
    auto read = ReadKey(index);
    if (!read.ok()) status = read.status();
    key = read.ok() ? std::move(read).value() : "";
    return key;
  };
  const std::vector<VembTwin> pairs = FindVembTwins(entry_count_, key_at);
  VDB_RETURN_IF_ERROR(status);
  for (const VembTwin& pair : pairs) {
    if (twins_.contains(pair.basename_entry)) continue;
    VDB_ASSIGN_OR_RETURN(const bool same, SameVectors(pair.basename_entry, pair.relpath_entry));
    if (!same) continue;
    VDB_ASSIGN_OR_RETURN(twins_[pair.basename_entry], ReadKey(pair.relpath_entry));
  }
  const std::string warning = VembKeyWarning(relpaths_.has_basename_keys(), twins_.size());
  if (!warning.empty()) warnings_.push_back(warning);
  return Status::Ok();
}

Status VembV1::Finish(uint64_t index, JsonRecord* record, LegacyEntry* entry) const {
  VembMetadata metadata;
  metadata.key = ParseVembKey(entry->key);
  metadata.where = relpaths_.Of(metadata.key, record->file());
  metadata.file = record->file();
  metadata.model = model_;
  metadata.source = format_;
  std::string more = "{";
  if (metadata.where.inferred) {
    entry->flags.push_back("relpath_inferred");
    more += "\"relpath_inferred\":true";
  }
  if (const auto twin = twins_.find(index); twin != twins_.end()) {
    entry->flags.push_back("duplicate_of:" + twin->second);
    AppendJsonMember(&more, "duplicate_of", twin->second);
  }
  if (!metadata.key.split) entry->flags.push_back("no_size_mtime");
  if (!record->members().empty()) {
    if (more.size() > 1) more += ',';
    more += record->members();
  }
  metadata.more = std::string_view(more).substr(1);
  entry->metadata = VembMetadataJson(metadata);
  return Status::Ok();
}

}  // namespace

StatusOr<std::unique_ptr<const LegacyCache>> OpenVembV1(
    const std::string& name, std::shared_ptr<const ByteSource> source,
    const LegacyOptions& options, const LegacyProgress& progress) {
  auto cache = std::make_unique<VembV1>(name, std::move(source));
  VDB_RETURN_IF_ERROR(cache->Open(options, progress));
  return std::unique_ptr<const LegacyCache>(std::move(cache));
}

}  // namespace vdb::format
