// The two files of the vector index against damage: cut anywhere, any bit of header and directory
// flipped, and sizes made up by an enemy who knows the checksums. Typed errors, no crash, and no
// allocation that follows a count from disk.
#include "format/index_layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/frame.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/some_epoch.h"

namespace vdb::format {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

using Epoch = testing::SomeEpoch;

Status OpenEpoch(const std::string& bytes) {
  return DecodeEpoch(AlignedBytes(bytes).view(), "epoch").status();
}

TEST(EpochFile, RoundTrip) {
  const Epoch epoch;
  const AlignedBytes bytes(epoch.Bytes());
  EXPECT_EQ(bytes.view().size(), 192 + 4 * (64 + 192 + 3) + BlockBytes(64));
  const EpochView view = DecodeEpoch(bytes.view(), "epoch").value();
  EXPECT_EQ(std::memcmp(&view.header, &epoch.header, sizeof(EpochHeader)), 0);
  EXPECT_EQ(std::vector<float>(view.mean.begin(), view.mean.end()), epoch.mean);
  EXPECT_EQ(std::vector<float>(view.centroids.begin(), view.centroids.end()), epoch.centroids);
  EXPECT_EQ(std::vector<float>(view.rho.begin(), view.rho.end()), epoch.rho);
  EXPECT_EQ(std::vector<uint8_t>(view.centroid_blocks.begin(), view.centroid_blocks.end()),
            epoch.blocks);
}

TEST(EpochFile, CutAnywhereOrLonger) {
  const std::string bytes = Epoch().Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(OpenEpoch(bytes.substr(0, size)).code(), StatusCode::kCorruption) << size;
  }
  EXPECT_EQ(OpenEpoch(bytes + '\0').code(), StatusCode::kCorruption);
  EXPECT_TRUE(OpenEpoch(bytes).ok());
}

TEST(EpochFile, AnyBitFlipped) {
  std::string bytes = Epoch().Bytes();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ASSERT_EQ(OpenEpoch(bytes).code(), StatusCode::kCorruption) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST(EpochFile, HostileNumbersWithGoodChecksums) {
  const auto refused = [](const std::function<void(Epoch*)>& change) {
    Epoch epoch;
    change(&epoch);
    return OpenEpoch(epoch.Bytes()).code() == StatusCode::kCorruption;
  };
  for (const uint32_t n : {0u, 2u, 4u, 64u, 65u, kListCountMax, kListCountMax + 1, UINT32_MAX}) {
    EXPECT_TRUE(refused([n](Epoch* e) { e->header.list_count = n; })) << n;
  }
  for (const uint32_t n : {0u, 65u, 65535u, 65536u, UINT32_MAX}) {
    EXPECT_TRUE(refused([n](Epoch* e) { e->header.dimension = n; })) << n;
    EXPECT_TRUE(refused([n](Epoch* e) {
      e->header.dimension = n;
      e->header.padded_dimension = PaddedDimension(n);
    })) << n;
  }
  for (const uint32_t n : {0u, 10u, 128u, UINT32_MAX}) {
    EXPECT_TRUE(refused([n](Epoch* e) { e->header.padded_dimension = n; })) << n;
  }
  for (const double scale : {0.0, -1.0, 0.3, 3.0, 0x1p101, 0x1p-101, 1e-310, double{INFINITY},
                             double{kNan}}) {
    EXPECT_TRUE(refused([scale](Epoch* e) { e->header.scale = scale; })) << scale;
  }
  EXPECT_FALSE(refused([](Epoch* e) { e->header.scale = 0x1p100; }));
  EXPECT_FALSE(refused([](Epoch* e) { e->header.scale = 0x1p-100; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->header.metric = 0; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->header.metric = 4; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->header.reserved = 1; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->header.mean_residual = double{kNan}; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->header.imbalance = -1; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->mean[63] = kNan; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->centroids[100] = INFINITY; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->rho[2] = -1; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->rho[0] = kNan; }));
  EXPECT_TRUE(refused([](Epoch* e) { e->rho.push_back(1); }));
  EXPECT_TRUE(refused([](Epoch* e) { e->blocks.pop_back(); }));
  Epoch other;
  other.header.rotation_algorithm = 2;
  EXPECT_EQ(OpenEpoch(other.Bytes()).code(), StatusCode::kUnsupportedFormat);
}

// A file of 130 rows, 128 of them in lists; its data are not checked by the decoder.
struct ListFile {
  ListFile() {
    header.segment_id = 4;
    header.epoch_id = 3;
    header.rows = 130;
    header.padded_dimension = 64;
    header.list_count = 3;
    header.base_max = 1.5;
    header.residual_sum = 100;
    LayOutListFile(&header);
    sums.assign(header.chunk_count, 0xABCDu);
  }
  std::string Bytes() {
    std::string bytes = EncodeListDirectory(header, row_begin, radius, sums, &checksum);
    bytes.resize(header.file_bytes, 'x');
    return bytes;
  }
  ListHeader header;
  std::vector<uint32_t> row_begin = {0, 100, 100, 128};
  std::vector<float> radius = {1, 0, 2};
  std::vector<uint64_t> sums;
  uint64_t checksum = 0;
};

Status OpenLists(const std::string& bytes, uint64_t checksum) {
  return DecodeListFile(AlignedBytes(bytes).view(), checksum, "lists").status();
}

TEST(ListFileLayout, PlanesStartWhereTheyMay) {
  for (const uint64_t rows : {0u, 1u, 64u, 65u, 1000u, 1000000u, UINT32_MAX}) {
    for (const uint32_t padded : {64u, 768u, 65536u}) {
      for (const uint32_t fine : {0u, 1u}) {
        ListHeader header;
        header.rows = rows;
        header.padded_dimension = padded;
        header.list_count = 1000;
        header.has_fine_codes = fine;
        LayOutListFile(&header);
        const uint64_t blocks = (rows + 63) / 64 * BlockBytes(padded);
        EXPECT_EQ(header.data_offset % 4096, 0u);
        EXPECT_GE(header.data_offset, 64 + sizeof(ListHeader) + 8004 + 8 * header.chunk_count);
        EXPECT_EQ(header.chunk_count,
                  (header.file_bytes - header.data_offset + kIndexChunkBytes - 1) /
                      kIndexChunkBytes);
        if (fine == 0) {
          EXPECT_EQ(header.file_bytes, header.data_offset + blocks);
          EXPECT_EQ(header.fine_offset, 0u);
          continue;
        }
        EXPECT_EQ((header.fine_offset - header.data_offset) % kIndexChunkBytes, 0u);
        EXPECT_GE(header.fine_offset, header.data_offset + blocks);
        EXPECT_LT(header.fine_offset, header.data_offset + blocks + kIndexChunkBytes);
        EXPECT_EQ(header.file_bytes, header.fine_offset + rows * FineRowBytes(padded));
      }
    }
  }
}

TEST(ListFileLayout, RoundTrip) {
  ListFile file;
  const AlignedBytes bytes(file.Bytes());
  const ListView view = DecodeListFile(bytes.view(), file.checksum, "lists").value();
  EXPECT_EQ(std::memcmp(&view.header, &file.header, sizeof(ListHeader)), 0);
  EXPECT_EQ(std::vector<uint32_t>(view.row_begin.begin(), view.row_begin.end()), file.row_begin);
  EXPECT_EQ(std::vector<float>(view.radius.begin(), view.radius.end()), file.radius);
  EXPECT_EQ(std::vector<uint64_t>(view.chunk_sums.begin(), view.chunk_sums.end()), file.sums);
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.view().data());
  EXPECT_EQ(view.blocks, data + file.header.data_offset);
  EXPECT_EQ(view.fine_rows, data + file.header.fine_offset);
  file.header.has_fine_codes = 0;
  LayOutListFile(&file.header);
  file.sums.resize(file.header.chunk_count);
  const AlignedBytes flat(file.Bytes());
  EXPECT_EQ(DecodeListFile(flat.view(), file.checksum, "lists").value().fine_rows, nullptr);
}

TEST(ListFileLayout, CutAnywhereOrLonger) {
  ListFile file;
  const std::string bytes = file.Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size > 5000 && size % 97 != 0 && size + 100 < bytes.size()) continue;  // all alike: data
    ASSERT_EQ(OpenLists(bytes.substr(0, size), file.checksum).code(), StatusCode::kCorruption)
        << size;
  }
  EXPECT_EQ(OpenLists(bytes + '\0', file.checksum).code(), StatusCode::kCorruption);
  EXPECT_TRUE(OpenLists(bytes, file.checksum).ok());
  EXPECT_EQ(OpenLists(bytes, file.checksum + 1).code(), StatusCode::kCorruption);
}

TEST(ListFileLayout, AnyBitOfHeaderAndDirectoryFlipped) {
  ListFile file;
  AlignedBytes bytes(file.Bytes());
  for (size_t bit = 0; bit < file.header.data_offset * 8; ++bit) {
    char& byte = bytes.data()[bit / 8];
    byte = static_cast<char>(byte ^ 1 << bit % 8);
    ASSERT_EQ(DecodeListFile(bytes.view(), file.checksum, "lists").status().code(),
              StatusCode::kCorruption)
        << bit;
    byte = static_cast<char>(byte ^ 1 << bit % 8);
  }
}

// The header with any number in it, frame and checksums made to fit, in a file as long as the
// original: whatever the numbers ask for must not be believed.
Status OpenHostile(const std::function<void(ListHeader*)>& change) {
  ListFile file;
  std::string bytes = file.Bytes();
  change(&file.header);
  std::memcpy(bytes.data() + kFrameBytes, &file.header, sizeof(ListHeader));
  const size_t directory = std::min<uint64_t>(4096, bytes.size());
  bytes.replace(0, kFrameBytes,
                EncodeFrameHeader(kListMagic, bytes.size() - kFrameBytes,
                                  Hash64(bytes.data() + kFrameBytes, directory - kFrameBytes)));
  return OpenLists(bytes, Hash64(bytes.data(), directory));
}

TEST(ListFileLayout, HostileHeaders) {
  EXPECT_TRUE(OpenHostile([](ListHeader*) {}).ok());
  constexpr uint64_t kHuge[] = {0,          1,          129,        1u << 20,        UINT32_MAX,
                                1ull << 32, 1ull << 40, 1ull << 63, UINT64_MAX - 63, UINT64_MAX};
  uint64_t ListHeader::*const wide[] = {&ListHeader::rows, &ListHeader::chunk_count,
                                        &ListHeader::data_offset, &ListHeader::fine_offset,
                                        &ListHeader::file_bytes, &ListHeader::reserved};
  uint32_t ListHeader::*const narrow[] = {&ListHeader::padded_dimension, &ListHeader::list_count,
                                          &ListHeader::has_fine_codes, &ListHeader::chunk_bytes};
  for (const uint64_t number : kHuge) {
    for (const auto field : wide) {
      for (const bool laid_out : {false, true}) {
        const Status status = OpenHostile([&](ListHeader* header) {
          const bool same = header->*field == number || (field == &ListHeader::reserved && !number);
          header->*field = same ? number + 3 : number;
          if (laid_out && field == &ListHeader::rows) LayOutListFile(header);
        });
        EXPECT_EQ(status.code(), StatusCode::kCorruption) << number;
      }
    }
    for (const auto field : narrow) {
      // One list with the start of this directory is a valid file.
      if (field == &ListHeader::list_count && number == 1) continue;
      const Status status = OpenHostile([&](ListHeader* header) {
        const auto value = static_cast<uint32_t>(number);
        header->*field = header->*field == value ? value + 2 : value;
        if (field == &ListHeader::padded_dimension && value > 0) LayOutListFile(header);
      });
      EXPECT_EQ(status.code(), StatusCode::kCorruption) << number;
    }
  }
  EXPECT_FALSE(OpenHostile([](ListHeader* h) { h->base_max = double{kNan}; }).ok());
  EXPECT_FALSE(OpenHostile([](ListHeader* h) { h->residual_sum = -1; }).ok());
}

TEST(ListFileLayout, HostileDirectories) {
  for (const std::vector<uint32_t>& begin :
       {std::vector<uint32_t>{1, 100, 100, 128}, {0, 100, 99, 128}, {0, 0, 0, 131},
        {0, UINT32_MAX, 0, 0}}) {
    ListFile file;
    file.row_begin = begin;
    const std::string bytes = file.Bytes();
    EXPECT_EQ(OpenLists(bytes, file.checksum).code(), StatusCode::kCorruption);
  }
  for (const float radius : {-1.0f, kNan, INFINITY}) {
    ListFile file;
    file.radius[1] = radius;
    const std::string bytes = file.Bytes();
    EXPECT_EQ(OpenLists(bytes, file.checksum).code(), StatusCode::kCorruption);
  }
}

}  // namespace
}  // namespace vdb::format
