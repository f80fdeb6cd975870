// Export and back: databases of random documents, whose content hash must survive; files of
// vectors, read by a few lines of their own here; exports of one moment while a writer writes.
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "vdb/export.h"
#include "vdb/import.h"
#include "vdb/json_text.h"

namespace vdb {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Random {
 public:
  explicit Random(uint32_t seed) : random_(seed) {}
  uint64_t Below(uint64_t past) { return random_() % past; }
  std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random_());
    return bytes;
  }
  std::string Key() {
    switch (Below(6)) {
      case 0: return Bytes(1 + Below(20));
      case 1: return "line\nbreak " + std::to_string(Below(1000)) + "\r\n\t\"\\";
      case 2: return std::string(35000 + Below(1000), static_cast<char>('a' + Below(26)));
      case 3: return "\xED\xB2\x80" + std::to_string(Below(1000));  // a surrogate's bytes
      default: return "plain/" + std::to_string(Below(100000));
    }
  }
  std::string Metadata() {
    switch (Below(5)) {
      case 0: return "";
      case 1: return R"({"min": -9223372036854775808, "max": 18446744073709551615, "one": 1})";
      case 2: return R"({"d": 5e-324, "e": 1.7976931348623157e308, "f": 0.1, "z": -0.0, "w": 2.0})";
      case 3: {
        std::string text = "{\"a\": [1, 2.5, null, true, {\"\": {}}], \"s\": ";
        AppendJsonString(&text, Bytes(Below(40)));
        return text + "}";
      }
      default: return "{\"n\": " + std::to_string(static_cast<int64_t>(random_())) + "}";
    }
  }
  // Of any magnitude, now and then unit already, now and then zero.
  std::vector<float> Vector(size_t dimension, bool zero_allowed) {
    std::vector<float> values(dimension);
    if (zero_allowed && Below(5) == 0) return values;
    const double scale = std::pow(10.0, static_cast<double>(Below(70)) - 37);
    for (float& value : values) value = static_cast<float>(normal_(random_) * scale);
    if (values[0] == 0) values[0] = 1e-30f;
    if (Below(4) == 0) {
      double squares = 0;
      for (const float value : values) squares += static_cast<double>(value) * value;
      for (float& value : values) value = static_cast<float>(value / std::sqrt(squares));
    }
    return values;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

class ExportTest : public testing::EngineTest {
 protected:
  std::string Place(const std::string& name) const { return scratch_ / name; }
  Database Make(const std::string& name) const {
    return *Database::Open(Place(name), {.create_if_missing = true});
  }
  static std::string Hash(const Database& db) { return *db.ContentHash(); }

  void Fill(Database& db, const std::string& name, uint32_t seed, int documents) {
    Random random(seed);
    Collection docs = *db.CreateCollection(name);
    const struct { const char* name; uint32_t dimension; Metric metric; } kColumns[] = {
        {"zeta", 3, Metric::kCosine}, {"alpha", 17, Metric::kL2}, {"mid", 1, Metric::kDot}};
    for (const auto& column : kColumns) {
      VDB_ASSERT_OK(docs.AddColumn(column.name, {.dimension = column.dimension,
                                                 .metric = column.metric,
                                                 .model = std::string("model \"") + column.name}));
    }
    VDB_ASSERT_OK(docs.SetDefaultColumn("mid"));
    for (int i = 0; i < documents; ++i) {
      const std::string key = random.Key(), metadata = random.Metadata(), body = random.Bytes(50);
      std::vector<std::vector<float>> values;
      DocumentView document{.key = key, .metadata = metadata};
      if (random.Below(2) == 0) document.body = std::string_view(body).substr(random.Below(51));
      for (const auto& column : kColumns) {
        if (random.Below(3) == 0) continue;
        values.push_back(random.Vector(column.dimension, column.metric != Metric::kCosine));
      }
      size_t at = 0;
      for (const auto& vector : values) {
        while (kColumns[at].dimension != vector.size()) ++at;
        document.vectors.push_back({kColumns[at].name, vector});
      }
      VDB_ASSERT_OK(docs.Put(document, {.sync = false}));
    }
  }
};

TEST_F(ExportTest, LinesKeepEveryBit) {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    Database db = Make("from" + std::to_string(seed));
    Fill(db, "docs", seed, 120);
    const std::string file = Place("docs.jsonl");
    const auto report = ExportFile(db, "docs", file);
    VDB_ASSERT_OK(report);
    EXPECT_EQ(report->document_count, *db.OpenCollection("docs")->Count());
    EXPECT_EQ(report->bytes_written, std::filesystem::file_size(file));
    Database to = *Database::Open(Place("to" + std::to_string(seed)), {.create_if_missing = true});
    ImportOptions options;
    options.batch_rows = 1 + seed * 13;
    VDB_ASSERT_OK(ImportFile(to, "docs", file, options));
    EXPECT_EQ(Hash(to), Hash(db)) << seed;
    EXPECT_EQ((*to.OpenCollection("docs")->Columns())[2].is_default, true);
    EXPECT_EQ((*to.OpenCollection("docs")->Columns())[0].name, "zeta");  // in their order
    VDB_EXPECT_OK(to.Verify());
    // Once more gives the same file.
    VDB_ASSERT_OK(ExportFile(to, "docs", Place("again.jsonl")));
    EXPECT_EQ(ReadAll(Place("again.jsonl")), ReadAll(file));
  }
}

TEST_F(ExportTest, WholeDatabases) {
  Database db = Open();
  Fill(db, "one", 7, 60);
  Fill(db, "two\" \xC3\xA9", 8, 60);
  VDB_ASSERT_OK(db.CreateCollection("empty"));
  Collection bare = *db.CreateCollection("columns only");
  VDB_ASSERT_OK(bare.AddColumn("v", {.dimension = 5, .metric = Metric::kDot, .model = "m"}));
  Collection one = *db.OpenCollection("one");
  VDB_ASSERT_OK(one.AddFieldIndex({.field = "n"}));
  VDB_ASSERT_OK(one.AddFieldIndex({.field = "$body", .kind = FieldIndexKind::kText}));
  const auto report = ExportDatabase(db, Place("dir"));
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->files.size(), 5u);
  EXPECT_EQ(ExportDatabase(db, Place("dir")).status().code(), StatusCode::kAlreadyExists);
  const std::string hash = Hash(db);
  VDB_ASSERT_OK(db.Close());
  int number = 0;
  for (const std::string& source : {Place("dir"), Path()}) {
    Database to = Make("to" + std::to_string(++number));
    const auto imported = ImportDatabase(to, source);
    VDB_ASSERT_OK(imported);
    EXPECT_EQ(imported->document_count, report->document_count);
    EXPECT_EQ(Hash(to), hash) << source;
    EXPECT_EQ(to.OpenCollection("one")->FieldIndexes()->size(), 2u);
    VDB_ASSERT_OK(ImportDatabase(to, source));  // again changes nothing
    EXPECT_EQ(Hash(to), hash);
    EXPECT_TRUE(to.Verify()->problems.empty());
  }
}

TEST_F(ExportTest, PlainVectorsAreNormTimesUnit) {
  Database db = Open();
  Collection docs = MakeDocs(db, Metric::kDot);
  VDB_ASSERT_OK(Put(docs, "a", {3, 4}, R"({"n": 1})"));
  VDB_ASSERT_OK(Put(docs, "b", {0, 0}));
  std::string text;
  const WriteCallback write = [&](std::string_view bytes) {
    text += bytes;
    return Status::Ok();
  };
  ExportOptions options;
  options.plain_vectors = true;
  VDB_ASSERT_OK(ExportStream(db, "docs", write, options));
  EXPECT_EQ(text, "{\"id\": \"a\", \"metadata\": {\"n\":1}, \"vectors\": {\"v\": [3, 4]}}\n"
                  "{\"id\": \"b\", \"vectors\": {\"v\": [0, 0]}}\n");
  text.clear();
  options.plain_vectors = false;
  options.filter = Field("n").Exists();
  VDB_ASSERT_OK(ExportStream(db, "docs", write, options));
  EXPECT_EQ(text.substr(text.find('\n') + 1),
            "{\"id\": \"a\", \"metadata\": {\"n\":1}, \"vectors\": {\"v\": {\"unit\": [0.6, 0.8], "
            "\"norm\": 5}}}\n");
  const auto failing = ExportStream(db, "docs", [](std::string_view) {
    return Status::IoError("no more");
  });
  EXPECT_EQ(failing.status().message(), "no more");
  options.format = ExportFormat::kNpy;
  EXPECT_EQ(ExportStream(db, "docs", write, options).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(ExportTest, VectorFilesAndWhatStandsBeside) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  VDB_ASSERT_OK(Put(docs, "b\n", {3, 4}, R"({"n": 2})"));
  VDB_ASSERT_OK(Put(docs, "a", {0.5f, -2}));
  VDB_ASSERT_OK(docs.Put({.key = "none", .body = "text"}));
  for (const std::string& name : {std::string("x.npy"), std::string("x.fvecs")}) {
    const auto report = ExportFile(db, "docs", Place(name));
    VDB_ASSERT_OK(report);
    EXPECT_EQ(report->document_count, 2u);
    EXPECT_EQ(report->left_out_count, 1u);
    EXPECT_EQ(ReadAll(Place("x.keys")), "\"a\"\n\"b\\n\"\n");
    EXPECT_EQ(ReadAll(Place("x.metadata.jsonl")),
              "{\"id\": \"a\"}\n{\"id\": \"b\\n\", \"metadata\": {\"n\":2}}\n");
    const std::string bytes = ReadAll(Place(name));
    std::vector<float> values(4);
    if (name == "x.npy") {
      EXPECT_THAT(bytes.substr(0, 4096), HasSubstr("'shape': (2, 2)"));
      ASSERT_EQ(bytes.size() % 16, 0u);
      std::memcpy(values.data(), bytes.data() + bytes.size() - 16, 16);
    } else {
      ASSERT_EQ(bytes.size(), 24u);
      std::memcpy(values.data(), bytes.data() + 4, 8);
      std::memcpy(values.data() + 2, bytes.data() + 16, 8);
    }
    EXPECT_THAT(values, ElementsAre(FloatEq(0.5f), FloatEq(-2.0f), FloatEq(3.0f), FloatEq(4.0f)));
    Database to = *Database::Open(Place("to-" + name), {.create_if_missing = true});
    ImportOptions options;
    options.keys_path = Place("x.keys");
    options.column = "v";
    options.metric = Metric::kL2;
    VDB_ASSERT_OK(ImportFile(to, "docs", Place(name), options));
    EXPECT_FLOAT_EQ(to.OpenCollection("docs")->Get("b\n")->vectors[0].values[1], 4);
  }
  VDB_ASSERT_OK(docs.Put({.key = "huge", .vectors = {{"v", std::vector<float>{3e38f, 3e38f}}}}));
  // Each number fits, if the norm does not.
  VDB_EXPECT_OK(ExportFile(db, "docs", Place("x.fvecs")));
  EXPECT_EQ(ExportFile(db, "docs", Place("x.csv")).status().code(), StatusCode::kInvalidArgument);
  ExportOptions options;
  options.column = "w";
  EXPECT_EQ(ExportFile(db, "docs", Place("y.npy"), options).status().code(), StatusCode::kNotFound);
}

TEST_F(ExportTest, AFailureLeavesWhatWasThere) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  for (int i = 0; i < 3000; ++i) {
    VDB_ASSERT_OK(docs.Put({.key = std::to_string(i)}, {.sync = false}));
  }
  std::filesystem::create_directory(Place("out"));
  std::ofstream(Place("out/a.jsonl")) << "old";
  ExportOptions options;
  options.progress = [](const Progress& progress) { return progress.done_count < 2000; };
  EXPECT_EQ(ExportFile(db, "docs", Place("out/a.jsonl"), options).status().code(),
            StatusCode::kCancelled);
  EXPECT_EQ(ReadAll(Place("out/a.jsonl")), "old");
  EXPECT_EQ(ExportFile(db, "docs", Place("out/b.npy"), options).status().code(),
            StatusCode::kCancelled);
  EXPECT_EQ(ExportDatabase(db, Place("out/dir"), options).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Place("out")), {}), 1);
  EXPECT_FALSE(ExportFile(db, "docs", Place("nowhere/x.jsonl")).ok());
  EXPECT_EQ(ExportFile(db, "nothing", Place("x.jsonl")).status().code(), StatusCode::kNotFound);
}

// A writer replaces, adds and deletes all the while: what is exported is the snapshot.
TEST_F(ExportTest, IsOfOneMoment) {
  Database db = Open();
  Collection docs = MakeDocs(db);
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "k" + std::to_string(i);
    VDB_ASSERT_OK(docs.Put({.key = key,
                            .metadata = "{\"i\": " + std::to_string(i) + "}",
                            .vectors = {{"v", std::vector<float>{1, static_cast<float>(i)}}}},
                           {.sync = false}));
  }
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string key = "k" + std::to_string(i % 3000);
      const std::vector<float> values{2, static_cast<float>(i)};
      EXPECT_TRUE(docs.Put({.key = key, .metadata = "{\"new\": true}", .vectors = {{"v", values}}},
                           {.sync = false}).ok());
      WriteBatch batch;
      batch.Delete("k" + std::to_string((i + 1000) % 3000));
      EXPECT_TRUE(docs.Write(batch, {.sync = false}).ok());
    }
  });
  for (int round = 0; round < 5; ++round) {
    const auto taken = [&]() -> std::optional<Snapshot> {
      auto snapshot = db.GetSnapshot();
      if (!snapshot.ok()) return std::nullopt;
      return *snapshot;
    }();
    ASSERT_TRUE(taken.has_value());
    ExportOptions options;
    options.snapshot = &*taken;
    const std::string file = Place("moment.jsonl");
    ASSERT_TRUE(ExportFile(db, "docs", file, options).ok());
    Database to = *Database::Open(Place("moment" + std::to_string(round)),
                                  {.create_if_missing = true});
    ASSERT_TRUE(ImportFile(to, "docs", file).ok());
    Collection copy = *to.OpenCollection("docs");
    auto from = docs.NewIterator({&*taken});
    auto into = copy.NewIterator();
    ASSERT_TRUE(from.ok() && into.ok());
    from->SeekToFirst();
    into->SeekToFirst();
    for (; from->Valid() && into->Valid(); from->Next(), into->Next()) {
      const auto a = from->document(), b = into->document();
      ASSERT_TRUE(a.ok() && b.ok());
      ASSERT_EQ(a->key, b->key);
      ASSERT_EQ(a->metadata, b->metadata);
      ASSERT_EQ(a->vectors.size(), b->vectors.size());
      for (size_t i = 0; i < a->vectors.size(); ++i) {
        ASSERT_EQ(a->vectors[i].stored.unit, b->vectors[i].stored.unit);
        ASSERT_EQ(a->vectors[i].stored.norm, b->vectors[i].stored.norm);
      }
    }
    EXPECT_EQ(from->Valid(), into->Valid());
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace vdb
