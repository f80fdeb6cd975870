#include "format/segment_layout.h"

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "format/status_macros.h"
#include "format/uuid.h"

namespace vdb::format {
namespace {

Status Damaged(std::string_view name, const std::string& what) {
  return Status::Corruption("'" + std::string(name) + "': " + what +
                            "; run `vdbtool repair`, or restore the file from a copy");
}

}  // namespace

std::string EncodeNpyPage(uint64_t rows, uint32_t dimension) {
  std::string page("\x93NUMPY\x01\x00", 8);
  const uint16_t header_bytes = kSegmentPageBytes - 10;
  page.append(reinterpret_cast<const char*>(&header_bytes), 2);
  page += "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
          std::to_string(dimension) + "), }";
  page.resize(kSegmentPageBytes - 1, ' ');
  page += '\n';
  return page;
}

std::string EncodeSegmentPage(SegmentFile file, const SegmentIdentity& identity) {
  std::string header;
  AppendU64(&header, identity.segment_id);
  AppendU32(&header, identity.column_id);
  AppendU32(&header, identity.dimension);
  AppendU64(&header, 0);
  header += UuidToBytes(identity.uuid);
  std::string page =
      EncodeFrame(file == SegmentFile::kRecords ? kRecordsMagic : kKeysMagic, header);
  page.resize(kSegmentPageBytes, '\0');
  return page;
}

Status CheckSegmentPage(SegmentFile file, const SegmentIdentity& identity, std::string_view page,
                        std::string_view name) {
  const auto magic = file == SegmentFile::kRecords ? kRecordsMagic : kKeysMagic;
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(magic, page, name));
  if ((frame.writer_flags & ~kKnownWriterFlags) != 0) {
    return Status::UnsupportedFormat("'" + std::string(name) +
                                     "': unknown writer flags; use a newer vdb");
  }
  std::string expected = EncodeSegmentPage(file, identity);
  if (page.size() < kSegmentPageBytes) return Damaged(name, "shorter than its first page");
  std::string found(page.substr(0, kSegmentPageBytes));
  if (file == SegmentFile::kRecords) {
    found.replace(kDurableHintOffset, kDurableHintBytes, kDurableHintBytes, '\0');
  }
  if (found != expected) {
    return Damaged(name, "header page (bytes 0 to 4095): expected that of segment " +
                             std::to_string(identity.segment_id) + ", found other bytes");
  }
  return Status::Ok();
}

std::string EncodeDurableHint(const DurableHint& hint) {
  std::string bytes;
  AppendU64(&bytes, hint.rows);
  AppendU64(&bytes, hint.key_bytes);
  AppendU64(&bytes, 0);
  AppendU64(&bytes, Hash64(bytes));
  return bytes;
}

DurableHint DecodeDurableHint(std::string_view bytes) {
  if (bytes.size() != kDurableHintBytes) return {};
  const DurableHint hint = {LoadU64(bytes.data()), LoadU64(bytes.data() + 8)};
  return EncodeDurableHint(hint) == bytes ? hint : DurableHint{};
}

bool IsDurableHint(std::string_view bytes) {
  return bytes == std::string(kDurableHintBytes, '\0') ||
         EncodeDurableHint(DecodeDurableHint(bytes)) == bytes;
}

std::string EncodeSums(const SegmentSums& sums) {
  std::string payload;
  AppendU64(&payload, sums.segment_id);
  AppendU32(&payload, static_cast<uint32_t>(sums.files.size()));
  AppendU32(&payload, kSumsBlockBytes);
  for (const FileSums& file : sums.files) {
    AppendU32(&payload, static_cast<uint32_t>(file.file));
    AppendU32(&payload, 0);
    AppendU64(&payload, file.file_bytes);
    for (const uint64_t block : file.blocks) AppendU64(&payload, block);
  }
  return EncodeFrame(kSumsMagic, payload);
}

StatusOr<SegmentSums> DecodeSums(std::string_view bytes, std::string_view name) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kSumsMagic, bytes, name));
  ByteReader reader(frame.payload);
  SegmentSums sums;
  sums.segment_id = reader.U64();
  const uint32_t file_count = reader.U32();
  const uint32_t block_bytes = reader.U32();
  if (!reader.ok() || block_bytes != kSumsBlockBytes || file_count > 8) {
    return Damaged(name, "the list of files makes no sense");
  }
  for (uint32_t i = 0; i < file_count; ++i) {
    FileSums file;
    const uint32_t kind = reader.U32();
    const uint32_t zero = reader.U32();
    file.file_bytes = reader.U64();
    const uint64_t blocks =
        file.file_bytes / kSumsBlockBytes + (file.file_bytes % kSumsBlockBytes != 0);
    if (!reader.ok() || kind > static_cast<uint32_t>(SegmentFile::kOrder) || zero != 0 ||
        blocks > reader.remaining() / 8) {
      return Damaged(name, "the sums of file " + std::to_string(i) + " make no sense");
    }
    file.file = static_cast<SegmentFile>(kind);
    for (uint64_t b = 0; b < blocks; ++b) file.blocks.push_back(reader.U64());
    sums.files.push_back(std::move(file));
  }
  if (!reader.AtEnd() || bytes.size() != kFrameBytes + frame.payload.size()) {
    return Damaged(name, "it has bytes after its end");
  }
  return sums;
}

}  // namespace vdb::format
