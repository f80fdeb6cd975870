#include "engine/query_vector.h"

#include <cmath>

#include "format/document_record.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

// Under cosine a sum this short, as a share of the weights, is rounding: it has no direction.
constexpr double kNoDirection = 1e-7;

std::string Quoted(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

// A document's vector: its unit and norm. kNotFound names it.
StatusOr<StoredVector> VectorOfKey(const QueryScope& scope, const format::ColumnEntry& column,
                                   const std::string& key) {
  VDB_ASSIGN_OR_RETURN(auto document,
                       scope.database.Get(scope.view, scope.collection, key,
                                          {.metadata = false, .body = false, .vectors = true}));
  const std::string where = "collection '" + scope.collection.name + "': ";
  if (!document) {
    return Status::NotFound(where + "there is no document of key " + Quoted(key) +
                            " to be like");
  }
  for (DocumentVector& vector : document->vectors) {
    if (vector.column == column.name) return std::move(vector.stored);
  }
  return Status::NotFound(where + "the document of key " + Quoted(key) +
                          " has no vector in column '" + column.name + "' to be like");
}

Status CheckValues(const format::ColumnEntry& column, VectorView values,
                   const std::string& where) {
  if (values.size() != column.dimension) {
    return Status::InvalidArgument(where + "expected " + std::to_string(column.dimension) +
                                   " values, found " + std::to_string(values.size()));
  }
  bool zero = true;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return Status::InvalidArgument(where + "not finite at position " + std::to_string(i));
    }
    zero &= values[i] == 0;
  }
  if (zero && column.metric == Metric::kCosine) {
    return Status::InvalidArgument(where + "it is zero, and has no cosine to anything");
  }
  return Status::Ok();
}

double Norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

// Adds weight * vector, under cosine of length one.
void AddExample(const std::vector<double>& vector, double weight, bool unit,
                std::vector<double>* sum) {
  const double scale = unit ? weight / Norm(vector) : weight;
  for (size_t i = 0; i < vector.size(); ++i) (*sum)[i] += scale * vector[i];
}

}  // namespace

StatusOr<const format::ColumnEntry*> ColumnOf(const format::CollectionEntry& collection,
                                              std::string_view name) {
  for (const format::ColumnEntry& column : collection.columns) {
    if (name.empty() ? column.id == collection.default_column : column.name == name) {
      return &column;
    }
  }
  if (!name.empty()) {
    return Status::NotFound("collection '" + collection.name + "' has no column '" +
                            std::string(name) + "'; `vdbtool list` shows its columns");
  }
  return Status::FailedPrecondition("collection '" + collection.name +
                                    "' has no default column; name one, or set it");
}

StatusOr<ClauseQuery> ClauseQueryOf(const QueryScope& scope, size_t number) {
  const VectorClause& clause = scope.request.vectors[number];
  VDB_ASSIGN_OR_RETURN(const format::ColumnEntry* column,
                       ColumnOf(scope.collection, clause.column));
  const bool cosine = column->metric == Metric::kCosine;
  std::vector<double> sum(column->dimension);
  double magnitude = 0;
  for (const VectorExample& example : clause.examples) magnitude += std::abs(example.weight);
  ClauseQuery query;
  query.column = column->name;
  for (size_t i = 0; i < clause.examples.size(); ++i) {
    const VectorExample& example = clause.examples[i];
    const double weight = example.weight / magnitude;
    if (!example.like.empty()) {
      VDB_ASSIGN_OR_RETURN(const auto stored, VectorOfKey(scope, *column, example.like));
      std::vector<double> values(stored.unit.begin(), stored.unit.end());
      for (double& value : values) value *= cosine ? 1 : stored.norm;
      AddExample(values, weight, cosine, &sum);
      query.like.push_back(example.like);
      continue;
    }
    const std::string where = "vector clause " + std::to_string(number) + ", example " +
                              std::to_string(i) + ", column '" + column->name + "': ";
    VDB_RETURN_IF_ERROR(CheckValues(*column, example.values, where));
    AddExample({example.values.begin(), example.values.end()}, weight, cosine, &sum);
  }
  if (cosine && Norm(sum) < kNoDirection) {
    return Status::InvalidArgument("vector clause " + std::to_string(number) +
                                   ": its examples cancel out, and leave no direction");
  }
  query.values.assign(sum.begin(), sum.end());
  const VectorExample& only = clause.examples.front();
  if (clause.examples.size() == 1 && only.like.empty() && only.weight > 0) {
    query.values.assign(only.values.begin(), only.values.end());  // as Collection::Search has it
  }
  return query;
}

StatusOr<std::vector<float>> UnitVectorOf(const QueryScope& scope,
                                          const format::ColumnEntry& column,
                                          std::string_view key) {
  VDB_ASSIGN_OR_RETURN(auto document,
                       scope.database.Get(scope.view, scope.collection, key,
                                          {.metadata = false, .body = false, .vectors = true}));
  if (!document) return std::vector<float>();
  for (DocumentVector& vector : document->vectors) {
    if (vector.column == column.name) return std::move(vector.stored.unit);
  }
  return std::vector<float>();
}

}  // namespace vdb::engine
