// See dataset_cache.h. The truth is found with sgemm and put in order in double.
#include "bench/dataset_cache.h"

#include <cblas.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace vdb::bench {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSeed = 12;
constexpr size_t kQueryCount = 1000;
constexpr size_t kCandidates = kTruthDepth + 28;  // room for what float32 puts in a wrong order
constexpr size_t kBlockRows = 8192;

using Scored = std::pair<double, int32_t>;  // the better is the greater: rows are negated

template <typename T>
bool ReadFile(const std::string& path, std::vector<T>* values) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  const size_t read = std::fread(values->data(), sizeof(T), values->size(), file);
  std::fclose(file);
  return read == values->size();
}

template <typename T>
void WriteFile(const std::string& path, const std::vector<T>& values) {
  const std::string part = path + ".part";
  std::FILE* file = std::fopen(part.c_str(), "wb");
  const bool written = file != nullptr && std::fwrite(values.data(), sizeof(T), values.size(),
                                                      file) == values.size();
  if (!written || std::fclose(file) != 0) {
    std::fprintf(stderr, "cannot write %s\n", part.c_str());
    std::exit(1);
  }
  fs::rename(part, path);
}

// Nearness of one row in double: the dot product, or minus the squared distance.
double Score(const TestSet& set, const float* query, const float* row) {
  double sum = 0;
  for (size_t i = 0; i < set.data.dimension; ++i) {
    const double a = static_cast<double>(query[i]), b = static_cast<double>(row[i]);
    sum += set.squared_l2 ? -(a - b) * (a - b) : a * b;
  }
  return sum;
}

// Takes one block's scores of one query into its heap of candidates (the worst on top).
void Collect(const float* scores, size_t count, size_t first_row, std::vector<Scored>* heap) {
  for (size_t i = 0; i < count; ++i) {
    const Scored found{static_cast<double>(scores[i]), -static_cast<int32_t>(first_row + i)};
    if (heap->size() == kCandidates) {
      if (found <= heap->front()) continue;
      std::ranges::pop_heap(*heap, std::greater<>());
      heap->back() = found;
    } else {
      heap->push_back(found);
    }
    std::ranges::push_heap(*heap, std::greater<>());
  }
}

std::vector<std::vector<Scored>> FindCandidates(const TestSet& set) {
  const Dataset& data = set.data;
  openblas_set_num_threads(2);
  std::vector<std::vector<Scored>> heaps(data.query_count);
  std::vector<float> scores(data.query_count * kBlockRows);
  const auto d = static_cast<blasint>(data.dimension);
  for (size_t first = 0; first < data.row_count; first += kBlockRows) {
    const size_t count = std::min(kBlockRows, data.row_count - first);
    const float* rows = data.rows.data() + first * data.dimension;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(data.query_count),
                static_cast<blasint>(count), d, 1, data.queries.data(), d, rows, d, 0,
                scores.data(), kBlockRows);
    std::vector<float> halves(count);  // |row|^2 / 2: the nearest has the greatest dot less this
    for (size_t i = 0; i < count && set.squared_l2; ++i) {
      const float* row = rows + i * data.dimension;
      for (size_t j = 0; j < data.dimension; ++j) halves[i] += 0.5f * row[j] * row[j];
    }
    for (size_t q = 0; q < data.query_count; ++q) {
      float* own = scores.data() + q * kBlockRows;
      for (size_t i = 0; i < count && set.squared_l2; ++i) own[i] -= halves[i];
      Collect(own, count, first, &heaps[q]);
    }
  }
  openblas_set_num_threads(1);
  return heaps;
}

std::vector<int32_t> FindTruth(const TestSet& set) {
  std::vector<std::vector<Scored>> heaps = FindCandidates(set);
  std::vector<int32_t> truth(set.data.query_count * kTruthDepth, -1);
  for (size_t q = 0; q < heaps.size(); ++q) {
    for (Scored& found : heaps[q]) {
      const auto row = static_cast<size_t>(-found.second);
      found.first = Score(set, set.query(q), set.data.rows.data() + row * set.data.dimension);
    }
    std::ranges::sort(heaps[q], std::greater<>());
    for (size_t i = 0; i < std::min(kTruthDepth, heaps[q].size()); ++i) {
      truth[q * kTruthDepth + i] = -heaps[q][i].second;
    }
  }
  return truth;
}

}  // namespace

TestSet LoadOrMake(const std::string& directory, size_t row_count, size_t dimension) {
  TestSet set;
  set.name = std::to_string(row_count) + "x" + std::to_string(dimension);
  set.squared_l2 = dimension < 16;
  fs::create_directories(directory);
  const std::string base = directory + "/" + set.name;
  set.data.dimension = dimension;
  set.data.row_count = row_count;
  set.data.query_count = kQueryCount;
  set.data.rows.resize(row_count * dimension);
  set.data.queries.resize(kQueryCount * dimension);
  set.truth.resize(kQueryCount * kTruthDepth);
  if (ReadFile(base + ".rows", &set.data.rows) && ReadFile(base + ".queries", &set.data.queries) &&
      ReadFile(base + ".truth", &set.truth)) {
    return set;
  }
  set.data = MakeNested(row_count, kQueryCount, dimension, kSeed, !set.squared_l2);
  set.truth = FindTruth(set);
  WriteFile(base + ".rows", set.data.rows);
  WriteFile(base + ".queries", set.data.queries);
  WriteFile(base + ".truth", set.truth);
  return set;
}

}  // namespace vdb::bench
