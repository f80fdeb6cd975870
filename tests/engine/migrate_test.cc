// Migration of a cache that is a list in memory: the pipeline, the proof, publishing.
#include <cstring>
#include <random>
#include <thread>

#include "format/row_record.h"
#include "format/segment_layout.h"
#include "tests/engine/migrate_fixture.h"
#include "tests/support/passing_file_system.h"

namespace vdb::testing {
namespace {

using format::LegacyReason;

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
class PlantingFileSystem final : public PassingFileSystem {
 public:
  explicit PlantingFileSystem(std::function<void(const std::string& rows)> plant)
      : plant_(std::move(plant)) {}
  StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                storage::OpenMode mode) override {
    const bool reads = mode == storage::OpenMode::kRead && path.ends_with("segments/000001.npy");
    if (reads && !std::exchange(planted_, true)) plant_(path);
    return PassingFileSystem::Open(path, mode);
  }
  bool planted() const { return planted_; }

 private:
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

}  // namespace
}  // namespace vdb::testing
