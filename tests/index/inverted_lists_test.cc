// Index files of segments: what the writer writes is what the codes are, however it comes in; and a
// flipped bit anywhere is noticed, where it is and not elsewhere.
#include "index/inverted_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "index/codes.h"
#include "index/kernels/kernels.h"
#include "tests/support/aligned_bytes.h"

namespace vdb::index {
namespace {

using Vector = std::vector<float>;

// A codebook, and coded rows that lie list by list.
struct Rows {
  Rows(uint32_t d, uint32_t lists, size_t count, Metric metric) {
    std::mt19937_64 random(d + lists + count);
    std::normal_distribution<float> gaussian(0, 1);
    Vector x(std::max<size_t>(count, 64) * d);
    for (float& value : x) value = gaussian(random);
    TrainOptions options;
    options.epoch_id = 5;
    options.dimension = d;
    options.metric = metric;
    options.list_count = lists;
    const RowSource source = [&](uint64_t row, float* out) {
      std::copy_n(x.data() + row * d, d, out);
      return true;
    };
    book = Codebook::Train(options, x.size() / d, source).value();
    const uint32_t padded = book->padded();
    Vector y(count * padded), scratch(padded);
    for (size_t i = 0; i < count; ++i) {
      book->ToCoded(*ActiveKernels().value(), x.data() + i * d, y.data() + i * padded,
                    scratch.data());
    }
    std::vector<uint32_t> found(count);
    book->Assign(y.data(), count, found.data(), &scratch);
    for (uint32_t list = 0; list < book->list_count(); ++list) {
      row_begin.push_back(static_cast<uint32_t>(list_of.size()));
      for (size_t i = 0; i < count; ++i) {
        if (found[i] != list) continue;
        coded.insert(coded.end(), y.data() + i * padded, y.data() + (i + 1) * padded);
        lengths.push_back(std::sqrt(static_cast<double>(d)));
        list_of.push_back(list);
      }
    }
    row_begin.push_back(static_cast<uint32_t>(list_of.size()));
  }
  std::shared_ptr<const Codebook> book;
  Vector coded;
  std::vector<double> lengths;
  std::vector<uint32_t> list_of, row_begin;
};

struct Written {
  std::string bytes;
  uint64_t checksum = 0;
};

// Writes the rows `at_once` at a time, and `loose` more.
Written Write(const Rows& rows, uint64_t loose, size_t at_once, uint32_t threads) {
  Written out;
  std::string::size_type past = 0;
  const ByteSink sink = [&](uint64_t offset, std::span<const std::byte> bytes) {
    past = std::max<size_t>(past, offset + bytes.size());
    out.bytes.resize(past, '?');
    std::memcpy(out.bytes.data() + offset, bytes.data(), bytes.size());
    return Status::Ok();
  };
  const uint32_t padded = rows.book->padded();
  InvertedListsWriter writer(*rows.book, 9, rows.list_of.size() + loose, rows.row_begin, sink);
  for (size_t i = 0; i < rows.list_of.size(); i += at_once) {
    const size_t count = std::min(at_once, rows.list_of.size() - i);
    EXPECT_TRUE(
        writer.Add(rows.coded.data() + i * padded, rows.lengths.data() + i, count, threads).ok());
  }
  EXPECT_TRUE(writer.Finish(&out.checksum).ok());
  EXPECT_EQ(writer.file_bytes(), out.bytes.size());
  return out;
}

// Every code of the file against the codes one by one.
void ExpectCodesOf(const Rows& rows, const InvertedLists& lists) {
  const uint32_t padded = rows.book->padded();
  const Metric metric = rows.book->metric();
  Vector radius(rows.book->list_count());
  std::vector<uint8_t> block, fine(lists.fine_bytes());
  double residuals = 0, base_max = 0;
  for (size_t i = 0; i < rows.list_of.size(); ++i) {
    if (i % 64 == 0) block.assign(lists.block_bytes(), 0);
    const float* y = rows.coded.data() + i * padded;
    const float* c = rows.book->centroid(rows.list_of[i]);
    EncodeCoarse(metric, padded, y, c, rows.book->mean(), block.data(), i % 64);
    const EncodedRow row = EncodeFine(metric, padded, y, c, rows.book->mean(),
                                      rows.book->RoundingBound(rows.lengths[i]), fine.data());
    radius[rows.list_of[i]] = std::max(radius[rows.list_of[i]], row.reconstructed);
    base_max = std::max(base_max, std::abs(double{row.base}));
    residuals += row.residual;
    const uint8_t* found = lists.FineRows(i, i + 1);
    ASSERT_TRUE(found != nullptr && std::equal(fine.begin(), fine.end(), found)) << i;
    if (i % 64 != 63 && i + 1 != rows.list_of.size()) continue;
    found = lists.Blocks(i / 64, i / 64 + 1);
    ASSERT_TRUE(found != nullptr && std::equal(block.begin(), block.end(), found)) << i;
  }
  for (uint32_t i = 0; i < radius.size(); ++i) EXPECT_EQ(lists.radius(i), radius[i]);
  EXPECT_EQ(lists.header().residual_sum, residuals);
  EXPECT_EQ(lists.header().base_max, base_max);
}

TEST(InvertedLists, HoldTheCodesOfTheirRows) {
  for (const Metric metric : {Metric::kDot, Metric::kL2}) {
    for (const size_t count : {0u, 1u, 63u, 64u, 65u, 3000u}) {
      for (const uint64_t loose : {0u, 1u, 70u}) {
        const Rows rows(100, 12, count, metric);
        const Written written = Write(rows, loose, 1000, 2);
        const AlignedBytes bytes(written.bytes);
        const auto lists =
            InvertedLists::Open(bytes.view(), written.checksum, "f", bytes.keep()).value();
        EXPECT_EQ(lists->rows(), count + loose);
        EXPECT_EQ(lists->loose_begin(), count);
        EXPECT_EQ(lists->header().segment_id, 9u);
        EXPECT_EQ(lists->header().epoch_id, 5u);
        for (uint32_t i = 0; i < 12; ++i) EXPECT_EQ(lists->row_end(i), rows.row_begin[i + 1]);
        ExpectCodesOf(rows, *lists);
        EXPECT_TRUE(lists->CheckAll().ok());
        EXPECT_FALSE(lists->damaged());
      }
    }
  }
}

TEST(InvertedLists, BytesDoNotDependOnHowRowsCome) {
  const Rows rows(200, 30, 2500, Metric::kL2);
  const Written expected = Write(rows, 10, 2500, 1);
  for (const size_t at_once : {1u, 50u, 64u, 777u, 2499u}) {
    const Written found = Write(rows, 10, at_once, at_once == 777 ? 3 : 1);
    EXPECT_EQ(found.checksum, expected.checksum);
    EXPECT_TRUE(found.bytes == expected.bytes) << at_once;
  }
}

// What AddCoded takes from one file makes the same file again, in whatever parts it comes.
TEST(InvertedLists, CodesThatAreTakenOverStayBitForBit) {
  const Rows rows(100, 12, 900, Metric::kCosine);
  const uint64_t loose = 7;
  const Written expected = Write(rows, loose, 900, 1);
  const AlignedBytes bytes(expected.bytes);
  const auto from =
      InvertedLists::Open(bytes.view(), expected.checksum, "f", bytes.keep()).value();
  const uint32_t padded = rows.book->padded();
  for (const size_t at_once : {1u, 63u, 64u, 500u, 900u}) {
    std::string found(expected.bytes.size(), '?');
    const ByteSink sink = [&](uint64_t offset, std::span<const std::byte> piece) {
      std::memcpy(found.data() + offset, piece.data(), piece.size());
      return Status::Ok();
    };
    InvertedListsWriter writer(*rows.book, 9, 900 + loose, rows.row_begin, sink);
    for (size_t i = 0; i < 900; i += at_once) {
      const size_t count = std::min(at_once, 900 - i);
      std::vector<uint8_t> coarse(count * CoarseRowBytes(padded));
      for (size_t j = 0; j < count; ++j) {
        TakeCoarse(padded, from->Blocks((i + j) / 64, (i + j) / 64 + 1),
                   static_cast<uint32_t>((i + j) % 64),
                   coarse.data() + j * CoarseRowBytes(padded));
      }
      ASSERT_TRUE(writer.AddCoded(coarse.data(), from->FineRows(i, i + count), count).ok());
    }
    EXPECT_FALSE(writer.AddCoded(nullptr, nullptr, 1).ok());  // more than the lists have
    for (uint32_t list = 0; list < 12; ++list) writer.CoverList(list, from->radius(list));
    writer.AddResiduals(from->header().residual_sum);
    uint64_t checksum = 0;
    ASSERT_TRUE(writer.Finish(&checksum).ok());
    EXPECT_EQ(checksum, expected.checksum) << at_once;
    EXPECT_TRUE(found == expected.bytes) << at_once;
  }
}

TEST(InvertedLists, FlippedBitsAreNoticedWhereTheyAre) {
  const Rows rows(128, 7, 2000, Metric::kDot);
  const Written written = Write(rows, 3, 2000, 2);
  AlignedBytes bytes(written.bytes);
  const format::ListHeader header =
      InvertedLists::Open(bytes.view(), written.checksum, "f", nullptr).value()->header();
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    const uint64_t at = header.data_offset + random() % (header.file_bytes - header.data_offset);
    bytes.data()[at] ^= static_cast<char>(1 << random() % 8);
    const auto lists = InvertedLists::Open(bytes.view(), written.checksum, "f", nullptr).value();
    const uint64_t blocks = (lists->rows() + 63) / 64;
    EXPECT_TRUE(lists->Blocks(0, blocks) != nullptr ||
                lists->FineRows(0, lists->rows()) != nullptr);
    // Zeros between the planes belong to no block, but to a chunk.
    if (at >= header.fine_offset) {
      const uint64_t row = (at - header.fine_offset) / lists->fine_bytes();
      EXPECT_EQ(lists->FineRows(row, row + 1), nullptr);
      EXPECT_NE(lists->Blocks(0, blocks), nullptr);
      EXPECT_TRUE(lists->damaged());
    }
    const Status status = lists->CheckAll();
    EXPECT_EQ(status.code(), StatusCode::kCorruption);
    EXPECT_NE(status.message().find("'f'"), std::string::npos);
    EXPECT_TRUE(lists->damaged());
    bytes.data()[at] = written.bytes[at];
  }
}

TEST(InvertedLists, ThreadsAgreeOnDamage) {
  const Rows rows(64, 3, 4000, Metric::kDot);
  const Written written = Write(rows, 0, 4000, 2);
  AlignedBytes bytes(written.bytes);
  bytes.data()[bytes.view().size() - 1] ^= 1;
  const auto lists = InvertedLists::Open(bytes.view(), written.checksum, "f", nullptr).value();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t row = 0; row < 4000; ++row) {
        const bool whole = lists->FineRows(row, row + 1) != nullptr;
        if (row < 2000 && !whole) ++wrong;  // far from the last chunk
        if (row == 3999 && whole) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(lists->damaged());
}

TEST(InvertedListsWriter, RefusesWhatDoesNotFit) {
  const Rows rows(10, 4, 100, Metric::kDot);
  uint64_t checksum = 0;
  const ByteSink sink = [](uint64_t, std::span<const std::byte>) { return Status::Ok(); };
  InvertedListsWriter short_of(*rows.book, 1, 100, rows.row_begin, sink);
  EXPECT_EQ(short_of.Finish(&checksum).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(short_of.Add(rows.coded.data(), rows.lengths.data(), 100, 1).ok());
  EXPECT_EQ(short_of.Add(rows.coded.data(), rows.lengths.data(), 1, 1).code(),
            StatusCode::kInvalidArgument);
  for (const std::vector<uint32_t>& begin : {std::vector<uint32_t>{},
                                             {0, 1, 2, 3},
                                             {1, 2, 3, 4, 5},
                                             {0, 9, 8, 9, 10},
                                             {0, 0, 0, 0, 101}}) {
    InvertedListsWriter writer(*rows.book, 1, 100, begin, sink);
    EXPECT_EQ(writer.Add(rows.coded.data(), rows.lengths.data(), 1, 1).code(),
              StatusCode::kInvalidArgument);
    EXPECT_EQ(writer.Finish(&checksum).code(), StatusCode::kInvalidArgument);
  }
  const ByteSink full = [](uint64_t, std::span<const std::byte>) {
    return Status::ResourceExhausted("full");
  };
  InvertedListsWriter failing(*rows.book, 1, 100, rows.row_begin, full);
  ASSERT_TRUE(failing.Add(rows.coded.data(), rows.lengths.data(), 100, 1).ok());
  EXPECT_EQ(failing.Finish(&checksum).code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace vdb::index
