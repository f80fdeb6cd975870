// Segments: append, find, seal, and what recovery makes of their tails.
#include "storage/segment.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/scratch_dir.h"

namespace vdb::storage {
namespace {

using format::SegmentFile;
using format::WatermarkRecord;

class SegmentTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kDimension = 4;
  const format::SegmentIdentity identity_ = {3, 1, kDimension, std::string(32, 'a')};

  std::shared_ptr<Segment> Create() {
    auto segment = Segment::Create(*PosixFileSystem(), scratch_.path(), identity_, {100, 10000});
    EXPECT_TRUE(segment.ok()) << segment.status().ToString();
    return *segment;
  }
  void Append(Segment& segment, std::vector<uint64_t> docnos) {
    values_.assign(docnos.size() * kDimension, 0.5f);
    std::vector<std::string> keys;
    for (const uint64_t docno : docnos) keys.push_back("key" + std::to_string(docno));
    std::vector<NewRow> rows;
    for (size_t i = 0; i < docnos.size(); ++i) {
      rows.push_back({docnos[i], 2.0, values_.data() + i * kDimension, keys[i]});
      mark_.docno_min = mark_.rows == 0 ? docnos[i] : std::min(mark_.docno_min, docnos[i]);
      if (mark_.sorted_rows == mark_.rows && (mark_.rows == 0 || docnos[i] > mark_.docno_max)) {
        ++mark_.sorted_rows;
      }
      mark_.docno_max = std::max(mark_.docno_max, docnos[i]);
      ++mark_.rows;
      mark_.key_bytes += keys[i].size();
    }
    ASSERT_TRUE(segment.Append(rows).ok());
  }
  void Sync(Segment& segment) {
    const auto mark = segment.BeginSync();
    for (int part = 0; part < Segment::kSyncParts; ++part) {
      ASSERT_TRUE(segment.SyncPart(part).ok());
    }
    segment.EndSync(mark);
  }
  StatusOr<std::shared_ptr<Segment>> Reopen(bool sealed) {
    return Segment::Open(*PosixFileSystem(), scratch_.path(), identity_,
                         {.rows = mark_.rows, .key_bytes = mark_.key_bytes,
                          .sorted_rows = mark_.sorted_rows, .sealed = sealed,
                          .for_append = !sealed, .capacity = {100, 10000}});
  }
  void ExpectFinds(const Segment& segment, const std::vector<uint64_t>& docnos) {
    for (size_t i = 0; i < docnos.size(); ++i) {
      const auto row = segment.FindDocno(docnos[i], mark_);
      ASSERT_TRUE(row.ok());
      ASSERT_TRUE(row->has_value()) << docnos[i];
      EXPECT_EQ(**row, i);
      EXPECT_EQ(segment.KeyOf(**row, mark_.key_bytes), "key" + std::to_string(docnos[i]));
      EXPECT_TRUE(segment.CheckRow(**row, mark_.key_bytes).ok());
    }
    for (const uint64_t absent : {0, 4, 1000}) {
      EXPECT_FALSE(segment.FindDocno(absent, mark_)->has_value());
    }
  }
  std::string PathOf(SegmentFile file) const {
    return scratch_ / format::SegmentFileName(identity_.segment_id, file);
  }

  testing::ScratchDir scratch_;
  std::vector<float> values_;
  WatermarkRecord mark_;
};

TEST_F(SegmentTest, FindsDocnosInAnyOrder) {
  const std::vector<uint64_t> docnos = {1, 2, 3, 10, 20, 7, 5, 30, 6};
  auto segment = Create();
  Append(*segment, docnos);
  EXPECT_EQ(mark_.sorted_rows, 5u);
  ExpectFinds(*segment, docnos);
  format::SegmentEntry entry;
  Sync(*segment);
  ASSERT_TRUE(segment->Seal(mark_, &entry).ok());
  EXPECT_TRUE(entry.sealed);
  EXPECT_EQ(entry.sorted_rows, 5u);
  auto sealed = Reopen(true);
  ASSERT_TRUE(sealed.ok()) << sealed.status().ToString();
  ExpectFinds(**sealed, docnos);
}

TEST_F(SegmentTest, ReopenAppendsAtTheWatermark) {
  auto segment = Create();
  Append(*segment, {1, 2, 3});
  const WatermarkRecord kept = mark_;
  Append(*segment, {100, 101});  // never committed
  mark_ = kept;
  auto again = Reopen(false);
  ASSERT_TRUE(again.ok());
  Append(**again, {5, 6});
  ExpectFinds(**again, {1, 2, 3, 5, 6});
}

TEST_F(SegmentTest, AFailedRoundIsOverwrittenAndSyncedAgain) {
  auto segment = Create();
  Append(*segment, {1, 2});
  Sync(*segment);
  const WatermarkRecord kept = mark_;
  Append(*segment, {9});
  Sync(*segment);
  segment->ResetTo(kept.rows, kept.key_bytes);
  mark_ = kept;
  Append(*segment, {3});
  EXPECT_TRUE(segment->dirty());  // although as many rows were synced before
  ExpectFinds(*segment, {1, 2, 3});
}

TEST_F(SegmentTest, ShortFilesAreCorruption) {
  {
    auto segment = Create();
    Append(*segment, {1, 2, 3});
  }
  for (const SegmentFile file : {SegmentFile::kRows, SegmentFile::kRecords, SegmentFile::kKeys}) {
    auto opened = *PosixFileSystem()->Open(PathOf(file), OpenMode::kReadWrite);
    const std::string bytes = *ReadWholeFile(*PosixFileSystem(), PathOf(file), 1 << 20);
    for (const size_t size : {size_t{0}, size_t{100}, size_t{4096}, bytes.size() - 1}) {
      ASSERT_TRUE(opened->Truncate(size).ok());
      EXPECT_EQ(Reopen(false).status().code(), StatusCode::kCorruption);
    }
    ASSERT_TRUE(opened->WriteAt(0, std::as_bytes(std::span(bytes))).ok());
  }
  EXPECT_TRUE(Reopen(false).ok());
  ASSERT_TRUE(PosixFileSystem()->Remove(PathOf(SegmentFile::kKeys)).ok());
  EXPECT_EQ(Reopen(false).status().code(), StatusCode::kCorruption);
}

TEST_F(SegmentTest, TailRecoveryStopsAtTheFirstDamagedRow) {
  {
    auto segment = Create();
    Append(*segment, {1, 2, 3, 4, 5, 6});
  }
  auto file = *PosixFileSystem()->Open(PathOf(SegmentFile::kRows), OpenMode::kReadWrite);
  const std::byte garbage[3] = {};
  ASSERT_TRUE(file->WriteAt(format::RowsFileBytes(4, kDimension) + 5, garbage).ok());
  auto segment = Segment::Open(*PosixFileSystem(), scratch_.path(), identity_,
                               {.for_append = true, .recovering = true});
  ASSERT_TRUE(segment.ok());
  const auto whole = (*segment)->MakeTailDurable();
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(*whole, 4u);
}

TEST_F(SegmentTest, KeysOutOfBoundsAreNotRead) {
  auto segment = Create();
  Append(*segment, {1, 2});
  auto file = *PosixFileSystem()->Open(PathOf(SegmentFile::kRecords), OpenMode::kReadWrite);
  format::RowRecord record = segment->records()[1];
  record.key_offset = UINT64_MAX - 2;
  ASSERT_TRUE(file->WriteAt(format::RecordsFileBytes(1),
                            std::as_bytes(std::span(&record, 1))).ok());
  EXPECT_EQ(segment->KeyOf(1, mark_.key_bytes), "");
  EXPECT_EQ(segment->CheckRow(1, mark_.key_bytes).code(), StatusCode::kCorruption);
  EXPECT_TRUE(segment->CheckRow(0, mark_.key_bytes).ok());
}

}  // namespace
}  // namespace vdb::storage
