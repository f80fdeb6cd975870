// Any JSON file opened by name: sketched, its shape told, outlined. Vectors that stand in a matrix
// and metadata that stand beside the entries come in here.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "format/base64.h"
#include "format/checksum.h"
#include "format/legacy_columns.h"
#include "format/legacy_json.h"
#include "format/legacy_json_detect.h"
#include "format/npy_matrix.h"
#include "format/status_macros.h"
#include "format/vemb_v1.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

constexpr size_t kBesideBytesMax = 16u << 20;

class ShapedCache : public JsonCache {
 public:
  ShapedCache(std::string name, std::shared_ptr<const ByteSource> source)
      : JsonCache(std::move(name), std::move(source)) {}

  Status Open(const LegacySources& sources, const LegacyOptions& options,
              const LegacyProgress& progress);
  bool is_vemb_v1() const { return vemb_v1_; }

 protected:
  Status AddVectors(uint64_t index, JsonRecord* record, LegacyEntry* entry) const override;
  Status Finish(uint64_t index, JsonRecord* record, LegacyEntry* entry) const override;

 private:
  StatusOr<bool> Detect(const LegacySources& sources, const LegacyOptions& options,
                        const LegacyProgress& progress);
  Status OpenMatrix(const LegacySources& sources);
  void OpenBase64Matrix();
  void SortCompanions();
  void TakeIds();
  void CompareHeaders();
  StatusOr<uint64_t> RowOf(uint64_t index) const;
  Status ReadRow(uint64_t row, std::vector<double>* values) const;
  StatusOr<std::string> Beside(const JsonBeside& beside) const;

  bool vemb_v1_ = false;
  NpyMatrix npy_;
  uint64_t matrix_rows_ = 0;  // complete ones; of either matrix
  uint64_t matrix_dimension_ = 0;
};

StatusOr<bool> ShapedCache::Detect(const LegacySources& sources, const LegacyOptions& options,
                                   const LegacyProgress& progress) {
  std::string first(static_cast<size_t>(std::min<uint64_t>(64, source_->size())), '\0');
  VDB_RETURN_IF_ERROR(source_->ReadAt(0, {first.data(), first.size()}));
  const std::string foreign = DescribeForeignFile(first, source_->size());
  if (!foreign.empty()) {
    Refuse(LegacyReason::kNotJson, foreign);
    return false;
  }
  VDB_ASSIGN_OR_RETURN(const JsonSketch sketch, SketchJson(*source_, progress));
  JsonDetection detection = DetectJson(sketch, options, sources.json_matrix != nullptr);
  vemb_v1_ = detection.vemb_v1;
  if (vemb_v1_) return false;
  if (!detection.refusal.empty()) {
    if (sketch.roots == 0 || !sketch.error.ok()) {
      Refuse(LegacyReason::kNotJson, sketch.error.ok() ? "expected JSON, found nothing"
                                                       : "torn or no JSON: " +
                                                             sketch.error.message());
    } else {
      Refuse(LegacyReason::kWrongShape, detection.refusal);
    }
    return false;
  }
  shape_ = std::move(detection.shape);
  format_ = shape_.format;
  taken_ = std::move(detection.taken);
  return true;
}

Status ShapedCache::Open(const LegacySources& sources, const LegacyOptions& options,
                         const LegacyProgress& progress) {
  VDB_ASSIGN_OR_RETURN(const bool told, Detect(sources, options, progress));
  if (!told) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const bool taken, Outline(options, progress, {}));
  if (!taken) {
    outline_ = {};
    return Status::Ok();
  }
  TakeIds();
  SortCompanions();
  VDB_RETURN_IF_ERROR(Settle());
  VDB_RETURN_IF_ERROR(OpenMatrix(sources));
  if (refused_ == LegacyReason::kNone && columns_.empty()) {
    Refuse(LegacyReason::kWrongShape, "expected vectors, found none");
  }
  if (refused_ != LegacyReason::kNone) {
    entry_count_ = 0;
    outline_ = {};
    return Status::Ok();
  }
  CompareHeaders();
  return Status::Ok();
}

// Keys that stand in an array beside the vectors.
void ShapedCache::TakeIds() {
  for (size_t i = 0; i < shape_.companions.size(); ++i) {
    if (!shape_.companions[i].name.empty()) continue;
    const std::vector<JsonBeside>& ids = outline_.companions[i];
    if (ids.size() != outline_.places.size()) {
      warnings_.push_back("there are " + std::to_string(outline_.places.size()) + " vectors and " +
                          std::to_string(ids.size()) + " ids: rows are numbered instead");
      return;
    }
    for (size_t row = 0; row < ids.size(); ++row) {
      if (ids[row].bytes > JsonOutline::kKeyTextMax) continue;
      const auto text = Beside(ids[row]);
      std::string key;
      if (!text.ok() || text->empty() || !DecodeJsonKey(*text, &key)) continue;
      if (*text == "null") continue;
      outline_.places[row].key_offset = ids[row].offset;
      outline_.places[row].key_bytes = static_cast<uint32_t>(ids[row].bytes);
      outline_.places[row].key_hash = Hash64(key);
    }
  }
}

void ShapedCache::SortCompanions() {
  for (size_t i = 0; i < shape_.companions.size(); ++i) {
    if (shape_.has_map_keys()) {
      std::stable_sort(outline_.companions[i].begin(), outline_.companions[i].end(),
                       [](const auto& a, const auto& b) { return a.key_hash < b.key_hash; });
    } else if (outline_.companions[i].size() != outline_.places.size()) {
      outline_.companions[i].clear();  // belongs to something else
    }
  }
}

// The text of a value beside the entries.
StatusOr<std::string> ShapedCache::Beside(const JsonBeside& beside) const {
  if (beside.bytes > kBesideBytesMax) return std::string();
  std::string text(beside.bytes, '\0');
  VDB_RETURN_IF_ERROR(source_->ReadAt(beside.offset, {text.data(), text.size()}));
  return text;
}

Status ShapedCache::OpenMatrix(const LegacySources& sources) {
  if (!shape_.matrix.empty()) {
    OpenBase64Matrix();
  } else if (shape_.row_numbers) {
    LegacyReason reason = LegacyReason::kNone;
    std::string why;
    VDB_RETURN_IF_ERROR(npy_.Open(sources.json_matrix, &reason, &why));
    if (reason != LegacyReason::kNone) {
      Refuse(reason, "the .npy file beside it: " + why);
      return Status::Ok();
    }
    matrix_rows_ = npy_.complete_rows();
    matrix_dimension_ = npy_.dimension();
  } else {
    return Status::Ok();
  }
  if (refused_ != LegacyReason::kNone || matrix_rows_ == 0) return Status::Ok();
  if (matrix_dimension_ > kDimensionMax) {
    Refuse(LegacyReason::kTooLarge, "expected rows of at most " + std::to_string(kDimensionMax) +
                                        " numbers, found " + std::to_string(matrix_dimension_));
    return Status::Ok();
  }
  const std::string model = outline_.Header("model");
  columns_.clear();
  columns_.push_back({LegacyColumnName(model.empty() ? "vector" : model,
                                       static_cast<uint32_t>(matrix_dimension_), {}),
                      model, static_cast<uint32_t>(matrix_dimension_)});
  vector_bytes_ = std::min(entry_count_, matrix_rows_) * matrix_dimension_ * sizeof(float);
  return Status::Ok();
}

void ShapedCache::OpenBase64Matrix() {
  const uint64_t text_bytes = outline_.matrix.bytes < 2 ? 0 : outline_.matrix.bytes - 2;
  if (text_bytes == 0 || outline_.matrix_escaped) {
    return Refuse(LegacyReason::kWrongShape,
                  "expected a matrix in base64 without backslashes, found another");
  }
  const uint64_t floats = Base64Bytes(text_bytes) / sizeof(float);
  uint64_t rows = 0;  // records, with those that were replaced
  for (const JsonPlace& place : outline_.places) rows = std::max(rows, place.row + 1);
  uint64_t dimension = 0;
  const std::string declared = outline_.Header("embedding_dim");
  std::from_chars(declared.data(), declared.data() + declared.size(), dimension);
  // What is declared counts only if the matrix has such rows.
  if ((dimension == 0 || floats % dimension != 0) && rows > 0 && floats % rows == 0) {
    if (dimension != 0) {
      warnings_.push_back("embedding_dim says " + declared + ", but the matrix has " +
                          std::to_string(floats / rows) + " numbers a record");
    }
    dimension = floats / rows;
  }
  if (dimension == 0 || dimension > floats) {
    return Refuse(LegacyReason::kWrongShape,
                  "expected a matrix of " + std::to_string(rows) + " rows, found " +
                      std::to_string(floats) + " numbers");
  }
  matrix_dimension_ = dimension;
  matrix_rows_ = floats / dimension;
  if (matrix_rows_ != rows) {
    warnings_.push_back("there are " + std::to_string(rows) + " records and " +
                        std::to_string(matrix_rows_) + " rows of the matrix");
  }
}

void ShapedCache::CompareHeaders() {
  for (const char* name : {"dim", "dims", "dimension", "dimensions", "embedding_dim",
                           "vector_dim", "vector_size"}) {
    const std::string declared = outline_.Header(name);
    uint64_t value = 0;
    const auto done = std::from_chars(declared.data(), declared.data() + declared.size(), value);
    if (done.ec != std::errc() || value == 0 || columns_.size() != 1 ||
        value == columns_[0].dimension || !shape_.matrix.empty()) {
      continue;
    }
    warnings_.push_back(std::string(name) + " says " + declared + ", but most vectors have " +
                        std::to_string(columns_[0].dimension) + " numbers");
  }
  if (outline_.without_key > 0 && outline_.without_key < outline_.places.size()) {
    warnings_.push_back(std::to_string(outline_.without_key) +
                        " entries lack the key field: their row number became the key");
  }
  if (outline_.too_many_columns > 0) {
    warnings_.push_back("there are vectors of more than " +
                        std::to_string(JsonOutline::kColumnsMax) + " names");
  }
}

StatusOr<uint64_t> ShapedCache::RowOf(uint64_t index) const {
  const JsonPlace& place = outline_.places[index];
  if (!shape_.row_numbers) return place.row;
  std::string text(std::min<uint32_t>(place.bytes, 32), '\0');
  VDB_RETURN_IF_ERROR(source_->ReadAt(place.offset, {text.data(), text.size()}));
  uint64_t row = 0;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), row);
  const bool integer = done.ec == std::errc() && done.ptr == text.data() + text.size();
  return integer ? row : ~uint64_t{0};
}

Status ShapedCache::ReadRow(uint64_t row, std::vector<double>* values) const {
  if (shape_.row_numbers) return npy_.ReadRows(row, 1, values);
  const uint64_t from = row * matrix_dimension_ * sizeof(float);
  const uint64_t bytes = matrix_dimension_ * sizeof(float);
  const uint64_t text_end = outline_.matrix.bytes - 2;
  const uint64_t text_from = from / 3 * 4;
  const uint64_t text_to = std::min((from + bytes + 2) / 3 * 4, text_end);
  std::string text(text_to - text_from, '\0'), decoded;
  VDB_RETURN_IF_ERROR(
      source_->ReadAt(outline_.matrix.offset + 1 + text_from, {text.data(), text.size()}));
  if (!DecodeBase64(text, &decoded) || decoded.size() < from % 3 + bytes) {
    return Status::Corruption(name_ + ": the matrix is no base64 between byte " +
                              std::to_string(outline_.matrix.offset + 1 + text_from) + " and " +
                              std::to_string(outline_.matrix.offset + 1 + text_to));
  }
  values->resize(matrix_dimension_);
  for (size_t i = 0; i < values->size(); ++i) {
    float value = 0;
    std::memcpy(&value, decoded.data() + from % 3 + i * sizeof(float), sizeof(float));
    (*values)[i] = static_cast<double>(value);
  }
  return Status::Ok();
}

Status ShapedCache::AddVectors(uint64_t index, JsonRecord* /*record*/, LegacyEntry* entry) const {
  if (matrix_dimension_ == 0) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const uint64_t row, RowOf(index));
  if (row >= matrix_rows_) {
    Accept(entry, LegacyReason::kRowOutOfRange,
           "expected a row below " + std::to_string(matrix_rows_) + ", found " +
               (row == ~uint64_t{0} ? "another number" : std::to_string(row)));
    return Status::Ok();
  }
  std::vector<double> values;
  VDB_RETURN_IF_ERROR(ReadRow(row, &values));
  const auto bad = std::find_if(values.begin(), values.end(),
                                [](double v) { return !std::isfinite(v); });
  if (bad != values.end()) {
    Accept(entry, LegacyReason::kNonFinite,
           "expected finite numbers, found another as number " +
               std::to_string(bad - values.begin()) + " of row " + std::to_string(row));
    return Status::Ok();
  }
  TakeVector(0, &values, entry);
  return Status::Ok();
}

Status ShapedCache::Finish(uint64_t index, JsonRecord* record, LegacyEntry* entry) const {
  VDB_RETURN_IF_ERROR(JsonCache::Finish(index, record, entry));
  if (shape_.companions.empty()) return Status::Ok();
  const JsonPlace& place = outline_.places[index];
  entry->metadata.pop_back();  // '}'
  for (size_t i = 0; i < shape_.companions.size(); ++i) {
    const std::string& name = shape_.companions[i].name;
    const std::vector<JsonBeside>& list = outline_.companions[i];
    const JsonBeside* beside = nullptr;
    if (shape_.has_map_keys()) {
      auto at = std::lower_bound(list.begin(), list.end(), place.key_hash,
                                 [](const auto& b, uint64_t hash) { return b.key_hash < hash; });
      for (; at != list.end() && at->key_hash == place.key_hash; ++at) beside = &*at;
    } else if (place.row < list.size()) {
      beside = &list[place.row];
    }
    if (beside == nullptr || name.empty()) continue;
    VDB_ASSIGN_OR_RETURN(const std::string text, Beside(*beside));
    if (text.empty() || text == "null") continue;
    if (!entry->metadata.ends_with('{')) entry->metadata += ',';
    AppendJsonString(&entry->metadata, name);
    entry->metadata += ':';
    AppendJsonNulled(text, &entry->metadata);
  }
  entry->metadata += '}';
  return Status::Ok();
}

}  // namespace

StatusOr<std::unique_ptr<const LegacyCache>> OpenJson(const LegacySources& sources,
                                                      const LegacyOptions& options,
                                                      const LegacyProgress& progress) {
  auto cache = std::make_unique<ShapedCache>(sources.name, sources.json);
  VDB_RETURN_IF_ERROR(cache->Open(sources, options, progress));
  if (cache->is_vemb_v1()) return OpenVembV1(sources.name, sources.json, options, progress);
  return std::unique_ptr<const LegacyCache>(std::move(cache));
}

}  // namespace vdb::format
