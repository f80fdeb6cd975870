// What the tests of compaction share: a collection of two columns, a model of its documents, and
// what the files hold of every row, to compare before and after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "format/manifest.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/whole_file.h"

namespace vdb::testing {

inline constexpr uint32_t kDimension = 12;

// What the files hold of a live row, taken from them byte by byte as docs/format.md has it.
struct StoredRow {
  std::string key;
  double norm = 0;
  std::string values;
  uint64_t epoch = 0;  // 0: no index
  uint32_t list = 0;
  std::string signs, factors, fine;
  bool operator==(const StoredRow&) const = default;
};

struct StoredColumn {
  std::map<uint64_t, StoredRow> rows;  // by docno, dead ones included
  size_t segments = 0;
  uint64_t row_count = 0;
};

class CompactTest : public EngineTest {
 protected:
  CompactTest() { options_.segment_rows_max = 64; }

  static std::vector<float> RandomVector(std::mt19937* random);

  Collection Make(Database& db, Metric metric = Metric::kL2);
  // Every third document has a vector in the second column too.
  void PutSome(Collection& docs, const std::string& prefix, int count);
  void DeleteOne(Collection& docs, const std::string& key);
  void DeleteSome(Collection& docs, const std::string& prefix, int first, int past, int step = 1);

  // Documents and searches against the model; a database, not a snapshot of it, is verified, too.
  void ExpectContents(Database& db, const ReadOptions& read = {});
  // Exact answers, with a filter and without: keys and the bits of scores.
  static std::vector<std::pair<std::string, uint64_t>> Answers(Collection& docs);
  static double Recall(Collection& docs);

  // Files below `dir`, relative to the database, but for RocksDB's.
  std::set<std::string> Files(const std::string& dir = "") const;
  std::set<std::string> Segments() const { return Files("segments"); }
  format::Manifest LiveManifest() const;
  StoredColumn Stored(const std::string& name) const;

  std::map<std::string, std::vector<float>> model_;
  Metric metric_ = Metric::kL2;
  std::mt19937 random_{11};

 private:
  double ScoreOf(const std::vector<float>& a, const std::vector<float>& b) const;
};

}  // namespace vdb::testing
