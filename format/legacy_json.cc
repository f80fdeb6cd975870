#include "format/legacy_json.h"

#include <algorithm>
#include <unordered_set>

#include "format/checksum.h"
#include "format/legacy_columns.h"
#include "format/metadata.h"
#include "format/status_macros.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

constexpr uint64_t kBlockBytes = 512 * 1024;  // of entries read at once
constexpr uint64_t kNothingParsed = ~uint64_t{0};

}  // namespace

void JsonCache::Refuse(LegacyReason reason, std::string why) {
  refused_ = reason;
  refusal_ = name_ + ": " + std::move(why);
}

bool JsonCache::Accept(LegacyEntry* entry, LegacyReason reason, std::string detail) {
  if (reason == LegacyReason::kNone) return true;
  entry->reason = reason;
  entry->detail = std::move(detail);
  return false;
}

StatusOr<bool> JsonCache::Outline(const LegacyOptions& options, const LegacyProgress& progress,
                                  const JsonFileListener& on_file) {
  JsonOutlineEnd end;
  VDB_ASSIGN_OR_RETURN(outline_, OutlineJson(*source_, shape_, progress, on_file, &end));
  if (end.reason == LegacyReason::kTooLarge) {
    Refuse(end.reason, "at byte " + std::to_string(end.offset) + ": " + end.detail);
    return false;
  }
  if (outline_.roots == 0) {
    Refuse(LegacyReason::kNotJson, "expected JSON, found nothing" +
                                       (end.detail.empty() ? "" : ": at byte " +
                                        std::to_string(end.offset) + ": " + end.detail));
    return false;
  }
  if (end.reason == LegacyReason::kNone) return true;
  const std::string where =
      "torn or no JSON: at byte " + std::to_string(end.offset) + ": " + end.detail;
  if (!options.salvage) {
    Refuse(end.reason, where + "; " + std::to_string(outline_.places.size()) +
                           " complete entries stand before it: --salvage takes them");
    return false;
  }
  if (outline_.places.empty()) {
    Refuse(end.reason, where + "; no complete entry stands before it");
    return false;
  }
  torn_ = true;
  warnings_.push_back(where + "; the complete entries before it were taken");
  return true;
}

Status JsonCache::Settle() {
  if (!shape_.row_numbers || !outline_.places.empty()) {
    VDB_ASSIGN_OR_RETURN(JsonDuplicates duplicates, DropReplaced(*source_, &outline_.places));
    replaced_count_ = duplicates.replaced;
    deleted_count_ = duplicates.deleted;
    renamed_ = std::move(duplicates.renamed);
  }
  entry_count_ = outline_.places.size();
  if (!renamed_.empty()) {
    warnings_.push_back(std::to_string(renamed_.size()) +
                        " keys are a number where another entry has the same text as a string: "
                        "\"#number\" was appended to one of the two");
  }
  NameColumns();
  return SeparateMadeKeys();
}

Status JsonCache::SeparateMadeKeys() {
  const auto is_made = [this](uint64_t i) {
    return outline_.places[i].key_bytes == 0 || outline_.places[i].part != JsonPlace::kWhole ||
           std::binary_search(renamed_.begin(), renamed_.end(), i);
  };
  // Row numbers alone are unlike each other.
  std::unordered_set<uint64_t> taken;
  bool any_made = !renamed_.empty(), any_own = false;
  for (const JsonPlace& place : outline_.places) {
    any_own = any_own || place.key_bytes != 0;
    any_made = any_made || place.key_bytes == 0 || place.part != JsonPlace::kWhole;
  }
  if (!any_made || !any_own) return Status::Ok();
  for (uint64_t i = 0; i < outline_.places.size(); ++i) {
    if (!is_made(i)) taken.insert(outline_.places[i].key_hash);
  }
  for (uint64_t i = 0; i < outline_.places.size(); ++i) {
    if (!is_made(i)) continue;
    VDB_ASSIGN_OR_RETURN(const std::string key, ReadKey(i));
    if (taken.insert(Hash64(key)).second) continue;
    std::string suffix;
    for (uint64_t n = 2; suffix.empty() || !taken.insert(Hash64(key + suffix)).second; ++n) {
      suffix = "#" + std::to_string(n);
    }
    suffixes_[i] = suffix;
  }
  return Status::Ok();
}

void JsonCache::NameColumns() {
  std::string model;
  for (const char* name : {"model", "model_name", "modelName", "embedding_model", "embeddingModel",
                           "embed_model", "generator_name"}) {
    if (model.empty()) model = outline_.Header(name);
  }
  model.resize(std::min(model.size(), kModelBytesMax));
  size_t unlabelled = 0;
  for (const JsonColumnVote& vote : outline_.columns) unlabelled += vote.label.empty();
  for (const JsonColumnVote& vote : outline_.columns) {
    const uint64_t dimension = vote.Winner();
    LegacyColumn column;
    column.dimension = static_cast<uint32_t>(std::min<uint64_t>(dimension, ~uint32_t{0}));
    std::string wanted = vote.label;
    column.model = model;
    if (wanted.empty()) {
      const JsonPath& path = shape_.fields[vote.field].path;
      wanted = unlabelled == 1 ? model : path.empty() ? "" : path[0].name;
    } else if (model.empty()) {
      column.model = wanted.substr(0, kModelBytesMax);
    }
    column.name = LegacyColumnName(wanted.empty() ? "vector" : wanted, column.dimension, columns_);
    for (const auto& [length, count] : vote.lengths) {
      if (length == dimension) vector_bytes_ += length * count * sizeof(float);
    }
    columns_.push_back(std::move(column));
  }
}

int JsonCache::ColumnOf(uint32_t field, std::string_view label) const {
  for (size_t i = 0; i < outline_.columns.size(); ++i) {
    if (outline_.columns[i].field == field && outline_.columns[i].label == label) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

// The entry at `index`, and those after it as long as they follow closely.
Status JsonCache::Load(uint64_t index, uint64_t end, Block* block) const {
  const auto begin_of = [](const JsonPlace& place) {
    const bool key_before = place.key_bytes != 0 && place.key_bytes != JsonPlace::kTooLong &&
                            place.key_offset < place.offset &&
                            place.offset - place.key_offset < kBlockBytes;
    return key_before ? place.key_offset : place.offset;
  };
  const auto end_of = [](const JsonPlace& place) {
    return place.offset + (place.bytes == JsonPlace::kTooLong ? 0 : place.bytes);
  };
  const JsonPlace& first = outline_.places[index];
  const uint64_t from = begin_of(first);
  if (block->Has(from, end_of(first) - from)) return Status::Ok();
  uint64_t to = end_of(first);
  for (uint64_t i = index + 1; i < end; ++i) {
    const JsonPlace& place = outline_.places[i];
    if (begin_of(place) < from || end_of(place) < to || end_of(place) - from > kBlockBytes) break;
    to = end_of(place);
  }
  block->offset = from;
  block->bytes.resize(to - from);
  return source_->ReadAt(from, {block->bytes.data(), block->bytes.size()});
}

StatusOr<std::string> JsonCache::ReadKey(uint64_t index) const {
  LegacyEntry entry;
  VDB_RETURN_IF_ERROR(ConvertKey(index, {}, &entry));
  return std::move(entry.key);
}

Status JsonCache::ConvertKey(uint64_t index, const Block& block, LegacyEntry* entry) const {
  const JsonPlace& place = outline_.places[index];
  if (place.key_bytes == 0) {
    // A file that is one entry is known by its name.
    const bool alone = shape_.entries.empty() && outline_.roots == 1 && !name_.empty();
    entry->key = alone ? name_.substr(name_.rfind('/') + 1) : std::to_string(place.row);
  } else if (place.key_bytes == JsonPlace::kTooLong) {
    entry->key.clear();
    Accept(entry, LegacyReason::kTooLarge, "expected a key of at most " +
           std::to_string(kKeyBytesMax) + " bytes, found a longer one at byte " +
           std::to_string(place.key_offset));
    return Status::Ok();
  } else {
    std::string bytes;
    std::string_view text;
    if (block.Has(place.key_offset, place.key_bytes)) {
      text = block.View(place.key_offset, place.key_bytes);
    } else {
      bytes.resize(place.key_bytes);
      VDB_RETURN_IF_ERROR(source_->ReadAt(place.key_offset, {bytes.data(), bytes.size()}));
      text = bytes;
    }
    if (!DecodeJsonKey(text, &entry->key)) {
      entry->key = text;
      Accept(entry, LegacyReason::kNotJson,
             "expected a JSON string as the key at byte " + std::to_string(place.key_offset));
      return Status::Ok();
    }
  }
  if (std::binary_search(renamed_.begin(), renamed_.end(), index)) {
    entry->key += "#number";
    entry->flags.push_back("key_renamed");
  }
  if (place.part != JsonPlace::kWhole) entry->key += "#" + std::to_string(place.part);
  if (const auto suffix = suffixes_.find(index); suffix != suffixes_.end()) {
    entry->key += suffix->second;
    entry->flags.push_back("key_renamed");
  }
  if (entry->key.empty() || entry->key.size() > kKeyBytesMax) {
    Accept(entry, entry->key.empty() ? LegacyReason::kWrongShape : LegacyReason::kTooLarge,
           "expected a key of 1 to " + std::to_string(kKeyBytesMax) + " bytes, found " +
               std::to_string(entry->key.size()) + " at byte " + std::to_string(place.key_offset));
  }
  return Status::Ok();
}

void JsonCache::TakeVector(uint32_t column, std::vector<double>* values,
                           LegacyEntry* entry) const {
  // Of a member that stands there twice the last one counts.
  std::erase_if(entry->vectors,
                [column](const LegacyVector& taken) { return taken.column == column; });
  const uint32_t dimension = columns_[column].dimension;
  if (values->size() != dimension) {
    Accept(entry, LegacyReason::kWrongLength,
           "expected " + std::to_string(dimension) + " numbers, found " +
               std::to_string(values->size()));
    return;
  }
  if (std::all_of(values->begin(), values->end(), [](double v) { return v == 0; })) {
    Accept(entry, LegacyReason::kZeroNorm, "the vector is zero: it has no direction");
    return;
  }
  entry->vectors.push_back({column, {}});
  entry->vectors.back().values.swap(*values);
}

// No vector of that column was of a length that a column can have, or there are too many columns.
void JsonCache::RefuseWithoutColumn(size_t count, LegacyEntry* entry) const {
  const bool length = count < 1 || count > kDimensionMax;
  Accept(entry, count == 0 ? LegacyReason::kWrongLength : LegacyReason::kTooLarge,
         length ? "expected 1 to " + std::to_string(kDimensionMax) + " numbers, found " +
                      std::to_string(count)
                : "expected at most " + std::to_string(JsonOutline::kColumnsMax) +
                      " names of models or vectors, found more");
}

void JsonCache::TakeVectors(const JsonPlace& place, JsonRecord* record, LegacyEntry* entry) const {
  std::pair<size_t, size_t> range{0, record->vector_count()};
  if (place.part != JsonPlace::kWhole) {
    // Fewer than the first pass saw: the source changed.
    if (place.part >= record->part_count()) {
      Accept(entry, LegacyReason::kWrongShape, "expected more vectors in this entry");
      return;
    }
    range = record->part(place.part);
  }
  for (size_t i = range.first; i < range.second; ++i) {
    JsonRecordVector& vector = record->vector(i);
    if (vector.null && !needs_vector()) continue;
    const std::string_view label = vector.label.empty() ? record->model() : vector.label;
    if (vector.reason != LegacyReason::kNone) {
      Accept(entry, vector.reason, vector.detail);
      return;
    }
    const int column = ColumnOf(vector.field, label);
    if (column < 0) {
      RefuseWithoutColumn(vector.values.size(), entry);
      return;
    }
    TakeVector(static_cast<uint32_t>(column), &vector.values, entry);
    if (!entry->migrates()) return;
  }
}

std::string JsonCache::EntryKind(const JsonRecord& record) const {
  switch (record.kind()) {
    case JsonEvent::kBeginObject: return "an object";
    case JsonEvent::kBeginArray: return "an array";
    case JsonEvent::kString: return "a string";
    case JsonEvent::kNull: return "null";
    case JsonEvent::kTrue:
    case JsonEvent::kFalse: return "true or false";
    default: return "a number";
  }
}

Status JsonCache::Convert(uint64_t index, const Block& block, uint64_t* parsed, JsonRecord* record,
                          LegacyEntry* entry) const {
  const JsonPlace& place = outline_.places[index];
  entry->source_offset = place.offset;
  entry->vectors.clear();
  entry->flags.clear();
  entry->metadata.clear();
  entry->detail.clear();
  entry->reason = LegacyReason::kNone;
  VDB_RETURN_IF_ERROR(ConvertKey(index, block, entry));
  if (!entry->migrates()) return Status::Ok();
  if (place.bytes == JsonPlace::kTooLong) {
    Accept(entry, LegacyReason::kTooLarge,
           "expected an entry of at most " + std::to_string(JsonOutline::kEntryBytesMax) +
               " bytes");
    return Status::Ok();
  }
  if (*parsed != place.offset) {  // else it is the next of several vectors of one entry
    record->Parse(block.View(place.offset, place.bytes), place.offset);
    *parsed = place.offset;
  }
  if (!record->error().empty()) {
    Accept(entry, LegacyReason::kNotJson, record->error());
    return Status::Ok();
  }
  const bool is_vector = !shape_.fields.empty() && shape_.fields[0].path.empty() &&
                         shape_.fields[0].role == JsonRole::kVector;
  const JsonEvent expected = is_vector            ? JsonEvent::kBeginArray
                             : shape_.row_numbers ? JsonEvent::kNumber
                                                  : JsonEvent::kBeginObject;
  if (record->kind() != expected) {
    const bool shape = record->kind() == JsonEvent::kNull ||
                       record->kind() == JsonEvent::kBeginArray ||
                       record->kind() == JsonEvent::kBeginObject;
    Accept(entry, shape ? LegacyReason::kWrongShape : LegacyReason::kWrongType,
           std::string("expected ") +
               (is_vector            ? "an array"
                : shape_.row_numbers ? "a number"
                                     : "an object") + ", found " +
               EntryKind(*record));
    return Status::Ok();
  }
  TakeVectors(place, record, entry);
  if (!entry->migrates()) return Status::Ok();
  VDB_RETURN_IF_ERROR(AddVectors(index, record, entry));
  if (!entry->migrates()) return Status::Ok();
  if (needs_vector() && record->vector_count() == 0) {
    Accept(entry, LegacyReason::kWrongShape, "expected '" +
           JsonPathText(shape_.fields[0].path) + "' with the vector, found none");
    return Status::Ok();
  }
  VDB_RETURN_IF_ERROR(Finish(index, record, entry));
  if (record->has_nulled()) entry->flags.push_back("nan_in_metadata");
  if (record->members().empty() && shape_.companions.empty()) return Status::Ok();
  if (entry->metadata.size() > kMetadataBytesMax) {
    Accept(entry, LegacyReason::kTooLarge, "expected metadata of at most " +
           std::to_string(kMetadataBytesMax) + " bytes, found " +
           std::to_string(entry->metadata.size()));
  } else if (const auto checked = MetadataFromJson(entry->metadata); !checked.ok()) {
    Accept(entry, LegacyReason::kNotJson, "metadata: " + checked.status().message());
  }
  return Status::Ok();
}

Status JsonCache::Finish(uint64_t /*index*/, JsonRecord* record, LegacyEntry* entry) const {
  entry->metadata = "{" + record->members() + "}";
  if (entry->vectors.empty() && entry->reason == LegacyReason::kNone) {
    entry->flags.push_back("no_vector");
  }
  return Status::Ok();
}

Status JsonCache::ReadEntries(uint64_t first, uint64_t count,
                              const std::function<Status(LegacyEntry&)>& take) const {
  if (first > entry_count_ || count > entry_count_ - first) {
    return Status::InvalidArgument("entries " + std::to_string(first) + " to " +
                                   std::to_string(first + count) + " of " +
                                   std::to_string(entry_count_));
  }
  JsonRecord record(shape_, ReservedMembers());
  LegacyEntry entry;
  Block block;
  uint64_t parsed = kNothingParsed;
  for (uint64_t i = first; i < first + count; ++i) {
    VDB_RETURN_IF_ERROR(Load(i, first + count, &block));
    VDB_RETURN_IF_ERROR(Convert(i, block, &parsed, &record, &entry));
    VDB_RETURN_IF_ERROR(take(entry));
  }
  return Status::Ok();
}

}  // namespace vdb::format
