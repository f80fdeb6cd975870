#include "format/snapshot_record.h"

#include "format/byte_io.h"
#include "format/frame.h"
#include "format/manifest.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

// RocksDB's names are flat; anything else would lead out of the directory.
bool IsPlainName(std::string_view name) {
  return !name.empty() && name.find('/') == std::string_view::npos && name[0] != '.';
}

}  // namespace

std::string EncodeSnapshotRecord(const SnapshotRecord& record) {
  std::string payload;
  for (const uint64_t number : {record.batch, record.created_unix_ms, record.document_count,
                                uint64_t{record.name.size()}}) {
    AppendU64(&payload, number);
  }
  payload += record.name;
  AppendU64(&payload, record.files.size());
  for (const SnapshotFile& file : record.files) {
    AppendU64(&payload, file.name.size());
    payload += file.name;
    AppendU64(&payload, file.size_bytes);
    AppendU64(&payload, file.checksum);
  }
  AppendU64(&payload, record.manifest.size());
  payload += record.manifest;
  return EncodeFrame(kSnapshotMagic, payload);
}

StatusOr<SnapshotRecord> DecodeSnapshotRecord(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kSnapshotMagic, bytes, file));
  ByteReader reader(frame.payload);
  SnapshotRecord record;
  record.batch = reader.U64();
  record.created_unix_ms = reader.U64();
  record.document_count = reader.U64();
  record.name = reader.Bytes(reader.U64());
  bool valid = CheckName("snapshot", record.name).ok();
  for (uint64_t left = reader.U64(); left > 0 && reader.ok(); --left) {
    SnapshotFile one;
    one.name = reader.Bytes(reader.U64());
    one.size_bytes = reader.U64();
    one.checksum = reader.U64();
    valid &= IsPlainName(one.name);
    record.files.push_back(std::move(one));
  }
  record.manifest = reader.Bytes(reader.U64());
  if (!valid || !reader.AtEnd() || bytes.size() != kFrameBytes + frame.payload.size()) {
    return Status::Corruption("'" + std::string(file) + "': its parts contradict each other");
  }
  return record;
}

}  // namespace vdb::format
