// Segment files and mask file as they are opened, patched where the input says: three bytes of
// place and one of value each. Frames are made right again, so that wrong order files, records,
// hints and mask directories get in: nothing they say is believed unchecked.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "storage/mask_file.h"
#include "storage/segment.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/scratch_dir.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::storage;  // NOLINT
using format::SegmentFile;

constexpr uint64_t kRows = 20, kMaskRows = 70'000;
constexpr SegmentFile kFiles[] = {SegmentFile::kRows, SegmentFile::kRecords, SegmentFile::kKeys,
                                  SegmentFile::kOrder};

format::SegmentIdentity Identity() { return {7, 3, 4, kUuid}; }

class Files {
 public:
  Files() {
    FileSystem& fs = *PosixFileSystem();
    auto made = Segment::Create(fs, directory_.path(), Identity(), {kRows, 1000});
    Require(made.ok());
    std::vector<NewRow> rows;
    std::vector<std::string> keys;
    for (uint64_t i = 0; i < kRows; ++i) keys.push_back("key" + std::to_string(i));
    const float unit[4] = {0.5f, 0.5f, 0.5f, 0.5f};
    for (uint64_t i = 0; i < kRows; ++i) rows.push_back({100 - i, 1.5, unit, keys[i]});
    Require((*made)->Append(rows).ok());
    watermark_ = {kRows, (*made)->next_key_byte(), 1, 81, 100};
    Require((*made)->Seal(watermark_, &entry_).ok());
    for (const SegmentFile file : kFiles) good_[PathOf(file)] = ReadFile(PathOf(file));
    const uint64_t dead[] = {3, 65'537};
    const auto mask = DeleteMask().With(dead);
    uint64_t checksum = 0;
    good_[MaskPath()] = *MaskFile::Encode(**mask, 7, kMaskRows, &checksum);
  }

  std::string PathOf(SegmentFile file) const {
    return directory_ / format::SegmentFileName(7, file);
  }
  std::string MaskPath() const { return directory_ / "mask"; }

  const format::WatermarkRecord& watermark() const { return watermark_; }
  const std::map<std::string, std::string>& good() const { return good_; }
  const std::string& directory() const { return directory_.path(); }

  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

 private:
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  testing::ScratchDir directory_;
  format::WatermarkRecord watermark_;
  format::SegmentEntry entry_;
  std::map<std::string, std::string> good_;
};

const Files& TheFiles() {
  static const Files files;
  return files;
}

std::string Patched(const std::string& good, format::ByteReader* patches) {
  std::string bytes = good;
  for (uint64_t left = patches->U8() % 16; left > 0 && patches->ok(); --left) {
    const uint64_t low = patches->U8(), high = patches->U8();
    const auto value = static_cast<char>(patches->U8());
    const uint64_t at = low | high << 8;
    if (at >= 0xFF00) {
      bytes.resize(bytes.size() - std::min<size_t>(bytes.size(), 0xFFFF - at + 1));
    } else if (!bytes.empty()) {
      bytes[at % bytes.size()] = value;
    }
  }
  return bytes;
}

bool RunSegment(const Files& files, uint64_t rows) {
  const auto& watermark = files.watermark();
  Segment::OpenOptions options = {rows, watermark.key_bytes, 1, true};
  const auto segment = Segment::Open(*PosixFileSystem(), files.directory(), Identity(), options);
  if (!segment.ok()) return false;
  uint64_t key_bytes = 0;
  for (uint64_t row = 0; row < rows; ++row) {
    (*segment)->CheckRow(row, watermark.key_bytes).IgnoreError("only crashes count here");
    for (const char c : (*segment)->KeyOf(row, watermark.key_bytes)) key_bytes += c != 0;
  }
  Require(key_bytes <= rows * (format::kSegmentPageBytes + watermark.key_bytes));
  for (uint64_t docno = 75; docno < 105; ++docno) {
    const auto row = (*segment)->FindDocno(docno, watermark);
    if (!row.ok() || !row->has_value()) continue;
    Require(**row < watermark.rows && (*segment)->records()[**row].docno == docno);
  }
  return true;
}

// The checksum that the manifest has of a mask, for what is there now.
uint64_t MaskChecksum(std::string* bytes) {
  if (bytes->size() < format::kFrameBytes + 32) return 0;
  const uint64_t chunks = format::LoadU64(bytes->data() + format::kFrameBytes + 24);
  const uint64_t wanted = 32 + std::min<uint64_t>(chunks, bytes->size()) * 8;
  const size_t directory = std::min<uint64_t>(wanted, bytes->size() - format::kFrameBytes);
  const std::string head =
      WithFrameFixed(std::string_view(*bytes).substr(0, format::kFrameBytes + directory));
  *bytes = format::EncodeFrameHeader(format::kMaskMagic, bytes->size() - format::kFrameBytes,
                                     format::LoadU64(head.data() + 40)) +
           bytes->substr(format::kFrameBytes);
  return format::Hash64(bytes->data(), format::kFrameBytes + directory);
}

bool RunMask(const Files& files, uint64_t checksum) {
  const auto mask = MaskFile::Open(*PosixFileSystem(), files.MaskPath(), 7, checksum);
  if (!mask.ok()) return false;
  MaskFile::CheckAll(**mask).IgnoreError("only crashes count here");
  return true;
}

bool Run(std::string_view bytes) {
  const Files& files = TheFiles();
  format::ByteReader patches(bytes);
  bool any = false;
  if (patches.U8() % 2 == 0) {
    for (const SegmentFile file : kFiles) {
      const std::string& good = files.good().at(files.PathOf(file));
      std::string patched = Patched(good, &patches);
      if (file == SegmentFile::kOrder) patched = WithFrameFixed(patched);
      Files::Write(files.PathOf(file), patched);
    }
    any = RunSegment(files, kRows);
  } else {
    std::string patched = Patched(files.good().at(files.MaskPath()), &patches);
    const uint64_t checksum = MaskChecksum(&patched);
    Files::Write(files.MaskPath(), patched);
    any = RunMask(files, checksum);
  }
  return any;
}

std::vector<std::string> Seeds() {
  const std::string none("\0\0\0\0\0", 5), mask("\1\1\0\0\7", 5);
  // A record's docno, and the order's first row.
  const std::string some("\0\0\1\0\x10\x63\0\1\x40\0\x13", 11);
  return {none, mask, some};
}

VDB_FUZZ_TARGET(files, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
