// See verify_files.h.
#include "engine/verify_files.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "format/checksum.h"
#include "format/frame.h"
#include "format/segment_layout.h"
#include "storage/mask_file.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using format::SegmentFile;

void CheckBlocks(VerifyRun* run, const format::FileSums& sums, const std::string& file) {
  auto opened = run->fs().Open(run->PathOf(file), storage::OpenMode::kRead);
  if (!opened.ok()) return run->Problem(file, "whole file", opened.status().message());
  run->report().files_checked += 1;
  std::vector<std::byte> block(format::kSumsBlockBytes);
  for (size_t i = 0; i < sums.blocks.size(); ++i) {
    const uint64_t from = i * uint64_t{format::kSumsBlockBytes};
    const uint64_t size = std::min<uint64_t>(block.size(), sums.file_bytes - from);
    const std::string where = "block " + std::to_string(i) + " (bytes " + std::to_string(from) +
                              " to " + std::to_string(from + size - 1) + ")";
    auto read = (*opened)->ReadAt(from, block.data(), size);
    if (!read.ok() || *read != size) {
      run->Problem(file, where, read.ok() ? "the file is cut" : read.status().message());
      continue;
    }
    run->report().bytes_checked += size;
    const uint64_t found = format::Hash64(block.data(), size);
    if (found != sums.blocks[i]) {
      run->Problem(file, where, "expected checksum " + format::Hex64(sums.blocks[i]) + ", found " +
                               format::Hex64(found));
    }
  }
}

// Size of a file whose bytes from `exact` on would be surplus, if `sealed`; and its first bytes.
void CheckHead(VerifyRun* run, const std::string& file, uint64_t needed, bool sealed,
               const std::function<Status(std::string_view page)>& check) {
  run->report().files_checked += 1;
  auto opened = run->fs().Open(run->PathOf(file), storage::OpenMode::kRead);
  if (!opened.ok()) return run->Problem(file, "whole file", opened.status().message());
  const auto size = (*opened)->Size();
  if (!size.ok()) return run->Problem(file, "whole file", size.status().message());
  if (*size < needed || (sealed && *size != needed)) {
    return run->Problem(file, "size", "expected " + std::string(sealed ? "" : "at least ") +
                                          std::to_string(needed) + " bytes, found " +
                                          std::to_string(*size));
  }
  std::string page(std::min<uint64_t>(*size, format::kSegmentPageBytes), '\0');
  auto read = (*opened)->ReadAt(0, page.data(), page.size());
  Status status = read.status();
  if (read.ok()) {
    page.resize(*read);
    status = check(page);
    run->report().bytes_checked += *read;
  }
  if (!status.ok()) run->Problem(file, "header", status.message());
}

}  // namespace

void VerifySegmentHeads(VerifyRun* run, const format::SegmentEntry& entry,
                        const format::SegmentIdentity& identity,
                        const format::WatermarkRecord& mark) {
  const auto path = [&](SegmentFile kind) { return SegmentPath(entry.id, kind); };
  CheckHead(run, path(SegmentFile::kRows), format::RowsFileBytes(mark.rows, identity.dimension),
            entry.sealed, [&](std::string_view page) {
              const bool good =
                  !entry.sealed || page == format::EncodeNpyPage(mark.rows, identity.dimension);
              return good ? Status::Ok()
                          : Status::Corruption("the NPY header is not what was written");
            });
  for (const SegmentFile kind : {SegmentFile::kRecords, SegmentFile::kKeys}) {
    const uint64_t bytes = kind == SegmentFile::kKeys ? format::KeysFileBytes(mark.key_bytes)
                                                      : format::RecordsFileBytes(mark.rows);
    CheckHead(run, path(kind), bytes, entry.sealed, [&](std::string_view page) {
      return format::CheckSegmentPage(kind, identity, page, path(kind));
    });
  }
  if (!entry.sealed || mark.sorted_rows >= mark.rows) return;
  CheckHead(run, path(SegmentFile::kOrder), format::kFrameBytes + mark.rows * sizeof(uint32_t),
            true, [&](std::string_view page) {
              // The payload of a page is cut, so only what the header alone says can be looked at.
              return page.substr(0, format::kOrderMagic.size()) == format::kOrderMagic
                         ? Status::Ok()
                         : Status::Corruption("it is no order file");
            });
}

void VerifySealedBytes(VerifyRun* run, const format::SegmentEntry& entry) {
  const std::string name = SegmentPath(entry.id, SegmentFile::kSums);
  auto bytes = storage::ReadWholeFile(run->fs(), run->PathOf(name), 1u << 30);
  if (!bytes.ok()) return run->Problem(name, "whole file", bytes.status().message());
  run->report().files_checked += 1;
  run->report().bytes_checked += bytes->size();
  if (format::Hash64(*bytes) != entry.sums_checksum) {
    return run->Problem(name, "whole file", "checksum differs from the manifest's");
  }
  auto sums = format::DecodeSums(*bytes, name);
  if (!sums.ok()) return run->Problem(name, "whole file", sums.status().message());
  const size_t expected = entry.sorted_rows < entry.rows ? 4 : 3;
  if (sums->segment_id != entry.id || sums->files.size() != expected) {
    return run->Problem(name, "whole file", "expected the sums of " + std::to_string(expected) +
                                                " files of this segment");
  }
  if (!run->Does(VerifyLevel::kChecksums)) return;
  for (const format::FileSums& file : sums->files) {
    CheckBlocks(run, file, SegmentPath(entry.id, file.file));
  }
}

// An open segment has no block sums; its rows have theirs, so what is left are the first pages.
void VerifyOpenPages(VerifyRun* run, const format::SegmentIdentity& identity) {
  for (const SegmentFile kind : {SegmentFile::kRows, SegmentFile::kRecords, SegmentFile::kKeys}) {
    const std::string file = SegmentPath(identity.segment_id, kind);
    std::string page(format::kSegmentPageBytes, '\0');
    auto opened = run->fs().Open(run->PathOf(file), storage::OpenMode::kRead);
    auto read = opened.ok() ? (*opened)->ReadAt(0, page.data(), page.size())
                            : StatusOr<size_t>(opened.status());
    if (!read.ok()) {
      run->Problem(file, "block 0 (bytes 0 to 4095)", read.status().message());
      continue;
    }
    page.resize(*read);
    run->report().files_checked += 1;
    run->report().bytes_checked += *read;
    Status status;
    if (kind == SegmentFile::kRows) {
      // A seal that was interrupted leaves the header of a sealed file with the rows of then.
      const size_t at = page.find("'shape': (");
      const uint64_t rows =
          at == std::string::npos ? 0 : std::strtoull(page.c_str() + at + 10, nullptr, 10);
      if (page != format::EncodeNpyPage(rows, identity.dimension)) {
        status = Status::Corruption("the NPY header is not what was written");
      }
    } else {
      status = format::CheckSegmentPage(kind, identity, page, file);
      if (status.ok() && kind == SegmentFile::kRecords &&
          !format::IsDurableHint(
              page.substr(format::kDurableHintOffset, format::kDurableHintBytes))) {
        status = Status::Corruption("the durable hint (bytes 4032 to 4063) fails its checksum");
      }
    }
    if (!status.ok()) run->Problem(file, "block 0 (bytes 0 to 4095)", status.message());
  }
}

void VerifyMask(VerifyRun* run, const format::SegmentEntry& entry, const SegmentView& segment) {
  if (entry.mask_generation != 0) {
    const std::string name =
        JoinPath(format::kSegmentsDir, format::MaskFileName(entry.id, entry.mask_generation));
    auto mask =
        storage::MaskFile::Open(run->fs(), run->PathOf(name), entry.id, entry.mask_checksum);
    run->report().files_checked += 1;
    Status status = mask.status();
    if (mask.ok() && run->Does(VerifyLevel::kChecksums)) {
      status = storage::MaskFile::CheckAll(**mask);
    }
    if (!status.ok()) run->Problem(name, "mask", status.message());
  }
  if (segment.mask == nullptr || !run->Does(VerifyLevel::kChecksums)) return;
  uint64_t dead = 0;
  for (uint64_t i = 0; i < segment.mask->chunk_count(); ++i) {
    auto words = segment.mask->Chunk(i);
    if (!words.ok() || *words == nullptr) continue;
    for (uint64_t w = 0; w < storage::kMaskChunkWords; ++w) {
      dead += static_cast<uint64_t>(std::popcount((*words)[w]));
    }
  }
  if (dead != segment.mask->dead_count() || dead > segment.mark.rows) {
    run->Problem(SegmentPath(entry.id, SegmentFile::kRows), "delete mask",
                 "expected " + std::to_string(segment.mask->dead_count()) +
                     " dead rows, found " + std::to_string(dead));
  }
}

}  // namespace vdb::engine
