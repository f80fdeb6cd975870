// Any bytes as the index file of a segment (.ivf): the directory's checksums are made right, and
// every row range and code that it names is then in the file.
#include <algorithm>
#include <cstring>

#include "format/checksum.h"
#include "format/frame.h"
#include "format/index_layout.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/aligned_bytes.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

uint64_t Sum(const uint8_t* from, size_t size) {
  uint64_t sum = 0;
  for (size_t i = 0; i < size; ++i) sum += from[i];  // the sanitizer looks on
  return sum;
}

bool RunFile(std::string_view bytes, uint64_t checksum) {
  const AlignedBytes aligned(bytes);
  const auto list = DecodeListFile(aligned.view(), checksum, "i");
  if (!list.ok()) return false;
  const ListHeader& header = list->header;
  const uint32_t lists = header.list_count;
  Require(header.file_bytes == bytes.size() && list->row_begin.size() == size_t{lists} + 1 &&
          list->radius.size() == lists && list->row_begin.front() == 0);
  for (uint32_t i = 0; i < lists; ++i) Require(list->row_begin[i] <= list->row_begin[i + 1]);
  Require(list->row_begin.back() <= header.rows);
  const uint32_t padded = header.padded_dimension;
  const uint64_t blocks = (header.rows + kBlockRows - 1) / kBlockRows;
  uint64_t sum = Sum(list->blocks, blocks * BlockBytes(padded));
  Require((list->fine_rows != nullptr) == (header.has_fine_codes != 0));
  if (list->fine_rows != nullptr) sum += Sum(list->fine_rows, header.rows * FineRowBytes(padded));
  Require(sum < bytes.size() * 256);

  uint64_t again_checksum = 0;
  std::string again = EncodeListDirectory(header, list->row_begin, list->radius, list->chunk_sums,
                                          &again_checksum);
  again += bytes.substr(again.size());
  const AlignedBytes same(again);
  Require(DecodeListFile(same.view(), again_checksum, "i").ok());
  return true;
}

// The checksums of frame and directory, for as much of the file as the header says is directory.
std::string Fixed(std::string_view bytes, uint64_t* checksum) {
  std::string fixed(bytes);
  if (bytes.size() < kFrameBytes + sizeof(ListHeader)) return fixed;
  ListHeader header;
  std::memcpy(&header, bytes.data() + kFrameBytes, sizeof(header));
  const uint64_t end = std::clamp<uint64_t>(header.data_offset, kFrameBytes, bytes.size());
  const uint64_t payload = fixed.size() - kFrameBytes;
  const uint64_t sum = Hash64(fixed.data() + kFrameBytes, end - kFrameBytes);
  std::memcpy(fixed.data() + 32, &payload, 8);
  std::memcpy(fixed.data() + 40, &sum, 8);
  const uint64_t header_sum = Hash64(fixed.data(), 56);
  std::memcpy(fixed.data() + 56, &header_sum, 8);
  *checksum = Hash64(fixed.data(), end);
  return fixed;
}

// Corpus files are without the zeros at the end.
std::string Padded(std::string_view bytes) {
  std::string padded(bytes);
  if (bytes.size() < kFrameBytes + sizeof(ListHeader)) return padded;
  ListHeader header;
  std::memcpy(&header, bytes.data() + kFrameBytes, sizeof(header));
  if (header.file_bytes > padded.size() && header.file_bytes <= (256u << 10)) {
    padded.resize(header.file_bytes, '\0');
  }
  return padded;
}

bool Run(std::string_view bytes) {
  const std::string padded = Padded(bytes);
  uint64_t checksum = 0;
  const bool raw = RunFile(bytes, Hash64(bytes));
  const std::string fixed = Fixed(padded, &checksum);
  return RunFile(fixed, checksum) || raw;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const uint32_t fine : {0u, 1u}) {
    ListHeader header;
    header.segment_id = 7;
    header.epoch_id = 3;
    header.rows = 70;
    header.padded_dimension = 64;
    header.list_count = 3;
    header.has_fine_codes = fine;
    header.base_max = 0.5;
    header.residual_sum = 9;
    LayOutListFile(&header);
    const std::vector<uint32_t> row_begin = {0, 10, 10, 66};
    const std::vector<float> radius = {1, 0, 2.5f};
    const std::vector<uint64_t> sums(header.chunk_count, 0x1234);
    uint64_t checksum = 0;
    const std::string directory = EncodeListDirectory(header, row_begin, radius, sums, &checksum);
    seeds.push_back(directory.substr(0, kFrameBytes + sizeof(ListHeader) + 64));
  }
  return seeds;
}

VDB_FUZZ_TARGET(index, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
