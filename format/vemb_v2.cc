// vemb version 2: see legacy_npy.h.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "format/json_reader.h"
#include "format/legacy_npy.h"
#include "format/legacy_rows.h"
#include "format/status_macros.h"
#include "format/vemb_key.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

class VembV2 : public LegacyRows {
 public:
  VembV2() {
    format_ = "vemb-v2";
    text_name_ = "manifest.json";
    text_bytes_max_ = 6 * kKeyBytesMax + 2;  // every byte as \u00XX
  }

  Status Open(const LegacySources& sources, const LegacyOptions& options,
              const LegacyProgress& progress);

 protected:
  Status Convert(uint64_t index, std::string_view text, LegacyEntry* entry) const override;
  std::string DescribeLong(const Entry& entry) const override {
    return "expected a key of at most " + std::to_string(kKeyBytesMax) + " bytes, found one of " +
           std::to_string(entry.text_bytes) + " bytes of JSON";
  }
  StatusOr<std::string> KeyOf(std::string_view text) const override {
    return ParseJsonString(text);
  }

 private:
  Status ReadField(JsonScanner* scanner, const std::string& name);
  Status ReadKeys(JsonScanner* scanner);
  // Whether the next byte that is no space is a comma.
  StatusOr<bool> HasCommaAt(const JsonScanner& scanner, uint64_t offset) const;
  StatusOr<uint64_t> TakeRow(JsonScanner* scanner) const;
  void CheckVersion(const LegacyOptions& options);
  Status FindTwins();
  const VembTwin* TwinOf(uint64_t index) const;
  StatusOr<bool> HaveEqualRows(const VembTwin& twin) const;

  std::string version_;  // as it stands
  std::string model_;
  uint64_t dim_ = 0;
  bool has_keys_ = false;
  std::vector<VembTwin> twins_;  // with equal rows; each basename_entry once
};

Status VembV2::Open(const LegacySources& sources, const LegacyOptions& options,
                    const LegacyProgress& progress) {
  name_ = sources.name;
  text_source_ = sources.vemb_manifest;
  JsonScanner scanner(text_source_.get(), progress);
  VDB_RETURN_IF_ERROR(ScanObject(
      &scanner, [&](const std::string& name) { return ReadField(&scanner, name); }));
  VDB_RETURN_IF_ERROR(CheckEnd(scanner, options));
  CheckVersion(options);
  if (!has_keys_) RefuseSource(LegacyReason::kWrongShape, "manifest.json: expected \"keys\"");
  if (refused_ != LegacyReason::kNone) return Status::Ok();
  VDB_RETURN_IF_ERROR(OpenMatrix(sources.vemb_vectors, "vectors.npy"));
  if (refused_ != LegacyReason::kNone) return Status::Ok();
  taken_ = "key: the manifest's key; vector: its row of vectors.npy";
  VDB_RETURN_IF_ERROR(DropReplaced());
  CompareDimension("dim", dim_);
  MakeColumn(model_);
  return FindTwins();
}

void VembV2::CheckVersion(const LegacyOptions& options) {
  double version = 0;
  const bool known =
      !version_.empty() && JsonNumberToDouble(version_, &version) && version == 2;
  if (known || options.force) return;
  RefuseSource(LegacyReason::kUnknownVersion,
               "manifest.json: expected version 2, found " +
                   (version_.empty() ? "none" : version_) + "; --force reads it as version 2");
}

Status VembV2::ReadField(JsonScanner* scanner, const std::string& name) {
  if (name == "\"version\"") {
    VDB_ASSIGN_OR_RETURN(version_, TakeNumber(scanner));
  } else if (name == "\"model\"") {
    VDB_ASSIGN_OR_RETURN(model_, TakeString(scanner));
  } else if (name == "\"dim\"") {
    VDB_ASSIGN_OR_RETURN(const std::string dim, TakeNumber(scanner));
    std::from_chars(dim.data(), dim.data() + dim.size(), dim_);
  } else if (name == "\"keys\"") {
    return ReadKeys(scanner);
  } else {
    scanner->Skip(scanner->Next());
  }
  return Status::Ok();
}

Status VembV2::ReadKeys(JsonScanner* scanner) {
  ForgetEntries();  // of a field of the same name before
  const JsonToken begin = scanner->Next();
  has_keys_ = begin.event == JsonEvent::kBeginObject;
  if (!has_keys_) {
    scanner->Skip(begin);
    return Status::Ok();
  }
  JsonToken key = scanner->Next();
  while (key.event == JsonEvent::kKey) {
    VDB_ASSIGN_OR_RETURN(const uint64_t row, TakeRow(scanner));
    const uint64_t row_end = scanner->offset();
    const JsonToken next = scanner->Next();
    if (next.event == JsonEvent::kError) {
      // In a torn file the last number may be cut.
      VDB_ASSIGN_OR_RETURN(const bool complete, HasCommaAt(*scanner, row_end));
      if (!complete) return Status::Ok();
    }
    VDB_RETURN_IF_ERROR(AddEntry(*scanner, key.offset, key.end, row));
    if (refused_ != LegacyReason::kNone) return Status::Ok();
    key = next;
  }
  return Status::Ok();
}

StatusOr<bool> VembV2::HasCommaAt(const JsonScanner& scanner, uint64_t offset) const {
  std::string scratch;
  VDB_ASSIGN_OR_RETURN(
      const std::string_view rest,
      scanner.Bytes(offset, std::min(text_source_->size(), offset + 64), &scratch));
  const size_t at = rest.find_first_not_of(" \n\r\t");
  return at != std::string_view::npos && rest[at] == ',';
}

StatusOr<uint64_t> VembV2::TakeRow(JsonScanner* scanner) const {
  VDB_ASSIGN_OR_RETURN(const std::string text, TakeNumber(scanner));
  if (text.empty() || text.find_first_of(".eE") != std::string::npos) return kNoRow;
  uint64_t row = 0;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), row);
  return done.ec == std::errc() ? row : kFarRow;
}

Status VembV2::FindTwins() {
  Status status;
  TextWindow window;
  std::string key;
  const auto key_at = [&](uint64_t i) -> std::string_view {
    std::string_view text;
    key.clear();
    if (entries_[i].text_bytes > text_bytes_max_ || !status.ok()) return key;
    status = ReadText(entries_[i], entries_.back().offset, &window, &text);
    auto parsed = status.ok() ? ParseJsonString(text) : StatusOr<std::string>(status);
    if (parsed.ok()) key = std::move(*parsed);
    return key;
  };
  for (const VembTwin& twin : FindVembTwins(entries_.size(), key_at)) {
    VDB_RETURN_IF_ERROR(status);
    if (!twins_.empty() && twins_.back().basename_entry == twin.basename_entry) continue;
    VDB_ASSIGN_OR_RETURN(const bool equal, HaveEqualRows(twin));
    if (equal) twins_.push_back(twin);
  }
  const std::string warning = VembKeyWarning(false, twins_.size());
  if (!warning.empty()) warnings_.push_back(warning);
  return status;
}

StatusOr<bool> VembV2::HaveEqualRows(const VembTwin& twin) const {
  const uint64_t rows[] = {entries_[twin.basename_entry].row, entries_[twin.relpath_entry].row};
  std::vector<double> values[2];
  for (const int i : {0, 1}) {
    if (rows[i] >= matrix_.complete_rows()) return false;
    VDB_RETURN_IF_ERROR(matrix_.ReadRows(rows[i], 1, &values[i]));
  }
  return std::memcmp(values[0].data(), values[1].data(), values[0].size() * sizeof(double)) == 0;
}

Status VembV2::Convert(uint64_t index, std::string_view text, LegacyEntry* entry) const {
  VDB_ASSIGN_OR_RETURN(entry->key, ParseJsonString(text));
  if (entry->key.empty() || entry->key.size() > kKeyBytesMax) {
    entry->reason = entry->key.empty() ? LegacyReason::kWrongShape : LegacyReason::kTooLarge;
    entry->detail = "expected a key of 1 to " + std::to_string(kKeyBytesMax) + " bytes, found " +
                    std::to_string(entry->key.size());
    return Status::Ok();
  }
  std::string more = "{";
  if (const VembTwin* twin = TwinOf(index); twin != nullptr) {
    TextWindow window;
    VDB_RETURN_IF_ERROR(ReadText(entries_[twin->relpath_entry], 0, &window, &text));
    VDB_ASSIGN_OR_RETURN(const std::string other, ParseJsonString(text));
    entry->flags.push_back("duplicate_of:" + other);
    AppendJsonMember(&more, "duplicate_of", other);
  }
  VembMetadata metadata;
  metadata.key = ParseVembKey(entry->key);
  metadata.where = VembRelpaths().Of(metadata.key, "");
  metadata.model = model_;
  metadata.source = format_;
  metadata.more = std::string_view(more).substr(1);
  entry->metadata = VembMetadataJson(metadata);
  if (!metadata.key.split) entry->flags.push_back("no_size_mtime");
  return Status::Ok();
}

const VembTwin* VembV2::TwinOf(uint64_t index) const {
  const auto twin = std::lower_bound(
      twins_.begin(), twins_.end(), index,
      [](const VembTwin& at, uint64_t wanted) { return at.basename_entry < wanted; });
  return twin == twins_.end() || twin->basename_entry != index ? nullptr : &*twin;
}

}  // namespace

StatusOr<std::unique_ptr<const LegacyCache>> OpenVembV2(const LegacySources& sources,
                                                        const LegacyOptions& options,
                                                        const LegacyProgress& progress) {
  auto cache = std::make_unique<VembV2>();
  VDB_RETURN_IF_ERROR(cache->Open(sources, options, progress));
  return std::unique_ptr<const LegacyCache>(std::move(cache));
}

}  // namespace vdb::format
