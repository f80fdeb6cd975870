// See compact_fixture.h.
#include "tests/engine/compact_fixture.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "format/index_layout.h"
#include "format/segment_layout.h"
#include "tests/support/aligned_bytes.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

void ReadCodes(const format::ListView& lists, uint64_t row, uint64_t epoch,
                      StoredRow* one) {
  const uint32_t padded = lists.header.padded_dimension;
  one->epoch = epoch;
  while (one->list < lists.header.list_count && row >= lists.row_begin[one->list + 1]) {
    ++one->list;
  }
  const auto* block = lists.blocks + row / 64 * (size_t{8} * padded + 256);
  for (uint32_t i = 0; i < padded / 8; ++i) {
    one->signs += static_cast<char>(block[size_t{64} * i + row % 64]);
  }
  const auto* factors = reinterpret_cast<const char*>(block) + size_t{8} * padded;
  one->factors = std::string(factors + 2 * (row % 64), 2) +
                 std::string(factors + 128 + 2 * (row % 64), 2);
  const auto* fine = reinterpret_cast<const char*>(lists.fine_rows);
  one->fine = std::string(fine + row * (12 + padded / 2), 12 + padded / 2);
}

}  // namespace

std::vector<float> CompactTest::RandomVector(std::mt19937* random) {
  std::normal_distribution<float> noise(0, 0.3f);
  std::vector<float> values(kDimension);
  const auto centre = static_cast<uint32_t>((*random)() % 9);
  for (uint32_t i = 0; i < kDimension; ++i) {
    values[i] = noise(*random) + static_cast<float>((centre * (i + 3)) % 7) - 3.0f;
  }
  return values;
}

Collection CompactTest::Make(Database& db, Metric metric) {
  auto docs = db.CreateCollection("docs");
  EXPECT_TRUE(docs.ok()) << Text(docs);
  EXPECT_TRUE(docs->AddColumn("v", {.dimension = kDimension, .metric = metric}).ok());
  EXPECT_TRUE(docs->AddColumn("w", {.dimension = 3, .metric = Metric::kL2}).ok());
  metric_ = metric;
  return *docs;
}

void CompactTest::PutSome(Collection& docs, const std::string& prefix, int count) {
  WriteBatch batch;
  for (int i = 0; i < count; ++i) {
    if (i % 32 == 31) {
      VDB_ASSERT_OK(docs.Write(batch));
      batch = {};
    }
    const std::string key = prefix + std::to_string(i);
    model_[key] = RandomVector(&random_);
    const std::vector<float> w = {model_[key][0], model_[key][1], 1};
    const std::string metadata = R"({"n":)" + std::to_string(i) + "}";
    std::vector<NamedVector> vectors = {{"v", model_[key]}};
    if (i % 3 == 0) vectors.push_back({"w", w});
    batch.Put({.key = key, .metadata = metadata, .vectors = vectors});
  }
  VDB_ASSERT_OK(docs.Write(batch));
}

void CompactTest::DeleteOne(Collection& docs, const std::string& key) {
  VDB_ASSERT_OK(docs.Delete(key));
  model_.erase(key);
}

void CompactTest::DeleteSome(Collection& docs, const std::string& prefix, int first, int past,
                             int step) {
  WriteBatch batch;
  for (int i = first; i < past; i += step) {
    batch.Delete(prefix + std::to_string(i));
    model_.erase(prefix + std::to_string(i));
  }
  VDB_ASSERT_OK(docs.Write(batch));
}

double CompactTest::ScoreOf(const std::vector<float>& a, const std::vector<float>& b) const {
  double dot = 0, aa = 0, bb = 0, distance = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    distance += (x - y) * (x - y);
  }
  if (metric_ == Metric::kDot) return dot;
  return metric_ == Metric::kCosine ? dot / std::sqrt(aa * bb) : -distance;
}

void CompactTest::ExpectContents(Database& db, const ReadOptions& read) {
  auto docs = db.OpenCollection("docs");
  VDB_ASSERT_OK(docs);
  if (read.snapshot == nullptr) {
    EXPECT_EQ(*docs->Count(), model_.size());
  }
  for (const auto& [key, values] : model_) {
    auto document = docs->Get(key, read);
    VDB_ASSERT_OK(document);
    ASSERT_FALSE(document->vectors.empty());
    for (const DocumentVector& vector : document->vectors) {
      if (vector.column != "v") continue;
      for (uint32_t i = 0; i < kDimension; ++i) {
        ASSERT_NEAR(vector.values[i], values[i], 1e-4 * (1 + std::abs(values[i]))) << key;
      }
    }
  }
  std::mt19937 random(5);
  for (int q = 0; q < 3; ++q) {
    const std::vector<float> query = RandomVector(&random);
    std::vector<double> scores;
    for (const auto& item : model_) scores.push_back(ScoreOf(query, item.second));
    std::sort(scores.rbegin(), scores.rend());
    for (const bool exact : {true, false}) {
      auto found = docs->Search(VectorView(query),
                                {.k = 10, .exact = exact, .snapshot = read.snapshot});
      VDB_ASSERT_OK(found);
      const auto& hits = found->answers[0].hits;
      ASSERT_EQ(hits.size(), std::min<size_t>(10, scores.size()));
      for (size_t i = 0; i < hits.size(); ++i) {
        ASSERT_TRUE(model_.contains(hits[i].key)) << hits[i].key;
        const double right = ScoreOf(query, model_.at(hits[i].key));
        EXPECT_NEAR(hits[i].score, right, 1e-4 * (1 + std::abs(right)));
        if (found->answers[0].exact) {
          EXPECT_NEAR(hits[i].score, scores[i], 1e-4 * (1 + std::abs(scores[i])));
        }
      }
    }
  }
  if (read.snapshot == nullptr) ExpectClean(db);
}

std::vector<std::pair<std::string, uint64_t>> CompactTest::Answers(Collection& docs) {
  std::vector<std::pair<std::string, uint64_t>> all;
  std::mt19937 random(6);
  for (int q = 0; q < 8; ++q) {
    const std::vector<float> query = RandomVector(&random);
    SearchOptions options = {.k = 12, .exact = true, .column = "v"};
    if (q % 2 == 1) options.filter = *Filter::Parse("n < 60");
    const auto found = docs.Search(VectorView(query), options);
    EXPECT_TRUE(found.ok()) << Text(found);
    if (!found.ok()) continue;
    for (const Hit& hit : found->answers[0].hits) {
      all.emplace_back(hit.key, std::bit_cast<uint64_t>(hit.score));
    }
  }
  return all;
}

double CompactTest::Recall(Collection& docs) {
  std::mt19937 random(7);
  size_t right = 0, all = 0;
  for (int q = 0; q < 50; ++q) {
    const std::vector<float> query = RandomVector(&random);
    const auto truth = docs.Search(VectorView(query), {.k = 10, .exact = true, .column = "v"});
    const auto found = docs.Search(VectorView(query), {.k = 10, .nprobe = 3, .column = "v"});
    EXPECT_TRUE(truth.ok() && found.ok());
    const auto keys = Keys(truth->answers[0]), near = Keys(found->answers[0]);
    for (const std::string& key : near) {
      right += static_cast<size_t>(std::count(keys.begin(), keys.end(), key));
    }
    all += keys.size();
  }
  return static_cast<double>(right) / static_cast<double>(all);
}

std::set<std::string> CompactTest::Files(const std::string& dir) const {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(Path() + "/" + dir)) {
    const std::string name = fs::relative(entry.path(), Path()).string();
    if (entry.is_regular_file() && !name.starts_with("docs-")) names.insert(name);
  }
  return names;
}

format::Manifest CompactTest::LiveManifest() const {
  const auto current = format::DecodeCurrent(ReadFile(Path() + "/CURRENT"));
  EXPECT_TRUE(current.ok()) << Text(current);
  const std::string name = format::ManifestName(current->generation);
  return format::DecodeManifest(ReadFile(Path() + "/" + name), name)->manifest;
}

StoredColumn CompactTest::Stored(const std::string& name) const {
  StoredColumn stored;
  const format::Manifest manifest = LiveManifest();
  const auto* column = format::FindColumn(manifest.collections[0], name);
  for (const format::SegmentEntry& entry : manifest.segments) {
    if (entry.column_id != column->id || !entry.sealed) continue;
    ++stored.segments;
    stored.row_count += entry.rows;
    const auto path = [&](format::SegmentFile file) {
      return Path() + "/segments/" + format::SegmentFileName(entry.id, file);
    };
    const std::string values = ReadFile(path(format::SegmentFile::kRows));
    const std::string records = ReadFile(path(format::SegmentFile::kRecords));
    const std::string keys = ReadFile(path(format::SegmentFile::kKeys));
    const AlignedBytes index(entry.epoch_id == 0 ? ""
                                                 : ReadFile(path(format::SegmentFile::kIndex)));
    format::ListView lists;
    if (entry.epoch_id != 0) {
      const auto decoded = format::DecodeListFile(index.view(), entry.index_checksum, "ivf");
      EXPECT_TRUE(decoded.ok()) << Text(decoded);
      lists = *decoded;
    }
    for (uint64_t row = 0; row < entry.rows; ++row) {
      format::RowRecord record;
      std::memcpy(&record, records.data() + 4096 + row * sizeof(record), sizeof(record));
      StoredRow one;
      one.key = keys.substr(4096 + record.key_offset, record.key_bytes);
      one.norm = record.norm;
      one.values = values.substr(4096 + row * 4 * column->dimension, 4 * column->dimension);
      if (entry.epoch_id != 0) ReadCodes(lists, row, entry.epoch_id, &one);
      EXPECT_TRUE(stored.rows.emplace(record.docno, one).second) << "twice: " << record.docno;
    }
  }
  return stored;
}

}  // namespace vdb::testing
