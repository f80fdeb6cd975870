// Migration of a cache that is a list in memory: the pipeline, the proof, publishing, rollback, and
// what an open of a legacy folder does.
#include "engine/migrate.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "engine/legacy_document.h"
#include "engine/migrate_files.h"
#include "engine/migrate_proof.h"
#include "format/file_names.h"
#include "format/row_record.h"
#include "format/segment_layout.h"
#include "tests/engine/engine_fixture.h"
#include "tests/support/fake_cache.h"

namespace vdb::testing {
namespace {

using format::LegacyReason;
using Names = std::vector<std::string>;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class MigrateTest : public EngineTest {
 protected:
  FakeSource source_{scratch_.path() + "/photos"};

  std::vector<std::string> log_;
  Logger LogLines() {
    return [this](LogLevel level, std::string_view line) {
      log_.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(line));
    };
  }
  StatusOr<Database> OpenFolder(bool read_only = false) {
    DatabaseOptions options;
    options.read_only = read_only;
    options.logger = LogLines();
    return Database::Open(source_.folder(), options);
  }
  void ExpectNothingMade() { EXPECT_EQ(source_.Names(), Names{".nndex"}); }
};

// --- one vector ---

// Scaled to the largest component by division, summed in order, in extended precision: another way
// than both of the engine's.
std::vector<long double> OracleUnit(const std::vector<double>& values, long double* norm) {
  long double largest = 0, sum = 0;
  for (const double v : values) largest = std::max(largest, std::abs(static_cast<long double>(v)));
  for (const double v : values) sum += (v / largest) * (v / largest);
  *norm = largest * std::sqrt(sum);
  std::vector<long double> unit;
  for (const double v : values) unit.push_back(v / largest / std::sqrt(sum));
  return unit;
}

TEST(LegacyVectorTest, NormalisesEveryMagnitude) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  for (const double scale : {1.0, 1e-30, 1e39, 1e-200, 1e300, 1e-310, 4e-323}) {
    for (const size_t dimension : {1u, 3u, 4u, 127u, 3072u}) {
      std::vector<double> values(dimension);
      for (double& value : values) value = normal(random) * scale;
      values[0] = scale;  // never all zero, however small
      std::vector<float> unit(dimension);
      const double norm = engine::Normalise(values, unit.data());
      long double true_norm = 0;
      const auto expected = OracleUnit(values, &true_norm);
      EXPECT_NEAR(static_cast<double>(norm / true_norm), 1, scale < 1e-300 ? 0.5 : 1e-12);
      double length = 0;
      for (size_t i = 0; i < dimension; ++i) {
        EXPECT_NEAR(unit[i], static_cast<double>(expected[i]), 1e-6);
        length += double{unit[i]} * unit[i];
      }
      EXPECT_NEAR(length, 1, 1e-6);
      VDB_EXPECT_OK(engine::CheckNormalised(values, unit.data(), norm));
    }
  }
}

TEST(LegacyVectorTest, ZeroAndTooLong) {
  std::vector<float> unit(4);
  EXPECT_EQ(engine::Normalise(std::vector<double>(4, 0.0), unit.data()), 0);
  EXPECT_TRUE(std::isinf(engine::Normalise(std::vector<double>(4, 1.7e308), unit.data())));
}

TEST(LegacyVectorTest, TheCheckNoticesEveryWrongComponentAndLength) {
  std::vector<double> values;
  for (int i = 0; i < 37; ++i) values.push_back(std::sin(i + 1.0) * 12);
  std::vector<float> unit(values.size());
  const double norm = engine::Normalise(values, unit.data());
  VDB_ASSERT_OK(engine::CheckNormalised(values, unit.data(), norm));
  for (float& component : unit) {
    const float right = component;
    component = std::nextafter(std::nextafter(right, 2.f), 2.f);  // two roundings off
    EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm).ok());
    component = -right;
    EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm).ok());
    component = std::nanf("");
    EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm).ok());
    component = right;
  }
  EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), norm * (1 + 1e-9)).ok());
  EXPECT_FALSE(engine::CheckNormalised(values, unit.data(), std::nan("")).ok());
}

TEST(EntriesHashTest, IsASumThatCarries) {
  engine::EntriesHash a, b, twice;
  const format::Hash128 x = {1, ~uint64_t{0}}, y = {2, 3};
  a.Add(x);
  a.Add(y);
  b.Add(y);
  b.Add(x);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.sum, (format::Hash128{4, 2}));
  twice.Add(a);
  twice.Add(engine::EntriesHash());
  EXPECT_EQ(twice, a);
  twice.Add(b);
  EXPECT_EQ(twice.count, 4u);
  EXPECT_NE(twice, a);
}

// --- places and sources ---

using Kind = engine::LegacyPlace::Kind;

TEST_F(MigrateTest, FindsCachesAndNothingElse) {
  auto& fs = *storage::PosixFileSystem();
  const auto find = [&](const std::string& path, bool by_name) {
    auto place = engine::FindLegacy(fs, path, by_name);
    EXPECT_TRUE(place.ok()) << Text(place);
    return place.ok() ? *place : std::nullopt;
  };
  const std::string root = source_.folder();
  ASSERT_TRUE(find(root, false));
  EXPECT_EQ(find(root, false)->kind, Kind::kNndex);
  EXPECT_TRUE(find(root + "/", false));
  std::filesystem::create_directories(root + "/.vemb");
  EXPECT_EQ(find(root, false)->kind, Kind::kNndex);  // an empty .vemb is no cache
  WriteFile(root + "/.vemb/cache.json", "{}");
  const auto both = find(root, false);
  EXPECT_EQ(both->kind, Kind::kVemb);
  ASSERT_EQ(both->warnings.size(), 1u);
  EXPECT_NE(both->warnings[0].find(".nndex"), std::string::npos);
  EXPECT_EQ(find(root + "/.nndex", true)->kind, Kind::kNndex);
  EXPECT_EQ(find(root + "/.vemb/cache.json", true)->kind, Kind::kVemb);
  EXPECT_EQ(find(root + "/.vemb", true)->DefaultDatabase(), root + "/.vdb");

  // A folder that merely holds some JSON is opened by nobody.
  const std::string other = scratch_ / "other";
  std::filesystem::create_directory(other);
  EXPECT_FALSE(find(other, true));
  WriteFile(other + "/a.json", "{}");
  EXPECT_FALSE(find(other, false));
  EXPECT_EQ(find(other, true)->kind, Kind::kJsonFile);
  EXPECT_EQ(find(other + "/a.json", false)->kind, Kind::kJsonFile);
  WriteFile(other + "/b.txt", "some text");
  EXPECT_FALSE(find(other, true));
  EXPECT_FALSE(find(other + "/b.txt", false));
}

TEST_F(MigrateTest, AFolderOfLogsIsOneSource) {
  auto& fs = *storage::PosixFileSystem();
  const std::string logs = scratch_ / "vault/.smart-env/multi";
  std::filesystem::create_directories(logs);
  const std::string parts[] = {"first", "", "the third\n", "x"};
  std::string joined;
  for (int i = 0; i < 4; ++i) {
    WriteFile(logs + "/" + std::to_string(i) + ".ajson", parts[i]);
    joined += parts[i] + "\n";
  }
  for (const char* name : {"vault", "vault/.smart-env", "vault/.smart-env/multi"}) {
    const auto place = engine::FindLegacy(fs, scratch_ / name, true);
    ASSERT_TRUE(place.ok() && *place) << name;
    EXPECT_EQ((*place)->kind, Kind::kAjsonFolder);
    EXPECT_EQ((*place)->files.size(), 4u);
    const auto opened = engine::OpenPlace(fs, **place);
    VDB_ASSERT_OK(opened);
    const format::ByteSource& source = *opened->sources.json;
    ASSERT_EQ(source.size(), joined.size());
    for (size_t from = 0; from <= joined.size(); ++from) {
      for (size_t size = 0; size <= joined.size() - from; ++size) {
        std::string part(size, '?');
        VDB_ASSERT_OK(source.ReadAt(from, std::span(part.data(), size)));
        EXPECT_EQ(part, joined.substr(from, size));
      }
    }
    char byte = 0;
    EXPECT_FALSE(source.ReadAt(joined.size(), std::span(&byte, 1)).ok());
  }
}

// Whatever was read, and in which order, the hash is the file's.
TEST_F(MigrateTest, SourcesHashWhatTheyRead) {
  std::string bytes(700'000, '\0');
  std::mt19937 random(1);
  for (char& c : bytes) c = static_cast<char>(random());
  const std::string path = scratch_ / "bytes";
  WriteFile(path, bytes);
  format::StreamingHash expected;
  expected.Update(bytes);
  for (int order = 0; order < 3; ++order) {
    const auto source = engine::FileSource::Open(*storage::PosixFileSystem(), path);
    VDB_ASSERT_OK(source);
    for (size_t i = 0; i < 20; ++i) {
      const size_t from = order == 0 ? i * 30'000 : order == 1 ? random() % 600'000 : (19 - i) * 100;
      std::string part(40'000, '?');
      VDB_ASSERT_OK((*source)->ReadAt(from, std::span(part.data(), part.size())));
      EXPECT_EQ(part, bytes.substr(from, part.size()));
    }
    const auto hash = (*source)->Hash();
    VDB_ASSERT_OK(hash);
    EXPECT_EQ(*hash, expected.Digest128());
    std::filesystem::resize_file(path, bytes.size() - 1);
    std::string part(10, '?');
    EXPECT_EQ((*source)->ReadAt(bytes.size() - 10, std::span(part.data(), 10)).code(),
              StatusCode::kCorruption);
    EXPECT_EQ((*source)->CheckUnchanged(*storage::PosixFileSystem()).code(),
              StatusCode::kCorruption);
    WriteFile(path, bytes);
  }
}

// --- a whole migration ---

TEST_F(MigrateTest, EveryEntryArrives) {
  const FakeCache cache = MakeFakeCache(1000);
  const auto report = source_.Migrate(cache);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->outcome, MigrationOutcome::kPartial);
  EXPECT_EQ(report->entry_count, 1000u);
  EXPECT_EQ(report->refused_count, 90u);
  EXPECT_EQ(report->reasons, (std::map<std::string, uint64_t>{{"wrong_type", 90}}));
  EXPECT_EQ(report->migrated_count, 910u);
  EXPECT_EQ(source_.Names(), (Names{".nndex", ".vdb"}));

  auto db = Database::Open(source_.database());
  VDB_ASSERT_OK(db);
  ExpectClean(*db);
  auto docs = db->OpenCollection("docs");
  VDB_ASSERT_OK(docs);
  uint64_t without = 0, vectors = 0;
  for (const auto& entry : cache.entries()) {
    const auto document = docs->Get(entry.key);
    if (!entry.migrates()) {
      EXPECT_EQ(document.status().code(), StatusCode::kNotFound);
      continue;
    }
    VDB_ASSERT_OK(document);
    EXPECT_NE(document->metadata.find("\"n\":" + std::to_string(entry.source_offset) + ","),
              std::string::npos)
        << document->metadata;
    without += entry.vectors.empty() ? 1 : 0;
    vectors += entry.vectors.size();
    ASSERT_EQ(document->vectors.size(), entry.vectors.size());
    for (size_t v = 0; v < entry.vectors.size(); ++v) {
      long double norm = 0;
      const auto unit = OracleUnit(entry.vectors[v].values, &norm);
      const StoredVector& stored = document->vectors[v].stored;
      EXPECT_NEAR(stored.norm, static_cast<double>(norm), 1e-12 * stored.norm);
      for (size_t i = 0; i < unit.size(); ++i) {
        EXPECT_NEAR(stored.unit[i], static_cast<double>(unit[i]), 1e-7);
      }
    }
  }
  EXPECT_EQ(report->without_vector_count, without);
  EXPECT_EQ(report->columns[0].vector_count + report->columns[1].vector_count, vectors);
  EXPECT_EQ(report->columns[1].model, "other");
}

// Several batches: the fake's few bytes an entry would make one.
TEST_F(MigrateTest, IsTheSameWithAnyNumberOfThreads) {
  FakeCache cache({{"m", "", 64}});
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 9000; ++i) {
    std::vector<double> values(64);
    for (double& value : values) value = normal(random);
    cache.Add("k" + std::to_string(i), std::move(values));
  }
  std::string hash, docnos;
  for (const uint32_t threads : {1u, 2u, 7u}) {
    MigrateOptions options;
    options.to = scratch_ / ("db" + std::to_string(threads));
    options.thread_count = threads;
    const auto report = source_.Migrate(cache, options);
    VDB_ASSERT_OK(report);
    auto db = Database::Open(options.to);
    VDB_ASSERT_OK(db);
    const std::string content = *db->ContentHash();
    const std::string rows = ReadFile(options.to + "/segments/000001.npy");
    if (threads == 1) hash = content, docnos = rows;
    EXPECT_EQ(content, hash);
    EXPECT_TRUE(rows == docnos) << "rows in another order with " << threads << " threads";
    EXPECT_GT(db->Stats()->batch_number, 2u);
  }
}

TEST_F(MigrateTest, AnEmptyCacheIsAnEmptyDatabase) {
  const auto report = source_.Migrate(FakeCache(std::vector<format::LegacyColumn>()));
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->outcome, MigrationOutcome::kClean);
  auto db = OpenFolder();
  VDB_ASSERT_OK(db);
  EXPECT_EQ(*db->OpenCollection("docs")->Count(), 0u);
}

TEST_F(MigrateTest, NothingIsMadeOfARefusedSource) {
  FakeCache torn;
  torn.RefuseWhole(LegacyReason::kTruncated, "torn at byte 12; --salvage");
  auto report = source_.Migrate(torn);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->outcome, MigrationOutcome::kRefused);
  EXPECT_TRUE(report->reasons.empty());
  EXPECT_EQ(report->refusal_reason, "truncated");

  FakeCache shape;
  shape.RefuseWhole(LegacyReason::kWrongShape, "a list");
  report = source_.Migrate(shape);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->entry_count, 1u);
  EXPECT_EQ(report->reasons, (std::map<std::string, uint64_t>{{"wrong_shape", 1}}));

  FakeCache all;
  format::LegacyEntry bad;
  bad.key = "k";
  bad.reason = LegacyReason::kNonFinite;
  all.Add(bad);
  report = source_.Migrate(all);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->outcome, MigrationOutcome::kRefused);
  EXPECT_EQ(report->refusal_reason, "non_finite");
  ExpectNothingMade();
}

TEST_F(MigrateTest, ASalvagedSourceIsPartial) {
  FakeCache cache;
  cache.Add("a", {1, 2, 3, 4});
  cache.set_torn();
  const auto report = source_.Migrate(cache);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->outcome, MigrationOutcome::kPartial);
  EXPECT_EQ(report->refused_count, 0u);
}

// What vdb cannot hold is refused entry by entry, whatever the reader thought of it.
TEST_F(MigrateTest, LimitsRefuseEntries) {
  FakeCache cache;
  cache.Add("good", {0, 0, 3, 4});
  cache.Add("", {1, 2, 3, 4});
  cache.Add(std::string(kKeyBytesMax + 1, 'k'), {1, 2, 3, 4});
  std::string deep;
  for (int i = 0; i < 101; ++i) deep += R"({"a":)";
  cache.Add("deep", {1, 2, 3, 4}, deep + "1" + std::string(101, '}'));
  cache.Add("long", {1.7e308, 1.7e308, 0, 0});
  cache.Add("huge", {1e39, 0, 0, -1e39});
  cache.Add("zero", {0, 0, 0, 0});
  const auto report = source_.Migrate(cache);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->migrated_count, 3u);
  EXPECT_EQ(report->without_vector_count, 1u);
  EXPECT_EQ(report->reasons, (std::map<std::string, uint64_t>{
                                 {"wrong_type", 1}, {"too_large", 2}, {"non_finite", 1}}));
}

TEST_F(MigrateTest, DryRunWritesNothingAndPredicts) {
  const FakeCache cache = MakeFakeCache(500);
  MigrateOptions options;
  options.dry_run = true;
  const auto dry = source_.Migrate(cache, options);
  VDB_ASSERT_OK(dry);
  ExpectNothingMade();
  EXPECT_GT(dry->predicted_bytes, 500u * 4 * 4);
  EXPECT_GT(dry->predicted_seconds, 0);
  const auto real = source_.Migrate(cache);
  VDB_ASSERT_OK(real);
  EXPECT_EQ(dry->entries_hash, real->entries_hash);
  EXPECT_EQ(dry->migrated_count, real->migrated_count);
  EXPECT_EQ(dry->reasons, real->reasons);
}

TEST_F(MigrateTest, ReportHasEveryEntryInOrder) {
  FakeCache cache = MakeFakeCache(300);
  MigrateOptions options;
  options.thread_count = 3;
  options.report_path = scratch_ / "report.jsonl";
  VDB_ASSERT_OK(source_.Migrate(cache, options));
  std::istringstream lines(ReadFile(options.report_path));
  size_t i = 0;
  for (std::string line; std::getline(lines, line); ++i) {
    const auto& entry = cache.entries()[i];
    EXPECT_NE(line.find("\"offset\": " + std::to_string(i)), std::string::npos) << line;
    const char* verdict = !entry.migrates()         ? "\"refused\", \"reason\": \"wrong_type\""
                          : entry.vectors.empty()   ? "\"without_vector\", \"reason\": \"\""
                                                    : "\"migrated\", \"reason\": \"\"";
    EXPECT_NE(line.find(verdict), std::string::npos) << line;
  }
  EXPECT_EQ(i, 300u);
  EXPECT_FALSE(std::filesystem::exists(options.report_path + ".tmp"));
}

TEST_F(MigrateTest, CancelLeavesNothing) {
  const FakeCache cache = MakeFakeCache(100);
  MigrateOptions options;
  options.report_path = scratch_ / "report.jsonl";
  options.progress = [](const Progress& progress) { return progress.stage == "nothing"; };
  FakeCache slow = MakeFakeCache(100);
  slow.set_before_entry([](uint64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return Status::Ok();
  });
  EXPECT_EQ(source_.Migrate(slow, options).status().code(), StatusCode::kCancelled);
  ExpectNothingMade();
  EXPECT_FALSE(std::filesystem::exists(options.report_path));
  EXPECT_FALSE(std::filesystem::exists(options.report_path + ".tmp"));
}

// --- the proof ---

TEST_F(MigrateTest, EntriesThatGetLostFailTheProof) {
  FakeCache fewer = MakeFakeCache(50);
  fewer.set_entry_count(51);
  auto failed = source_.Migrate(fewer);
  EXPECT_EQ(failed.status().code(), StatusCode::kCorruption) << Text(failed);
  FakeCache twice;
  twice.Add("a", {1, 2, 3, 4});
  twice.Add("a", {1, 2, 3, 4});
  failed = source_.Migrate(twice);
  EXPECT_EQ(failed.status().code(), StatusCode::kCorruption) << Text(failed);
  EXPECT_NE(failed.status().message().find("proof"), std::string::npos) << Text(failed);
  ExpectNothingMade();
}

TEST_F(MigrateTest, AReaderThatFailsLeavesNothing) {
  FakeCache cache = MakeFakeCache(50);
  cache.set_before_entry([](uint64_t i) {
    return i == 33 ? Status::IoError("the disk") : Status::Ok();
  });
  EXPECT_EQ(source_.Migrate(cache).status().code(), StatusCode::kIoError);
  ExpectNothingMade();
}

TEST_F(MigrateTest, ASourceThatChangesMeanwhileIsNotPublished) {
  FakeCache cache = MakeFakeCache(50);
  cache.set_before_entry([this](uint64_t i) {
    if (i == 33) WriteFile(source_.file(), "a source of 27 bytes, or no");
    return Status::Ok();
  });
  std::filesystem::last_write_time(source_.file(), std::filesystem::file_time_type());
  const auto failed = source_.Migrate(cache);
  EXPECT_EQ(failed.status().code(), StatusCode::kCorruption) << Text(failed);
  EXPECT_NE(failed.status().message().find("changed"), std::string::npos);
  ExpectNothingMade();
}

// Does something to the built database once, before its files are read back.
class PlantingFileSystem final : public storage::FileSystem {
 public:
  explicit PlantingFileSystem(std::function<void(const std::string& rows)> plant)
      : plant_(std::move(plant)) {}
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    const bool reads = mode == storage::OpenMode::kRead && path.ends_with("segments/000001.npy");
    if (reads && !std::exchange(planted_, true)) plant_(path);
    return base_->Open(path, mode);
  }
  Status CreateDir(const std::string& path) override { return base_->CreateDir(path); }
  Status Rename(const std::string& a, const std::string& b) override { return base_->Rename(a, b); }
  Status Remove(const std::string& path) override { return base_->Remove(path); }
  Status RemoveDir(const std::string& path) override { return base_->RemoveDir(path); }
  StatusOr<Names> List(const std::string& path) override { return base_->List(path); }
  StatusOr<bool> Exists(const std::string& path) override { return base_->Exists(path); }
  StatusOr<bool> IsDir(const std::string& path) override { return base_->IsDir(path); }
  StatusOr<storage::FileInfo> Stat(const std::string& path) override { return base_->Stat(path); }
  Status SyncDir(const std::string& path) override { return base_->SyncDir(path); }
  bool planted() const { return planted_; }

 private:
  storage::FileSystem* base_ = storage::PosixFileSystem();
  std::function<void(const std::string&)> plant_;
  bool planted_ = false;
};

// A float that is wrong by its last bit, with a row checksum that fits it: only the comparison with
// the source can notice.
void PlantFloat(const std::string& rows_path) {
  std::string rows = ReadFile(rows_path);
  const std::string base = rows_path.substr(0, rows_path.size() - 4);
  std::string records = ReadFile(base + ".rows");
  const std::string keys = ReadFile(base + ".keys");
  constexpr size_t kRow = 5;
  format::RowRecord record;
  const size_t at = format::kSegmentPageBytes + kRow * sizeof(record);
  std::memcpy(&record, records.data() + at, sizeof(record));
  rows[format::kSegmentPageBytes + kRow * 16] ^= 1;
  float values[4];
  std::memcpy(values, rows.data() + format::kSegmentPageBytes + kRow * 16, 16);
  const std::string key =
      keys.substr(format::kSegmentPageBytes + record.key_offset, record.key_bytes);
  record.checksum = format::RowChecksum(1, kRow, record, values, 4, key);
  std::memcpy(records.data() + at, &record, sizeof(record));
  WriteFile(rows_path, rows);
  WriteFile(base + ".rows", records);
}

TEST_F(MigrateTest, AWrongFloatOnDiskFailsTheProof) {
  const FakeCache cache = MakeFakeCache(100);
  PlantingFileSystem planting(PlantFloat);
  engine::EngineOptions engine;
  engine.fs = &planting;
  const auto failed = source_.Migrate(cache, {}, engine);
  EXPECT_TRUE(planting.planted());
  EXPECT_EQ(failed.status().code(), StatusCode::kCorruption) << Text(failed);
  EXPECT_NE(failed.status().message().find("the proof failed"), std::string::npos) << Text(failed);
  ExpectNothingMade();

  PlantingFileSystem harmless([](const std::string&) {});
  engine.fs = &harmless;
  VDB_EXPECT_OK(source_.Migrate(cache, {}, engine));
  EXPECT_TRUE(harmless.planted());
}

// --- places, leftovers, locks ---

TEST_F(MigrateTest, LeftoversGoButForeignFilesStay) {
  const FakeCache cache = MakeFakeCache(20);
  VDB_ASSERT_OK(source_.Migrate(cache));
  std::filesystem::rename(source_.database(), source_.database() + ".migrating");
  WriteFile(source_.database() + ".migrating/mine.txt", "x");
  auto blocked = source_.Migrate(cache);
  EXPECT_EQ(blocked.status().code(), StatusCode::kFailedPrecondition) << Text(blocked);
  EXPECT_NE(blocked.status().message().find("mine.txt"), std::string::npos);
  EXPECT_EQ(ReadFile(source_.database() + ".migrating/mine.txt"), "x");
  EXPECT_TRUE(std::filesystem::exists(source_.database() + ".migrating/CURRENT"));
  std::filesystem::remove(source_.database() + ".migrating/mine.txt");
  WriteFile(source_.database() + ".migrating/segments/mine.txt", "x");
  EXPECT_FALSE(source_.Migrate(cache).ok());
  std::filesystem::remove(source_.database() + ".migrating/segments/mine.txt");
  VDB_EXPECT_OK(source_.Migrate(cache));
  EXPECT_EQ(source_.Names(), (Names{".nndex", ".vdb"}));
}

TEST_F(MigrateTest, OneAtATime) {
  const FakeCache inner = MakeFakeCache(10);
  FakeCache outer = MakeFakeCache(10);
  Status second;
  outer.set_before_entry([&](uint64_t i) {
    if (i == 5) second = source_.Migrate(inner).status();
    return Status::Ok();
  });
  VDB_EXPECT_OK(source_.Migrate(outer));
  EXPECT_EQ(second.code(), StatusCode::kBusy) << second.ToString();
  EXPECT_EQ(source_.Migrate(inner).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(source_.Names(), (Names{".nndex", ".vdb"}));
}

// --- rollback ---

TEST_F(MigrateTest, RollbackTakesAwayWhatTheMigrationMade) {
  const std::string before = ReadFile(source_.file());
  const auto time = std::filesystem::last_write_time(source_.file());
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  const auto removed = RollbackMigration(source_.folder());
  VDB_ASSERT_OK(removed);
  EXPECT_EQ(*removed, source_.database());
  ExpectNothingMade();
  EXPECT_EQ(ReadFile(source_.file()), before);
  EXPECT_EQ(std::filesystem::last_write_time(source_.file()), time);
  EXPECT_EQ(RollbackMigration(source_.folder()).status().code(), StatusCode::kNotFound);
}

TEST_F(MigrateTest, RollbackKeepsWhatWasWrittenSince) {
  const auto change = [&](const std::function<void(Database&)>& write) {
    std::filesystem::remove_all(source_.database());
    ASSERT_TRUE(source_.Migrate(MakeFakeCache(30)).ok());
    {
      auto db = Database::Open(source_.database());
      VDB_ASSERT_OK(db);
      write(*db);
      VDB_ASSERT_OK(db->Close());
    }
    const auto refused = RollbackMigration(source_.folder());
    EXPECT_EQ(refused.status().code(), StatusCode::kFailedPrecondition) << Text(refused);
    EXPECT_TRUE(std::filesystem::exists(source_.database() + "/CURRENT"));
  };
  change([](Database& db) { VDB_EXPECT_OK(db.OpenCollection("docs")->Put({.key = "new"})); });
  change([](Database& db) { VDB_EXPECT_OK(db.CreateCollection("more")); });
  change([](Database& db) {
    VDB_EXPECT_OK(db.OpenCollection("docs")->SetMetadata("key1\x80", "{}"));
  });
}

TEST_F(MigrateTest, RollbackNeedsTheDatabaseToItself) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  for (const bool read_only : {false, true}) {
    auto db = OpenFolder(read_only);
    VDB_ASSERT_OK(db);
    EXPECT_EQ(RollbackMigration(source_.folder()).status().code(),
              StatusCode::kFailedPrecondition);
    VDB_ASSERT_OK(db->Close());
  }
  WriteFile(source_.database() + "/mine.txt", "x");
  EXPECT_EQ(RollbackMigration(source_.folder()).status().code(), StatusCode::kFailedPrecondition);
  std::filesystem::remove(source_.database() + "/mine.txt");
  VDB_EXPECT_OK(RollbackMigration(source_.folder()));
}

TEST_F(MigrateTest, RollbackLeavesOtherDatabasesAlone) {
  {
    auto made = Database::Open(source_.database(), {.create_if_missing = true});
    VDB_ASSERT_OK(made);
  }
  EXPECT_EQ(RollbackMigration(source_.folder()).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Migrate(source_.folder()).status().code(), StatusCode::kFailedPrecondition);
}

// --- opens ---

TEST_F(MigrateTest, OpensOfTheFolderGoToItsDatabase) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  for (const bool read_only : {true, false}) {
    auto db = OpenFolder(read_only);
    VDB_ASSERT_OK(db);
    EXPECT_EQ(db->Stats()->path, source_.database());
    EXPECT_TRUE(log_.empty()) << log_[0];
  }
  WriteFile(source_.file(), "something else");
  auto db = OpenFolder();
  VDB_ASSERT_OK(db);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("vdbtool migrate"), std::string::npos) << log_[0];
}

TEST_F(MigrateTest, AReadOnlyOpenOfALegacyFolderWritesNothing) {
  EXPECT_EQ(OpenFolder(true).status().code(), StatusCode::kFailedPrecondition);
  DatabaseOptions forbidden;
  forbidden.migrate_legacy = false;
  const auto refused = Database::Open(source_.folder(), forbidden);
  EXPECT_EQ(refused.status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_NE(refused.status().message().find("vdbtool migrate"), std::string::npos);
  ExpectNothingMade();
}

TEST_F(MigrateTest, EveryFlippedByteOfTheRecordIsFoundAndHarmless) {
  VDB_ASSERT_OK(source_.Migrate(MakeFakeCache(30)));
  const std::string path = source_.database() + "/MIGRATED";
  const std::string good = ReadFile(path);
  ASSERT_GT(good.size(), 64u);
  for (size_t i = 0; i <= good.size(); ++i) {
    std::string bad = good;
    if (i == good.size()) {
      bad += 'x';
    } else {
      bad[i] = static_cast<char>(bad[i] ^ 0x10);
    }
    WriteFile(path, bad);
    EXPECT_FALSE(engine::ReadMigrationRecord(*storage::PosixFileSystem(), source_.database()).ok())
        << i;
    if (i % 40 != 0) continue;
    log_.clear();
    auto db = OpenFolder(/*read_only=*/true);
    VDB_ASSERT_OK(db);
    ASSERT_EQ(log_.size(), 1u);
    EXPECT_EQ(log_[0][0], '2') << log_[0];
    const auto report = db->Verify();
    VDB_ASSERT_OK(report);
    ASSERT_EQ(report->problem_count, 1u) << i;
    EXPECT_EQ(report->problems[0].file, "MIGRATED");
  }
}

}  // namespace
}  // namespace vdb::testing
