#include "engine/import_record.h"

#include <cinttypes>
#include <cstdio>
#include <span>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kRecordBytesMax = 1u << 20;
constexpr std::string_view kMagic = "vdb import record 1\n";

void AppendLongText(std::string* out, std::string_view text) {
  format::AppendU64(out, text.size());
  *out += text;
}

std::string LongText(format::ByteReader* reader) {
  const uint64_t size = reader->U64();
  return std::string(reader->Bytes(size));
}

}  // namespace

std::string EncodeImportRecord(const ImportRecord& record) {
  std::string bytes(kMagic);
  AppendLongText(&bytes, record.source);
  AppendLongText(&bytes, record.options);
  for (const uint64_t number :
       {record.size_bytes, static_cast<uint64_t>(record.mtime_ns),
        uint64_t{record.collection_id}, record.position.offset, record.position.place,
        record.position.rows, record.row_count, record.quarantine_bytes}) {
    format::AppendU64(&bytes, number);
  }
  format::AppendU64(&bytes, format::Hash64(bytes));
  return bytes;
}

std::optional<ImportRecord> DecodeImportRecord(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + 8 || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::string_view body = bytes.substr(0, bytes.size() - 8);
  if (format::Hash64(body) != format::LoadU64(bytes.data() + body.size())) return std::nullopt;
  format::ByteReader reader(body.substr(kMagic.size()));
  ImportRecord record;
  record.source = LongText(&reader);
  record.options = LongText(&reader);
  record.size_bytes = reader.U64();
  record.mtime_ns = static_cast<int64_t>(reader.U64());
  const uint64_t collection_id = reader.U64();
  record.collection_id = static_cast<uint32_t>(collection_id);
  record.position.offset = reader.U64();
  record.position.place = reader.U64();
  record.position.rows = reader.U64();
  record.row_count = reader.U64();
  record.quarantine_bytes = reader.U64();
  if (!reader.AtEnd() || collection_id > UINT32_MAX) return std::nullopt;
  return record;
}

ImportRecordFile::ImportRecordFile(const DatabaseImpl& database, const std::string& collection)
    : fs_(database.fs()) {
  char name[40];
  std::snprintf(name, sizeof(name), "import-%016" PRIx64, format::Hash64(collection));
  path_ = format::JoinPath(database.path(), name);
}

std::optional<ImportRecord> ImportRecordFile::Read() const {
  const auto bytes = storage::ReadWholeFile(fs_, path_, kRecordBytesMax);
  if (!bytes.ok()) return std::nullopt;
  return DecodeImportRecord(*bytes);
}

// Not synced: it speaks of what is durable, and an older one does as well. Renamed into place, so
// that a reader never sees half of it.
Status ImportRecordFile::Write(const ImportRecord& record) const {
  const std::string bytes = EncodeImportRecord(record), temporary = path_ + ".new";
  {
    VDB_ASSIGN_OR_RETURN(const auto file, fs_.Open(temporary, storage::OpenMode::kCreate));
    VDB_RETURN_IF_ERROR(file->WriteAt(0, std::as_bytes(std::span(bytes))));
  }
  return fs_.Rename(temporary, path_);
}

void ImportRecordFile::Remove() const {
  fs_.Remove(path_).IgnoreError("another import overwrites it, and it names its source");
}

}  // namespace vdb::engine
