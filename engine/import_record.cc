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

void AppendText(std::string* out, std::string_view text) {
  format::AppendU64(out, text.size());
  *out += text;
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  std::optional<ImportRecord> Decode() {
    if (bytes_.size() < kMagic.size() + 8 || !bytes_.starts_with(kMagic)) return std::nullopt;
    const std::string_view body = bytes_.substr(0, bytes_.size() - 8);
    if (format::Hash64(body) != format::LoadU64(bytes_.data() + body.size())) return std::nullopt;
    at_ = kMagic.size();
    ImportRecord record;
    record.source = Text();
    record.options = Text();
    record.size_bytes = Number();
    record.mtime_ns = static_cast<int64_t>(Number());
    const uint64_t collection_id = Number();
    record.collection_id = static_cast<uint32_t>(collection_id);
    record.position.offset = Number();
    record.position.place = Number();
    record.position.rows = Number();
    record.row_count = Number();
    record.quarantine_bytes = Number();
    if (!ok_ || at_ != body.size() || collection_id > UINT32_MAX) return std::nullopt;
    return record;
  }

 private:
  uint64_t Number() {
    if (!ok_ || bytes_.size() - at_ < 16) {  // the checksum stands behind
      ok_ = false;
      return 0;
    }
    at_ += 8;
    return format::LoadU64(bytes_.data() + at_ - 8);
  }
  std::string Text() {
    const uint64_t size = Number();
    if (!ok_ || size > bytes_.size() - at_ - 8) {
      ok_ = false;
      return {};
    }
    at_ += size;
    return std::string(bytes_.substr(at_ - size, size));
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace

std::string EncodeImportRecord(const ImportRecord& record) {
  std::string bytes(kMagic);
  AppendText(&bytes, record.source);
  AppendText(&bytes, record.options);
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
  return Decoder(bytes).Decode();
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
