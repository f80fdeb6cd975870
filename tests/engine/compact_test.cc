// Compaction: the same documents, docnos, keys, norms and codes before and after, whatever is
// written meanwhile and whoever looks on; less space; and a proof that notices what it should.
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "format/checksum.h"
#include "format/index_layout.h"
#include "format/manifest.h"
#include "format/segment_layout.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/aligned_bytes.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kDimension = 12;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// Another file system's calls, but for those that a test turns.
class TurnedFileSystem : public storage::FileSystem {
 public:
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    if (before_open) before_open(path, mode);
    return base_->Open(path, mode);
  }
  Status CreateDir(const std::string& path) override { return base_->CreateDir(path); }
  Status Rename(const std::string& a, const std::string& b) override { return base_->Rename(a, b); }
  Status Remove(const std::string& path) override { return base_->Remove(path); }
  Status RemoveDir(const std::string& path) override { return base_->RemoveDir(path); }
  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return base_->List(path);
  }
  StatusOr<bool> Exists(const std::string& path) override { return base_->Exists(path); }
  StatusOr<bool> IsDir(const std::string& path) override { return base_->IsDir(path); }
  StatusOr<storage::FileInfo> Stat(const std::string& path) override { return base_->Stat(path); }
  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return free_bytes ? *free_bytes : base_->FreeBytes(path);
  }
  Status SyncDir(const std::string& path) override { return base_->SyncDir(path); }

  std::function<void(const std::string&, storage::OpenMode)> before_open;
  std::optional<uint64_t> free_bytes;

 private:
  storage::FileSystem* base_ = storage::PosixFileSystem();
};

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

  static std::vector<float> RandomVector(std::mt19937* random) {
    std::normal_distribution<float> noise(0, 0.3f);
    std::vector<float> values(kDimension);
    const auto centre = static_cast<uint32_t>((*random)() % 9);
    for (uint32_t i = 0; i < kDimension; ++i) {
      values[i] = noise(*random) + static_cast<float>((centre * (i + 3)) % 7) - 3.0f;
    }
    return values;
  }

  Collection Make(Database& db, Metric metric = Metric::kL2) {
    auto docs = db.CreateCollection("docs");
    EXPECT_TRUE(docs.ok()) << Text(docs);
    EXPECT_TRUE(docs->AddColumn("v", {.dimension = kDimension, .metric = metric}).ok());
    EXPECT_TRUE(docs->AddColumn("w", {.dimension = 3, .metric = Metric::kL2}).ok());
    metric_ = metric;
    return *docs;
  }
  // Every third document has a vector in the second column too.
  void PutSome(Collection& docs, const std::string& prefix, int count) {
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
  void DeleteOne(Collection& docs, const std::string& key) {
    VDB_ASSERT_OK(docs.Delete(key));
    model_.erase(key);
  }
  void DeleteSome(Collection& docs, const std::string& prefix, int first, int past, int step = 1) {
    WriteBatch batch;
    for (int i = first; i < past; i += step) {
      batch.Delete(prefix + std::to_string(i));
      model_.erase(prefix + std::to_string(i));
    }
    VDB_ASSERT_OK(docs.Write(batch));
  }

  double ScoreOf(const std::vector<float>& a, const std::vector<float>& b) const {
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

  void ExpectContents(Database& db, const ReadOptions& read = {}) {
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

  // Exact answers, with a filter and without: keys and the bits of scores.
  std::vector<std::pair<std::string, uint64_t>> Answers(Collection& docs) {
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

  double Recall(Collection& docs) {
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

  std::set<std::string> Files(const std::string& dir = "") const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(Path() + "/" + dir)) {
      const std::string name = fs::relative(entry.path(), Path()).string();
      if (entry.is_regular_file() && !name.starts_with("docs-")) names.insert(name);
    }
    return names;
  }
  std::set<std::string> Segments() const { return Files("segments"); }

  format::Manifest LiveManifest() const {
    const auto current = format::DecodeCurrent(ReadFile(Path() + "/CURRENT"));
    EXPECT_TRUE(current.ok()) << Text(current);
    const std::string name = format::ManifestName(current->generation);
    return format::DecodeManifest(ReadFile(Path() + "/" + name), name)->manifest;
  }

  StoredColumn Stored(const std::string& name) const {
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

  static void ReadCodes(const format::ListView& lists, uint64_t row, uint64_t epoch,
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

  std::map<std::string, std::vector<float>> model_;
  Metric metric_ = Metric::kL2;
  std::mt19937 random_{11};
};

TEST_F(CompactTest, KeepsContentsUnderEveryMetricWithAnIndexAndWithout) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    for (const bool index : {false, true}) {
      SCOPED_TRACE(std::string(MetricName(metric)) + (index ? ", index" : ""));
      fs::remove_all(Path());
      model_.clear();
      std::string hash;
      {
        auto db = Open();
        auto docs = Make(db, metric);
        PutSome(docs, "k", 400);
        if (index) VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 12}));
        PutSome(docs, "later", 60);
        PutSome(docs, "k", 40);  // replaces
        DeleteSome(docs, "k", 100, 400, 3);
        DeleteSome(docs, "later", 0, 20);
        hash = *db.ContentHash();
        const auto answers = Answers(docs);
        const StoredColumn before = Stored("v");
        const auto report = db.Compact({.full = true});
        VDB_ASSERT_OK(report);
        EXPECT_EQ(*db.ContentHash(), hash);
        EXPECT_EQ(Answers(docs), answers);
        const StoredColumn after = Stored("v");
        EXPECT_EQ(after.row_count, model_.size());
        for (const auto& [docno, row] : before.rows) {
          const auto found = after.rows.find(docno);
          if (found == after.rows.end()) continue;  // the contents below say if it was to go
          EXPECT_TRUE(found->second == row) << docno;
        }
        EXPECT_EQ(report->column_count, 2u);
        EXPECT_LT(report->segment_count_after, report->segment_count_before);
        EXPECT_GE(report->rows_dropped, 160u);
        EXPECT_LT(report->bytes_after, report->bytes_before);
        EXPECT_GT(report->probe_query_count, 0u);
        EXPECT_GT(report->memory_bytes_peak, 0u);
        ExpectContents(db);
        const auto again = db.Compact({.full = true});
        VDB_ASSERT_OK(again);
        EXPECT_EQ(again->column_count, 0u);
        EXPECT_EQ(again->bytes_written, 0u);
      }
      auto db = Open(false);
      EXPECT_EQ(*db.ContentHash(), hash);
      ExpectContents(db);
      auto docs = *db.OpenCollection("docs");
      PutSome(docs, "more", 100);
      ExpectContents(db);
    }
  }
}

TEST_F(CompactTest, CodesAndListsStayBitForBit) {
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 500);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 9}));
  DeleteSome(docs, "k", 0, 500, 2);
  const StoredColumn before = Stored("v");
  const auto epochs = Files("epochs");
  const double recall = Recall(docs);
  VDB_ASSERT_OK(db.Compact({.collection = "docs", .column = "v"}));
  const StoredColumn after = Stored("v");
  EXPECT_EQ(after.row_count, 250u);
  EXPECT_EQ(after.segments, 4u);  // of 63 and 62 rows
  for (const auto& [docno, row] : after.rows) {
    ASSERT_NE(row.epoch, 0u);
    EXPECT_TRUE(before.rows.at(docno) == row) << docno;
  }
  EXPECT_EQ(Files("epochs"), epochs);
  EXPECT_GE(Recall(docs), recall - 0.01);
  ExpectContents(db);
  const auto stats = docs.Stats();
  VDB_ASSERT_OK(stats);
  EXPECT_EQ(stats->columns[0].index->indexed_row_count, 250u);
  EXPECT_EQ(stats->columns[0].index->unindexed_row_count, 0u);
  // A build after it finds nothing to do, and what it would code anew is what was copied.
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  ExpectContents(db);
}

// Deletes and replacements of rows that are being moved, new documents, folds of tombstones and
// publishes of other columns, at every stage.
TEST_F(CompactTest, WritesDuringACompactionAreKept) {
  options_.tombstones_max = 5;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 400);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 6}));
  PutSome(docs, "gone", 90);
  DeleteSome(docs, "gone", 0, 40);
  DeleteSome(docs, "k", 300, 400);
  int step = 0;
  std::set<std::string> stages;
  CompactionOptions options;
  options.full = true;
  options.progress = [&](const Progress& progress) {
    const bool fresh = stages.insert(std::string(progress.stage)).second;
    if (!fresh && step % 3 != 0) return true;
    if (step >= 60) return true;
    const std::string n = std::to_string(step);
    DeleteOne(docs, "k" + n);
    if (step < 50) DeleteOne(docs, "gone" + std::to_string(40 + step));
    model_["k" + std::to_string(200 + step)] = RandomVector(&random_);
    VDB_EXPECT_OK(Put(docs, "k" + std::to_string(200 + step),
                      model_["k" + std::to_string(200 + step)]));
    PutSome(docs, "new" + n + ".", 3);
    if (fresh) VDB_EXPECT_OK(docs.AddColumn("c" + n, {.dimension = 2}));
    ++step;
    return true;
  };
  VDB_ASSERT_OK(db.Compact(options));
  EXPECT_TRUE(stages.contains("check rows") && stages.contains("write rows") &&
              stages.contains("prove rows"));
  EXPECT_GT(step, 3);
  ExpectContents(db);
  const std::string hash = *db.ContentHash();
  VDB_ASSERT_OK(db.Close());
  for (int life = 0; life < 2; ++life) {
    auto reopened = Open(false);
    EXPECT_EQ(*reopened.ContentHash(), hash);
    ExpectContents(reopened);
    VDB_ASSERT_OK(reopened.Compact({.full = true}));
    EXPECT_EQ(*reopened.ContentHash(), hash);
    ExpectContents(reopened);
  }
}

// What a held view names is gone from the directory; its rows, masks, keys and codes are not.
TEST_F(CompactTest, AViewOutlivesManyCompactions) {
  options_.tombstones_max = 3;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 120);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  PutSome(docs, "loose", 30);
  DeleteSome(docs, "k", 0, 30);
  const auto held = model_;
  auto snapshot = db.GetSnapshot();
  VDB_ASSERT_OK(snapshot);
  auto iterator = docs.NewIterator();
  VDB_ASSERT_OK(iterator);
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  const auto first_files = Segments();
  for (int i = 0; i < 100; ++i) {
    PutSome(docs, "round" + std::to_string(i) + ".", 4);
    DeleteOne(docs, i < 90 ? "k" + std::to_string(30 + i) : "loose" + std::to_string(i - 90));
    VDB_ASSERT_OK(db.Compact({.full = true}));
  }
  ExpectContents(db);
  const auto now = model_;
  model_ = held;
  ExpectContents(*reader);  // its pin keeps even the names
  ExpectContents(db, {.snapshot = &*snapshot});
  size_t count = 0;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next(), ++count) {
    const auto document = iterator->document();
    VDB_ASSERT_OK(document);
    EXPECT_TRUE(held.contains(document->key));
  }
  VDB_EXPECT_OK(iterator->status());
  EXPECT_EQ(count, held.size());
  model_ = now;
  reader = Status::NotFound("closed");
  PutSome(docs, "last", 1);
  VDB_ASSERT_OK(db.Compact({.full = true}));
  const auto files = Segments();
  for (const std::string& name : first_files) EXPECT_FALSE(files.contains(name)) << name;
}

// Compacting one of two columns, and folding, must not lose the other's tombstone: the document
// would come back at the next open, or the open would miss its row.
TEST_F(CompactTest, ADocumentOfTwoColumnsStaysDeleted) {
  options_.tombstones_max = 6;
  std::string hash;
  {
    auto db = Open();
    auto docs = Make(db);
    PutSome(docs, "k", 150);
    auto reader = OpenReadOnly();
    VDB_ASSERT_OK(reader);
    const auto before = model_;
    DeleteSome(docs, "k", 0, 60, 3);  // these have both vectors
    VDB_ASSERT_OK(db.Compact({.collection = "docs", .column = "v", .full = true}));
    DeleteSome(docs, "k", 60, 90, 3);
    VDB_ASSERT_OK(db.Compact({.collection = "docs", .column = "w", .full = true}));
    DeleteSome(docs, "k", 90, 120, 3);
    EXPECT_EQ(Stored("v").rows.size(), 130u);
    hash = *db.ContentHash();
    ExpectContents(db);
    const auto now = model_;
    model_ = before;
    ExpectContents(*reader);
    model_ = now;
    VDB_ASSERT_OK(reader->Refresh());
    ExpectContents(*reader);
  }
  for (int life = 0; life < 3; ++life) {
    auto db = Open(false);
    EXPECT_EQ(*db.ContentHash(), hash);
    ExpectContents(db);
    VDB_ASSERT_OK(db.Compact({.full = life == 1}));
    EXPECT_EQ(*db.ContentHash(), hash);
  }
}

TEST_F(CompactTest, OnlyWhatIsWorthIt) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 64 * 4);
  const auto files = Segments();
  auto report = db.Compact();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->column_count, 0u);
  EXPECT_EQ(Segments(), files);
  DeleteSome(docs, "k", 1, 11, 3);  // a few dead rows in the first segment
  VDB_ASSERT_OK(db.Compact());
  EXPECT_EQ(Stored("v").row_count, 255u);  // of the sealed ones
  DeleteSome(docs, "k", 14, 60, 3);
  report = db.Compact();
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->column_count, 1u);
  EXPECT_GT(report->rows_dropped, 15u);
  ExpectContents(db);
}

TEST_F(CompactTest, AColumnWithoutALiveRowGivesUpItsFiles) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  DeleteSome(docs, "k", 0, 200);
  VDB_ASSERT_OK(db.Compact());
  EXPECT_TRUE(Segments().empty());
  PutSome(docs, "k", 100);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  ExpectContents(db);
  VDB_ASSERT_OK(db.Close());
  auto reopened = Open(false);
  ExpectContents(reopened);
}

TEST_F(CompactTest, CancelledAtAnyStageItLeavesTheOldState) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  DeleteSome(docs, "k", 0, 100);
  for (const char* stage : {"check rows", "write rows", "prove rows"}) {
    SCOPED_TRACE(stage);
    auto files = Segments();
    CompactionOptions options;
    options.column = "v";
    options.collection = "docs";
    options.full = true;
    options.progress = [stage](const Progress& progress) { return progress.stage != stage; };
    EXPECT_EQ(db.Compact(options).status().code(), StatusCode::kCancelled);
    auto now = Segments();
    for (auto* names : {&files, &now}) {  // the open segment was sealed, tombstones folded
      std::erase_if(*names, [](const auto& name) {
        return name.ends_with(".sums") || name.ends_with(".order") ||
               name.find(".del-") != name.npos;
      });
    }
    EXPECT_EQ(now, files);
    ExpectContents(db);
  }
  VDB_ASSERT_OK(db.Compact({.full = true}));
  ExpectContents(db);
}

TEST_F(CompactTest, AColumnDroppedMeanwhileIsGone) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 60);
  CompactionOptions options;
  options.full = true;
  options.progress = [&](const Progress& progress) {
    if (progress.stage == "write rows" && docs.Columns()->size() == 2) {
      VDB_EXPECT_OK(docs.DropColumn("v"));
    }
    return true;
  };
  EXPECT_EQ(db.Compact(options).status().code(), StatusCode::kNotFound);
  ExpectClean(db);
  VDB_ASSERT_OK(db.Compact({.full = true}));
  ExpectClean(db);
  size_t segments = 0;
  for (const std::string& name : Segments()) segments += name.ends_with(".npy") ? 1 : 0;
  EXPECT_EQ(segments, LiveManifest().segments.size());
}

// Writers, searches and compactions at once: no answer runs short, and at the end everything is
// there.
TEST_F(CompactTest, BesideWritersAndSearches) {
  options_.tombstones_max = 20;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::map<std::string, std::vector<float>> written[2];
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937 random(static_cast<uint32_t>(w) + 20);
      Collection mine = docs;
      for (int i = 0; i < 150; ++i) {
        const std::string key = "t" + std::to_string(w) + "." + std::to_string(random() % 40);
        if (random() % 3 == 0) {
          const Status gone = mine.Delete(key, {.sync = false}).status();
          EXPECT_TRUE(gone.ok() || gone.code() == StatusCode::kNotFound) << gone.ToString();
          written[w].erase(key);
        } else {
          written[w][key] = RandomVector(&random);
          VDB_EXPECT_OK(
              mine.Put({.key = key, .vectors = {{"v", written[w][key]}}}, {.sync = false}));
        }
      }
    });
  }
  threads.emplace_back([&] {
    std::mt19937 random(30);
    while (!stop) {
      const std::vector<float> query = RandomVector(&random);
      const auto found = docs.Search(VectorView(query), {.k = 10});
      VDB_EXPECT_OK(found);
      if (found.ok()) {
        EXPECT_EQ(found->answers[0].hits.size(), 10u);
      }
    }
  });
  for (int i = 0; i < 6; ++i) VDB_EXPECT_OK(db.Compact({.full = true}));
  threads[0].join();
  threads[1].join();
  VDB_EXPECT_OK(db.Compact({.full = true}));
  stop = true;
  threads[2].join();
  for (const auto& each : written) model_.insert(each.begin(), each.end());
  ExpectContents(db);
}

TEST_F(CompactTest, ADamagedRowEndsItByName) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 40);
  const fs::path path = Path() + "/segments/000001.npy";
  const std::string whole = ReadFile(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 45 * kDimension * 4 + 2);
    file.put(static_cast<char>(whole[4096 + 45 * kDimension * 4 + 2] ^ 1));
  }
  const auto files = Segments();
  const Status failed = db.Compact({.full = true}).status();
  EXPECT_EQ(failed.code(), StatusCode::kCorruption);
  EXPECT_NE(failed.message().find("000001.npy' row 45"), std::string::npos) << failed.ToString();
  EXPECT_TRUE(docs.Get("k100").ok());
  for (const std::string& name : files) EXPECT_TRUE(fs::exists(Path() + "/" + name)) << name;
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file << whole;
  }
  VDB_ASSERT_OK(db.Compact({.full = true}));
  ExpectContents(db);
}

TEST_F(CompactTest, ADamagedIndexIsLeftBehind) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 180);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v", .list_count = 4}));
  DeleteSome(docs, "k", 0, 60);
  VDB_ASSERT_OK(db.Close());
  for (const std::string& name : Files("segments")) {
    if (!name.ends_with(".ivf")) continue;
    std::string bytes = ReadFile(Path() + "/" + name);
    bytes[bytes.size() - 5000] ^= 1;
    WriteFile(Path() + "/" + name, bytes);
    break;
  }
  db = Open(false);
  docs = *db.OpenCollection("docs");
  VDB_ASSERT_OK(db.Compact({.full = true}));
  const auto stats = docs.Stats();
  EXPECT_GT(stats->columns[0].index->unindexed_row_count, 0u);
  EXPECT_GT(stats->columns[0].index->indexed_row_count, 0u);
  ExpectContents(db);
  VDB_ASSERT_OK(docs.BuildIndex({.column = "v"}));
  EXPECT_EQ(docs.Stats()->columns[0].index->unindexed_row_count, 0u);
  ExpectContents(db);
}

// Changes a row of a segment together with its checksum, so that nothing but the comparison with
// the old rows can notice.
void PlantIn(const std::string& base, uint64_t segment_id,
             const std::function<void(format::RowRecord*, float*)>& change) {
  std::string rows = ReadFile(base + ".npy"), records = ReadFile(base + ".rows");
  const std::string keys = ReadFile(base + ".keys");
  constexpr uint64_t kRow = 3;
  format::RowRecord record;
  float values[kDimension];
  std::memcpy(&record, records.data() + 4096 + kRow * sizeof(record), sizeof(record));
  std::memcpy(values, rows.data() + 4096 + kRow * sizeof(values), sizeof(values));
  change(&record, values);
  record.checksum = format::RowChecksum(segment_id, kRow, record, values, kDimension,
                                        keys.substr(4096 + record.key_offset, record.key_bytes));
  std::memcpy(records.data() + 4096 + kRow * sizeof(record), &record, sizeof(record));
  std::memcpy(rows.data() + 4096 + kRow * sizeof(values), values, sizeof(values));
  WriteFile(base + ".npy", rows);
  WriteFile(base + ".rows", records);
}

TEST_F(CompactTest, TheProofNoticesWhatChecksumsDoNot) {
  TurnedFileSystem turned;
  options_.fs = &turned;
  auto db = Open();
  auto docs = Make(db, Metric::kCosine);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 60);
  const std::string hash = *db.ContentHash();
  const std::vector<std::function<void(format::RowRecord*, float*)>> faults = {
      [](format::RowRecord* record, float*) { record->norm *= 2; },  // no cosine shows it
      [](format::RowRecord* record, float*) { record->docno += 100'000; },
      [](format::RowRecord*, float* values) { values[1] = std::nextafter(values[1], 9.0f); },
  };
  for (const auto& fault : faults) {
    VDB_ASSERT_OK(docs.Put({.key = "extra", .vectors = {{"v", model_["k100"]}}}));
    VDB_ASSERT_OK(docs.Delete("extra"));
    const uint64_t first_new = LiveManifest().next_segment_id;
    auto before = LiveManifest().segments;
    bool planted = false;
    turned.before_open = [&](const std::string& path, storage::OpenMode mode) {
      if (planted || mode != storage::OpenMode::kRead || !path.ends_with(".npy")) return;
      const uint64_t id = std::stoull(path.substr(path.size() - 10, 6));
      if (id < first_new) return;
      planted = true;
      PlantIn(path.substr(0, path.size() - 4), id, fault);
    };
    const Status failed =
        db.Compact({.collection = "docs", .column = "v", .full = true}).status();
    turned.before_open = {};
    EXPECT_TRUE(planted);
    EXPECT_EQ(failed.code(), StatusCode::kCorruption) << failed.ToString();
    EXPECT_NE(failed.message().find("not the same ones"), std::string::npos) << failed.ToString();
    EXPECT_EQ(LiveManifest().segments.size(), before.size());
    EXPECT_FALSE(fs::exists(Path() + "/segments/" +
                            format::SegmentFileName(first_new, format::SegmentFile::kRows)));
    EXPECT_EQ(*db.ContentHash(), hash);
    ExpectContents(db);
  }
  VDB_ASSERT_OK(db.Compact({.full = true}));
  EXPECT_EQ(*db.ContentHash(), hash);
  ExpectContents(db);
}

TEST_F(CompactTest, WithoutRoomItDoesNotBegin) {
  TurnedFileSystem turned;
  options_.fs = &turned;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 200);
  DeleteSome(docs, "k", 0, 60);
  const auto files = Segments();
  const uint64_t generation = LiveManifest().generation;
  turned.free_bytes = 5000;
  const Status failed = db.Compact({.full = true}).status();
  EXPECT_EQ(failed.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(failed.message().find("5000 are free"), std::string::npos) << failed.ToString();
  EXPECT_EQ(Segments(), files);
  EXPECT_EQ(LiveManifest().generation, generation);
  turned.free_bytes = 1u << 30;
  VDB_EXPECT_OK(db.Compact({.full = true}));
  ExpectContents(db);
}

TEST_F(CompactTest, TheRateIsKept) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 300);
  DeleteSome(docs, "k", 0, 300, 5);
  const auto start = std::chrono::steady_clock::now();
  const auto report = db.Compact({.full = true, .bytes_per_second_max = 100'000});
  VDB_ASSERT_OK(report);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took.count(), static_cast<double>(report->bytes_written) / 100'000 * 0.4);
  EXPECT_GT(report->bytes_written, 15'000u);
}

TEST_F(CompactTest, RefusesWhatIsNotThere) {
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 10);
  EXPECT_EQ(db.Compact({.collection = "nope"}).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(db.Compact({.collection = "docs", .column = "nope"}).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(db.Compact({.column = "v"}).status().code(), StatusCode::kInvalidArgument);
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  EXPECT_EQ(reader->Compact().status().code(), StatusCode::kFailedPrecondition);
}

// Half of the documents, with bodies, go: the files are about those of a fresh database.
TEST_F(CompactTest, SpaceComesBack) {
  options_.segment_rows_max = 0;
  const auto bytes_of = [](const std::string& dir) {
    uint64_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir)) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  };
  const auto fill = [&](Collection& docs, uint64_t step) {
    std::mt19937 random(3);
    WriteBatch batch;
    for (uint64_t i = 0; i < 6000; ++i) {
      std::string body(600, '\0');
      for (char& c : body) c = static_cast<char>(random());
      const std::vector<float> values = RandomVector(&random);
      if (i % step == 0) {
        batch.Put({.key = "k" + std::to_string(i), .body = body, .vectors = {{"v", values}}});
      }
      if (i % 500 != 499) continue;
      VDB_ASSERT_OK(docs.Write(batch));
      batch = {};
    }
  };
  uint64_t fresh = 0;
  {
    auto db = Open();
    auto docs = Make(db);
    fill(docs, 2);
    VDB_ASSERT_OK(db.Compact({.full = true}));
    VDB_ASSERT_OK(db.Close());
    fresh = bytes_of(Path());
    fs::remove_all(Path());
  }
  auto db = Open();
  auto docs = Make(db);
  fill(docs, 1);
  for (uint64_t i = 1; i < 6000; i += 2) {
    VDB_ASSERT_OK(docs.Delete("k" + std::to_string(i), {.sync = false}));
  }
  const auto report = db.Compact();
  VDB_ASSERT_OK(report);
  ExpectClean(db);
  VDB_ASSERT_OK(db.Close());
  EXPECT_LE(static_cast<double>(bytes_of(Path())), 1.1 * static_cast<double>(fresh));
}

TEST_F(CompactTest, TheBackgroundThreadMergesSmallSegments) {
  options_.user.background_jobs = true;
  options_.indexer_pause_ms = 10;
  auto db = Open();
  auto docs = Make(db);
  PutSome(docs, "k", 64 * 22);
  for (int s = 0; s < 22; ++s) DeleteSome(docs, "k", 64 * s, 64 * s + 52);
  const auto segments = [this] {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(Path() + "/segments")) {
      count += entry.path().extension() == ".npy" ? 1 : 0;
    }
    return count;
  };
  for (int tries = 0; tries < 3000 && segments() > 20; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_LE(segments(), 20u);
  ExpectContents(db);
}

}  // namespace
}  // namespace vdb::testing
