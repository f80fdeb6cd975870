// The levels of verify: contents that are wrong under right checksums are found by the level that
// promises it, and by none before it.
#include <limits>

#include "format/field_entry.h"
#include "format/field_value.h"
#include "format/text_entry.h"
#include "tests/engine/planted_files.h"
#include "tests/engine/planted_store.h"
#include "vdb/verify.h"

namespace vdb::testing {
namespace {

using Rows = PlantedFiles::Rows;
using Index = PlantedFiles::Index;

class VerifyTest : public DamageTest {
 protected:
  void Make() {
    auto db = Open();
    Fill(db);
    VDB_ASSERT_OK(db.Close());
    ASSERT_EQ(Problems(VerifyLevel::kFull), "");
  }

  std::string Problems(VerifyLevel level) {
    auto db = OpenReadOnly();
    EXPECT_TRUE(db.ok()) << Text(db);
    if (!db.ok()) return Text(db);
    auto report = db->Verify({.level = level});
    EXPECT_TRUE(report.ok()) << Text(report);
    std::string text;
    for (const auto& problem : report->problems) {
      text += problem.file + " " + problem.where + ": " + problem.message + "\n";
    }
    return text;
  }

  // `words` are in what the level finds; the one before it finds nothing. A repair mends it, and
  // loses at most so many vectors.
  void ExpectFoundBy(VerifyLevel level, const std::string& words, uint64_t losses_max = 0) {
    const auto before = static_cast<VerifyLevel>(static_cast<int>(level) - 1);
    EXPECT_EQ(Problems(before), "") << "expected only later: " << words;
    EXPECT_NE(Problems(level).find(words), std::string::npos)
        << words << " is not in: " << Problems(level);
    const std::string copy = scratch_ / "mended";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(Path(), copy, std::filesystem::copy_options::recursive);
    const auto repaired = Repair(copy);
    VDB_ASSERT_OK(repaired);
    EXPECT_TRUE(repaired->needed) << words;
    EXPECT_LE(repaired->loss_count, losses_max) << words;
    for (const auto& problem : repaired->verified.problems) {
      ADD_FAILURE() << words << ": after the repair: " << problem.file << " " << problem.where
                    << ": " << problem.message;
    }
  }

  static bool Indexed(const format::SegmentEntry& entry) {
    return entry.epoch_id != 0 && entry.rows >= 8;
  }
  static bool Ordered(const format::SegmentEntry& entry) {
    return entry.sorted_rows < entry.rows && entry.rows >= 8;
  }
};

TEST_F(VerifyTest, LevelsLookDeeperAndDeeper) {
  Make();
  auto db = OpenReadOnly();
  VDB_ASSERT_OK(db);
  const auto quick = db->Verify({.level = VerifyLevel::kQuick});
  const auto checksums = db->Verify({.level = VerifyLevel::kChecksums});
  const auto references = db->Verify();
  const auto full = db->Verify({.level = VerifyLevel::kFull});
  VDB_ASSERT_OK(quick);
  VDB_ASSERT_OK(full);
  EXPECT_EQ(quick->rows_checked, 0u);
  EXPECT_EQ(quick->documents_checked, 0u);
  EXPECT_GT(checksums->bytes_checked, quick->bytes_checked);
  EXPECT_EQ(checksums->documents_checked, 150u - 17 - 1 + 1 + 7);
  EXPECT_GT(references->rows_checked, 150u);
  EXPECT_EQ(references->documents_checked, checksums->documents_checked);
  EXPECT_EQ(references->codes_checked, 0u);
  EXPECT_GT(full->codes_checked, 100u);
  EXPECT_GT(full->searches_checked, 50u);
}

TEST_F(VerifyTest, SwappedDocnos) {
  Make();
  {
    PlantedFiles files(Path());
    files.EditSegment(files.Find(Indexed), [](Rows* rows) {
      std::swap(rows->records[2].docno, rows->records[3].docno);
    });
  }
  ExpectFoundBy(VerifyLevel::kReferences, "contradicts the segment's", 4);
}

TEST_F(VerifyTest, AnOrderThatIsNoPermutation) {
  Make();
  {
    PlantedFiles files(Path());
    files.EditSegment(files.Find(Ordered), [](Rows* rows) { rows->order[4] = rows->order[3]; });
  }
  ExpectFoundBy(VerifyLevel::kReferences, "expected ascending docnos");
}

TEST_F(VerifyTest, RowsThatNoWriteMakes) {
  Make();
  const struct {
    const char* words;
    std::function<void(Rows*)> edit;
  } cases[] = {
      {"expected unit length", [](Rows* rows) { rows->values[0] *= 1.001f; }},
      {"not finite", [](Rows* rows) { rows->values[1] = std::numeric_limits<float>::quiet_NaN(); }},
      {"expected a finite norm", [](Rows* rows) { rows->records[0].norm = -1; }},
      {"its norm is 0", [](Rows* rows) { rows->records[0].norm = 0; }},
      {"contradicts the segment's", [](Rows* rows) { rows->records[1].docno = 1'000'000; }},
  };
  for (const auto& one : cases) {
    Rows old;
    {
      PlantedFiles files(Path());
      files.EditSegment(files.Find(Indexed), [&](Rows* rows) {
        old = *rows;
        one.edit(rows);
      });
    }
    ExpectFoundBy(VerifyLevel::kReferences, one.words, 2);
    {
      PlantedFiles files(Path());
      files.EditSegment(files.Find(Indexed), [&](Rows* rows) { *rows = old; });
    }
    ASSERT_EQ(Problems(VerifyLevel::kFull), "") << one.words;
  }
}

TEST_F(VerifyTest, AnotherNormOrVectorThanItsCode) {
  Make();
  {
    PlantedFiles files(Path());
    files.EditSegment(files.Find(Indexed), [](Rows* rows) { rows->records[0].norm *= 2; });
  }
  ExpectFoundBy(VerifyLevel::kFull, "code is not that of its row");
}

TEST_F(VerifyTest, CodesListsAndRadii) {
  Make();
  const struct {
    const char* words;
    std::function<void(Index*)> edit;
  } cases[] = {
      {"coarse code is not", [](Index* index) { index->data[3] ^= 1; }},
      {"fine code is not",
       [](Index* index) {
         index->data[index->header.fine_offset - index->header.data_offset + 12] ^= 1;
       }},
      {"code is not", [](Index* index) {
         uint32_t& begin = index->row_begin[1];
         begin = begin > 0 ? begin - 1 : begin + 1;
       }},
      {"than the radius", [](Index* index) { index->radius[0] = index->radius[1] = 0; }},
  };
  for (const auto& one : cases) {
    Index old;
    {
      PlantedFiles files(Path());
      files.EditIndex(files.Find(Indexed), [&](Index* index) {
        old = *index;
        one.edit(index);
      });
    }
    ExpectFoundBy(VerifyLevel::kFull, one.words);
    PlantedFiles files(Path());
    files.EditIndex(files.Find(Indexed), [&](Index* index) { *index = old; });
  }
}

TEST_F(VerifyTest, ALiveRowIsMasked) {
  Make();
  {
    PlantedFiles files(Path());
    auto* entry = files.Find([](const auto& e) { return e.mask_generation != 0 && e.rows > 8; });
    std::vector<uint64_t> all;
    for (uint64_t row = 0; row < entry->rows; ++row) all.push_back(row);
    files.EditMask(entry, all);
  }
  ExpectFoundBy(VerifyLevel::kReferences, "masked as dead");
}

TEST_F(VerifyTest, AKeyOfARowIsAnother) {
  Make();
  {
    PlantedFiles files(Path());
    files.EditSegment(files.Find(Indexed), [](Rows* rows) { rows->keys[6] ^= 1; });
  }
  ExpectFoundBy(VerifyLevel::kReferences, "another key", 2);
}

TEST_F(VerifyTest, FieldEntriesAndPostings) {
  Make();
  format::Manifest manifest;
  { manifest = PlantedFiles(Path()).manifest(); }
  const auto& indexes = manifest.collections[0].field_indexes;
  ASSERT_EQ(indexes.size(), 2u);
  const uint32_t ordered = indexes[0].id, text = indexes[1].id;
  const auto first = [&](storage::DocumentStore& store, const std::string& prefix) {
    auto cursor = store.NewCursor(prefix);
    return std::pair(std::string((*cursor)->key()), std::string((*cursor)->value()));
  };
  const struct {
    const char* words;
    std::function<void(storage::DocumentStore&, storage::StoreBatch*)> plant;
  } cases[] = {
      {"an entry is missing",
       [&](auto& store, auto* batch) {
         batch->Delete(first(store, format::FieldIndexPrefix(ordered)).first);
       }},
      {"no document has the entry",
       [&](auto& store, auto* batch) {
         const auto entry = first(store, format::FieldIndexPrefix(ordered));
         batch->Put(entry.first + "x", entry.second);
       }},
      {"another docno or flag",
       [&](auto& store, auto* batch) {
         const auto entry = first(store, format::FieldIndexPrefix(ordered));
         batch->Put(entry.first, format::FieldEntryValue(99999, false));
       }},
      {"other figures",
       [&](auto& store, auto* batch) {
         auto posting = first(store, format::TextIndexPrefix(text));
         posting.second[0] = static_cast<char>(posting.second[0] + 1);
         batch->Put(posting.first, posting.second);
       }},
  };
  const std::string whole = scratch_ / "whole";
  std::filesystem::copy(Path(), whole, std::filesystem::copy_options::recursive);
  for (const auto& one : cases) {
    std::filesystem::remove_all(Path());
    std::filesystem::copy(whole, Path(), std::filesystem::copy_options::recursive);
    {
      PlantedStore planted(Path());
      planted.Write([&](storage::StoreBatch* batch) { one.plant(planted.store(), batch); });
    }
    ExpectFoundBy(VerifyLevel::kReferences, one.words);
  }
}

TEST_F(VerifyTest, AManyTimesDamagedDatabaseHasAShortReport) {
  options_.segment_rows_max = 4000;
  auto db = Open();
  auto docs = MakeDocs(db);
  WriteBatch batch;
  for (int i = 0; i < 3000; ++i) {
    const std::vector<float> v = {float(i), 1};
    batch.Put({.key = "k" + std::to_string(i), .vectors = {{"v", v}}});
  }
  VDB_ASSERT_OK(docs.Write(batch));
  VDB_ASSERT_OK(db.Close());
  const std::string file = Path() + "/segments/000001.npy";
  std::string bytes = ReadBytes(file);
  for (size_t at = 4096; at < bytes.size(); at += 4) bytes[at] ^= 1;
  WriteBytes(file, bytes);
  auto reader = OpenReadOnly();
  VDB_ASSERT_OK(reader);
  const auto report = reader->Verify();
  VDB_ASSERT_OK(report);
  EXPECT_GE(report->problem_count, 3000u);
  EXPECT_EQ(report->problems.size(), 1000u);
}

}  // namespace
}  // namespace vdb::testing
