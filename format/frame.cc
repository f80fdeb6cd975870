#include "format/frame.h"

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/status_macros.h"
#include "vdb/version.h"

namespace vdb::format {
namespace {

Status Damaged(std::string_view file, const std::string& what) {
  return Status::Corruption("'" + std::string(file) + "': " + what +
                            "; run `vdbtool repair`, or restore the file from a copy");
}

}  // namespace

std::string EncodeFrameHeader(std::string_view magic, uint64_t payload_bytes,
                              uint64_t payload_checksum, uint64_t writer_flags,
                              uint32_t format_version) {
  std::string out(magic);
  AppendU32(&out, format_version);
  AppendU32(&out, kFrameBytes);
  AppendU64(&out, 0);
  AppendU64(&out, writer_flags);
  AppendU64(&out, payload_bytes);
  AppendU64(&out, payload_checksum);
  AppendU64(&out, 0);
  AppendU64(&out, Hash64(out));
  return out;
}

std::string EncodeFrame(std::string_view magic, std::string_view payload,
                        uint64_t writer_flags, uint32_t format_version) {
  std::string out = EncodeFrameHeader(magic, payload.size(), Hash64(payload), writer_flags,
                                      format_version);
  out += payload;
  return out;
}

StatusOr<Frame> DecodeFrameHeader(std::string_view magic, std::string_view bytes,
                                  std::string_view file) {
  if (bytes.size() < kFrameBytes) {
    return Damaged(file, "expected a header of 64 bytes, found " + std::to_string(bytes.size()));
  }
  if (bytes.substr(0, 8) != magic) {
    return Damaged(file, "expected magic '" + std::string(magic) + "' at offset 0");
  }
  if (LoadU64(bytes.data() + 56) != Hash64(bytes.data(), 56)) {
    return Damaged(file, "header checksum mismatch (bytes 0 to 63)");
  }
  const uint32_t version = LoadU32(bytes.data() + 8);
  const uint64_t reader_flags = LoadU64(bytes.data() + 16);
  const uint32_t newest = magic == kManifestMagic ? kFormatVersion : kFrameVersion;
  if (version == 0 || version > newest || (reader_flags & ~kKnownReaderFlags) != 0) {
    return Status::UnsupportedFormat(
        "'" + std::string(file) + "': format version " + std::to_string(version) +
        ", reader flags 0x" + Hex64(reader_flags) + "; this library reads versions up to " +
        std::to_string(newest) + "; use a newer vdb");
  }
  Frame frame;
  frame.format_version = version;
  frame.writer_flags = LoadU64(bytes.data() + 24);
  const uint64_t payload_bytes = LoadU64(bytes.data() + 32);
  if (LoadU32(bytes.data() + 12) != kFrameBytes || LoadU64(bytes.data() + 48) != 0 ||
      payload_bytes > bytes.size() - kFrameBytes) {
    return Damaged(file, "expected " + std::to_string(payload_bytes) + " payload bytes, found " +
                             std::to_string(bytes.size() - kFrameBytes));
  }
  frame.payload = bytes.substr(kFrameBytes, payload_bytes);
  frame.payload_checksum = LoadU64(bytes.data() + 40);
  return frame;
}

StatusOr<Frame> DecodeFrame(std::string_view magic, std::string_view bytes,
                            std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrameHeader(magic, bytes, file));
  if (Hash64(frame.payload) != frame.payload_checksum) {
    return Damaged(file, "payload checksum mismatch");
  }
  return frame;
}

}  // namespace vdb::format
