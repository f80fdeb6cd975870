#include "engine/import_check.h"

#include <cmath>

#include "engine/prepared_batch.h"
#include "format/json_number.h"
#include "format/metadata.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

std::optional<std::string> FaultOfUnit(const NamedVector& vector, double squares) {
  const double length = std::sqrt(squares);
  if (vector.norm == 0 || (vector.norm > 0 && std::isfinite(vector.norm) &&
                           std::abs(length - 1) <= kUnitTolerance)) {
    return std::nullopt;
  }
  return "expected a unit vector and a finite norm above 0, found a vector of length " +
         std::to_string(length) + " and norm " + std::to_string(vector.norm);
}

std::optional<std::string> FaultOfVector(const NamedVector& vector, Metric metric) {
  double squares = 0;
  for (size_t j = 0; j < vector.values.size(); ++j) {
    const double value = vector.values[j];
    squares += value * value;
    if (std::isfinite(value)) continue;
    return std::string("expected finite values, found ") +
           (std::isnan(value) ? "NaN" : "infinity") + " at position " + std::to_string(j);
  }
  if (squares == 0 && metric == Metric::kCosine) {
    return "expected a direction, found a zero vector, which cosine cannot score; leave the vector "
           "out, or use metric dot or l2";
  }
  return FaultOfUnit(vector, squares);
}

std::optional<std::string> FaultOfVectors(const DocumentView& document, const ImportColumn& wanted,
                                          const ImportColumns& columns) {
  for (size_t i = 0; i < document.vectors.size(); ++i) {
    const NamedVector& vector = document.vectors[i];
    const std::string where = "column '" + std::string(vector.column) + "': ";
    for (size_t j = 0; j < i; ++j) {
      if (document.vectors[j].column == vector.column) return where + "expected one, found two";
    }
    const size_t count = vector.values.size();
    if (count < 1 || count > kDimensionMax) {
      return where + "expected 1 to " + std::to_string(kDimensionMax) + " numbers, found " +
             std::to_string(count);
    }
    const auto known = columns.find(vector.column);
    if (known != columns.end() && known->second.dimension != count) {
      return where + "expected dimension " + std::to_string(known->second.dimension) + ", found " +
             std::to_string(count);
    }
    const Metric metric = known != columns.end() ? known->second.metric : wanted.metric;
    if (const auto fault = FaultOfVector(vector, metric)) return where + *fault;
  }
  return std::nullopt;
}

}  // namespace

DocumentView ViewOf(const WriteBatch& batch, const WriteBatch::Change& change) {
  DocumentView view;
  view.key = batch.text(change.key_offset, change.key_bytes);
  view.metadata = batch.text(change.metadata_offset, change.metadata_bytes);
  if (change.has_body) view.body = batch.text(change.body_offset, change.body_bytes);
  for (uint64_t i = 0; i < change.vector_count; ++i) {
    const WriteBatch::VectorRef& ref = batch.vectors()[change.first_vector + i];
    view.vectors.push_back({batch.text(ref.column_offset, ref.column_bytes),
                            {batch.floats().data() + ref.values_offset, ref.values_count},
                            ref.norm});
  }
  return view;
}

std::optional<std::string> FaultOf(const DocumentView& document, const ImportColumn& wanted,
                                   ImportColumns* columns) {
  if (document.key.empty() || document.key.size() > kKeyBytesMax) {
    return "expected a key of 1 to " + std::to_string(kKeyBytesMax) + " bytes, found " +
           std::to_string(document.key.size());
  }
  if (document.body && document.body->size() > kBodyBytesMax) {
    return "expected a body of at most " + std::to_string(kBodyBytesMax) + " bytes, found " +
           std::to_string(document.body->size());
  }
  const auto metadata = format::MetadataFromJson(document.metadata);
  if (!metadata.ok()) return metadata.status().message();
  if (auto fault = FaultOfVectors(document, wanted, *columns)) return fault;
  for (const NamedVector& vector : document.vectors) {
    if (columns->find(vector.column) != columns->end()) continue;
    ImportColumn column = wanted;
    column.dimension = static_cast<uint32_t>(vector.values.size());
    columns->emplace(vector.column, column);
  }
  return std::nullopt;
}

std::string QuarantineText(const DocumentView& document) {
  std::string text = "{\"id\": ";
  AppendJsonString(&text, document.key);
  if (!document.metadata.empty()) {
    text += ", \"metadata\": ";
    AppendJsonString(&text, document.metadata);  // a string: it may be what is wrong
  }
  if (document.body) {
    text += ", \"body\": ";
    AppendJsonString(&text, *document.body);
  }
  text += ", \"vectors\": {";
  for (size_t i = 0; i < document.vectors.size(); ++i) {
    const NamedVector& vector = document.vectors[i];
    if (i > 0) text += ", ";
    AppendJsonString(&text, vector.column);
    text += vector.norm != 0 ? ": {\"unit\": [" : ": [";
    for (size_t j = 0; j < vector.values.size(); ++j) {
      if (j > 0) text += ", ";
      if (std::isfinite(vector.values[j])) {
        AppendJsonFloat(&text, vector.values[j]);
      } else {
        format::AppendJsonAnyDouble(&text, vector.values[j]);
      }
    }
    text += "]";
    if (vector.norm == 0) continue;
    text += ", \"norm\": ";
    format::AppendJsonAnyDouble(&text, vector.norm);
    text += "}";
  }
  return text + "}}";
}

}  // namespace vdb::engine
