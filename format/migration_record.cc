#include "format/migration_record.h"

#include "format/byte_io.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

void AppendHash(std::string* out, const Hash128& hash) {
  AppendU64(out, hash.high);
  AppendU64(out, hash.low);
}

Hash128 ReadHash(ByteReader* reader) {
  Hash128 hash;
  hash.high = reader->U64();
  hash.low = reader->U64();
  return hash;
}

}  // namespace

std::string EncodeMigrationRecord(const MigrationRecord& record) {
  std::string payload;
  AppendU64(&payload, record.partial ? 1 : 0);
  for (const uint64_t number :
       {record.batch, record.entry_count, record.migrated_count, record.without_vector_count,
        record.refused_count, record.replaced_count, record.deleted_count}) {
    AppendU64(&payload, number);
  }
  AppendHash(&payload, record.entries_hash);
  AppendText(&payload, record.format);
  AppendText(&payload, record.source);
  AppendU32(&payload, static_cast<uint32_t>(record.files.size()));
  for (const MigratedSource& file : record.files) {
    AppendText(&payload, file.path);
    AppendU64(&payload, file.size_bytes);
    AppendU64(&payload, static_cast<uint64_t>(file.mtime_ns));
    AppendHash(&payload, file.hash);
  }
  return EncodeFrame(kMigrationMagic, payload);
}

StatusOr<MigrationRecord> DecodeMigrationRecord(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kMigrationMagic, bytes, file));
  ByteReader reader(frame.payload);
  MigrationRecord record;
  const uint64_t outcome = reader.U64();
  record.partial = outcome == 1;
  for (uint64_t* number :
       {&record.batch, &record.entry_count, &record.migrated_count, &record.without_vector_count,
        &record.refused_count, &record.replaced_count, &record.deleted_count}) {
    *number = reader.U64();
  }
  record.entries_hash = ReadHash(&reader);
  record.format = reader.Text();
  record.source = reader.Text();
  for (uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    MigratedSource source;
    source.path = reader.Text();
    source.size_bytes = reader.U64();
    source.mtime_ns = static_cast<int64_t>(reader.U64());
    source.hash = ReadHash(&reader);
    record.files.push_back(std::move(source));
  }
  const bool adds_up = record.refused_count <= record.entry_count &&
                       record.migrated_count == record.entry_count - record.refused_count &&
                       record.without_vector_count <= record.migrated_count;
  if (!reader.AtEnd() || bytes.size() != kFrameBytes + frame.payload.size() || outcome > 1 ||
      !adds_up) {
    return Status::Corruption("'" + std::string(file) + "': its parts contradict each other");
  }
  return record;
}

}  // namespace vdb::format
