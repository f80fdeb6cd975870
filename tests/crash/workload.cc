// See workload.h.
#include "tests/crash/workload.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <utility>

#include "format/status_macros.h"

namespace vdb::testing {
namespace {

constexpr char kProgressKey[] = "progress";
constexpr double kTolerance = 2e-5;  // of a score or a value against double

using Random = std::mt19937_64;

size_t Below(Random* random, size_t bound) { return (*random)() % bound; }

std::vector<float> RandomVector(Random* random, size_t dimension) {
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> vector(dimension);
  for (float& value : vector) value = values(*random);
  vector[0] += vector[0] < 0 ? -1.0f : 1.0f;  // never near zero
  return vector;
}

size_t DimensionOf(const std::string& column) { return column == kCosineColumn ? 4 : 3; }

std::string Number(uint64_t n) { return R"({"n":)" + std::to_string(n) + "}"; }

Change RandomChange(Random* random, const WorkloadOptions& options, const Model& model) {
  Change change;
  change.key = "k" + std::to_string(Below(random, options.key_count));
  const uint64_t number = (*random)() >> 32;
  const size_t kind = Below(random, 10);
  if (kind < 5 || !model.contains(change.key)) {
    change.document = MakeDocument(number, Below(random, options.body_bytes_max));
    // Some documents lack a vector, so that a later step can fill the column.
    if (kind % 3 == 1) change.document.vectors.erase(kL2Column);
    if (kind == 3) change.document.vectors.clear();
    if (kind == 2) change.document.body.reset();
  } else if (kind < 7) {
    change.kind = Change::Kind::kDelete;
  } else if (kind < 9) {
    change.kind = Change::Kind::kSetVector;
    const std::string column = kind == 7 ? kCosineColumn : kL2Column;
    change.document.vectors[column] = RandomVector(random, DimensionOf(column));
  } else {
    change.kind = Change::Kind::kSetMetadata;
    change.document.metadata = Number(number);
  }
  return change;
}

Status Wrong(const std::string& what) { return Status::Corruption("WRONG: " + what); }

std::string WithoutBlanks(std::string text) {
  std::erase(text, ' ');
  return text;
}

bool Near(double found, double expected) {
  return std::abs(found - expected) <= kTolerance * std::max(1.0, std::abs(expected));
}

Status CheckDocument(const Document& found, const ModelDocument& expected) {
  const std::string where = "document '" + found.key + "': ";
  if (WithoutBlanks(found.metadata) != expected.metadata) {
    return Wrong(where + "metadata " + found.metadata + ", expected " + expected.metadata);
  }
  if (found.body != expected.body) return Wrong(where + "its body differs");
  if (found.vectors.size() != expected.vectors.size()) {
    return Wrong(where + std::to_string(found.vectors.size()) + " vectors, expected " +
                 std::to_string(expected.vectors.size()));
  }
  for (const DocumentVector& vector : found.vectors) {
    const auto wanted = expected.vectors.find(vector.column);
    if (wanted == expected.vectors.end() || wanted->second.size() != vector.values.size()) {
      return Wrong(where + "its vector in column '" + vector.column + "' is not expected");
    }
    for (size_t i = 0; i < vector.values.size(); ++i) {
      if (!Near(vector.values[i], wanted->second[i])) {
        return Wrong(where + "its vector in column '" + vector.column + "' differs");
      }
    }
  }
  return Status::Ok();
}

Status CheckDocuments(const Collection& collection, const Model& model) {
  VDB_ASSIGN_OR_RETURN(auto it, collection.NewIterator());
  auto expected = model.begin();
  for (it.SeekToFirst(); it.Valid(); it.Next(), ++expected) {
    if (expected == model.end() || expected->first != it.key()) {
      return Wrong("the iterator is at '" + std::string(it.key()) + "', expected " +
                   (expected == model.end() ? "the end" : "'" + expected->first + "'"));
    }
    VDB_ASSIGN_OR_RETURN(const Document document, it.document());
    VDB_RETURN_IF_ERROR(CheckDocument(document, expected->second));
    VDB_ASSIGN_OR_RETURN(const Document read, collection.Get(expected->first));
    VDB_RETURN_IF_ERROR(CheckDocument(read, expected->second));
  }
  VDB_RETURN_IF_ERROR(it.status());
  if (expected != model.end()) return Wrong("the iterator ends before '" + expected->first + "'");
  VDB_ASSIGN_OR_RETURN(const uint64_t count, collection.Count());
  if (count != model.size()) {
    return Wrong("Count is " + std::to_string(count) + ", expected " +
                 std::to_string(model.size()));
  }
  return Status::Ok();
}

double Score(const std::vector<float>& a, const std::vector<float>& b, bool cosine) {
  double dot = 0, aa = 0, bb = 0, distance = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    distance += (x - y) * (x - y);
  }
  return cosine ? dot / std::sqrt(aa * bb) : -distance;
}

// One query against every vector of the column in the model.
Status CheckAnswer(const Collection& collection, const Model& model, const std::string& column,
                   const std::vector<float>& query, size_t k) {
  std::map<std::string, double> scores;
  for (const auto& [key, document] : model) {
    const auto found = document.vectors.find(column);
    if (found == document.vectors.end()) continue;
    scores[key] = Score(query, found->second, column == kCosineColumn);
  }
  std::vector<double> ordered;
  for (const auto& [key, score] : scores) ordered.push_back(score);
  std::sort(ordered.rbegin(), ordered.rend());
  VDB_ASSIGN_OR_RETURN(const SearchResult result,
                       collection.Search(VectorView(query), {.k = k, .column = column}));
  const auto& hits = result.answers.at(0).hits;
  const std::string where = "search in column '" + column + "': ";
  if (hits.size() != std::min(k, ordered.size())) {
    return Wrong(where + std::to_string(hits.size()) + " hits, expected " +
                 std::to_string(std::min(k, ordered.size())));
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < hits.size(); ++i) {
    const auto known = scores.find(hits[i].key);
    if (known == scores.end()) return Wrong(where + "found '" + hits[i].key + "', not a document");
    if (!seen.insert(hits[i].key).second) return Wrong(where + "'" + hits[i].key + "' twice");
    if (!Near(hits[i].score, known->second) || !Near(hits[i].score, ordered[i])) {
      return Wrong(where + "'" + hits[i].key + "' has score " + std::to_string(hits[i].score) +
                   ", brute force " + std::to_string(known->second));
    }
  }
  return Status::Ok();
}

Status CheckAnswers(const Collection& collection, const Model& model) {
  Random random(7);
  for (const std::string column : {kCosineColumn, kL2Column}) {
    for (const size_t k : {size_t{3}, model.size() + 10}) {
      VDB_RETURN_IF_ERROR(CheckAnswer(collection, model, column,
                                      RandomVector(&random, DimensionOf(column)), k));
    }
  }
  return Status::Ok();
}

Status CheckVerify(const Database& database) {
  VDB_ASSIGN_OR_RETURN(const VerifyReport report, database.Verify());
  if (report.problem_count == 0 && report.problems.empty()) return Status::Ok();
  const VerifyProblem& first = report.problems.at(0);
  return Wrong("Verify: " + first.file + " " + first.where + ": " + first.message);
}

StatusOr<size_t> ReadProgress(const Collection& collection) {
  auto document = collection.Get(kProgressKey);
  if (document.status().code() == StatusCode::kNotFound) return size_t{0};
  VDB_RETURN_IF_ERROR(document.status());
  const std::string text = WithoutBlanks(document->metadata);
  return static_cast<size_t>(std::stoull(text.substr(text.find(':') + 1)));
}

}  // namespace

ModelDocument MakeDocument(uint64_t number, size_t body_bytes) {
  Random random(number);
  ModelDocument document;
  document.metadata = Number(number);
  document.vectors[kCosineColumn] = RandomVector(&random, 4);
  document.vectors[kL2Column] = RandomVector(&random, 3);
  std::string body(body_bytes, '\0');
  for (char& c : body) c = static_cast<char>(random());
  document.body = std::move(body);
  return document;
}

void Apply(const Change& change, Model* model) {
  switch (change.kind) {
    case Change::Kind::kPut: (*model)[change.key] = change.document; break;
    case Change::Kind::kDelete: model->erase(change.key); break;
    case Change::Kind::kSetVector:
      for (const auto& [column, values] : change.document.vectors) {
        (*model)[change.key].vectors[column] = values;
      }
      break;
    case Change::Kind::kSetMetadata:
      (*model)[change.key].metadata = change.document.metadata;
      break;
  }
}

Workload MakeWorkload(const WorkloadOptions& options) {
  Random random(options.seed);
  Workload workload;
  workload.states.emplace_back();
  for (size_t n = 1; n <= options.step_count; ++n) {
    Model model = workload.states.back();
    Step step;
    step.sync = static_cast<double>(Below(&random, 1000)) < options.synced_share * 1000;
    for (size_t i = Below(&random, 4) + 1; i > 0; --i) {
      step.changes.push_back(RandomChange(&random, options, model));
      Apply(step.changes.back(), &model);
    }
    Change progress;
    progress.key = kProgressKey;
    progress.document.metadata = Number(n);
    Apply(progress, &model);
    step.changes.push_back(std::move(progress));
    workload.steps.push_back(std::move(step));
    workload.states.push_back(std::move(model));
  }
  return workload;
}

WriteBatch ToBatch(const Step& step) {
  WriteBatch batch;
  for (const Change& change : step.changes) {
    const ModelDocument& from = change.document;
    if (change.kind == Change::Kind::kDelete) {
      batch.Delete(change.key);
    } else if (change.kind == Change::Kind::kSetVector) {
      for (const auto& [column, values] : from.vectors) batch.SetVector(change.key, column, values);
    } else if (change.kind == Change::Kind::kSetMetadata) {
      batch.SetMetadata(change.key, from.metadata);
    } else {
      DocumentView document;
      document.key = change.key;
      document.metadata = from.metadata;
      if (from.body) document.body = *from.body;
      for (const auto& [column, values] : from.vectors) {
        document.vectors.push_back({column, values});
      }
      batch.Put(document);
    }
  }
  return batch;
}

engine::EngineOptions SmallOptions(storage::FileSystem* fs) {
  engine::EngineOptions options;
  options.user.create_if_missing = true;
  options.fs = fs;
  options.segment_rows_max = 8;
  options.write_buffer_bytes = 64 << 10;  // RocksDB takes no less
  options.tombstones_max = 10;
  options.field_chunk_documents = 8;
  return options;
}

StatusOr<Database> OpenReader(const std::string& path) {
  DatabaseOptions options;
  options.read_only = true;
  return Database::Open(path, options);
}

Status MakeCollection(Database* database) {
  auto collection = database->OpenCollection(kCollection);
  if (collection.status().code() == StatusCode::kNotFound) {
    collection = database->CreateCollection(kCollection);
  }
  VDB_RETURN_IF_ERROR(collection.status());
  VDB_ASSIGN_OR_RETURN(const auto columns, collection->Columns());
  const auto missing = [&columns](const std::string& name) {
    return std::none_of(columns.begin(), columns.end(),
                        [&name](const ColumnInfo& info) { return info.name == name; });
  };
  ColumnOptions options;
  for (const std::string name : {kCosineColumn, kL2Column}) {
    options.dimension = static_cast<uint32_t>(DimensionOf(name));
    options.metric = name == kCosineColumn ? Metric::kCosine : Metric::kL2;
    if (missing(name)) VDB_RETURN_IF_ERROR(collection->AddColumn(name, options));
  }
  return Status::Ok();
}

namespace {

// By a field index, where there is one.
Status CheckFieldCounts(const Collection& collection, const Model& model) {
  std::vector<uint64_t> numbers;
  for (const auto& [key, document] : model) {
    const size_t colon = document.metadata.find(':');
    if (colon == std::string::npos) continue;
    numbers.push_back(std::stoull(document.metadata.substr(colon + 1)));
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < numbers.size(); i += 1 + numbers.size() / 3) {
    const auto from = std::lower_bound(numbers.begin(), numbers.end(), numbers[i]);
    VDB_ASSIGN_OR_RETURN(const uint64_t count,
                         collection.Count(Field("n").GreaterOrEqual(numbers[i])));
    const auto expected = static_cast<uint64_t>(numbers.end() - from);
    if (count == expected) continue;
    return Wrong("Count of n >= " + std::to_string(numbers[i]) + " is " + std::to_string(count) +
                 ", expected " + std::to_string(expected));
  }
  return Status::Ok();
}

}  // namespace

Status CheckModel(const Database& database, const Model& model) {
  VDB_ASSIGN_OR_RETURN(const Collection collection, database.OpenCollection(kCollection));
  VDB_RETURN_IF_ERROR(CheckDocuments(collection, model));
  VDB_RETURN_IF_ERROR(CheckAnswers(collection, model));
  VDB_RETURN_IF_ERROR(CheckFieldCounts(collection, model));
  return CheckVerify(database);
}

StatusOr<size_t> CheckState(const Database& database, const std::vector<Model>& states, size_t min,
                            size_t max) {
  auto collection = database.OpenCollection(kCollection);
  if (collection.status().code() == StatusCode::kNotFound && min == 0) {
    VDB_RETURN_IF_ERROR(CheckVerify(database));
    return size_t{0};
  }
  VDB_RETURN_IF_ERROR(collection.status());
  VDB_ASSIGN_OR_RETURN(const size_t step, ReadProgress(*collection));
  if (step < min) {
    return Wrong("batches up to " + std::to_string(min) + " were acknowledged as durable, up to " +
                 std::to_string(step) + " are there");
  }
  if (step > max || step >= states.size()) {
    return Wrong("batch " + std::to_string(step) + " is there, " + std::to_string(max) +
                 " were begun");
  }
  if (step == 0) {  // set up in part, perhaps
    VDB_ASSIGN_OR_RETURN(const uint64_t count, collection->Count());
    if (count != 0) return Wrong("documents without a first batch");
    VDB_RETURN_IF_ERROR(CheckVerify(database));
    return step;
  }
  const Status right = CheckModel(database, states[step]);
  if (!right.ok()) {
    return Status(right.code(), right.message() + " (state " + std::to_string(step) + ")");
  }
  return step;
}

}  // namespace vdb::testing
