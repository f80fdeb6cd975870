// nndex: see legacy_npy.h.
#include <charconv>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "format/json_reader.h"
#include "format/legacy_npy.h"
#include "format/legacy_rows.h"
#include "format/metadata.h"
#include "format/status_macros.h"
#include "format/vemb_key.h"
#include "vdb/json_text.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

// One record of "chunks".
struct Chunk {
  std::string file_path;
  std::string start_line, end_line;  // as they stand
  std::string members;               // all fields, as JSON text
  bool has_path = false, has_model = false;
  LegacyReason reason = LegacyReason::kNone;
  std::string detail;

  std::string key() const { return file_path + ":" + start_line + "-" + end_line; }
  void Refuse(LegacyReason why, std::string text) {
    if (reason != LegacyReason::kNone) return;
    reason = why;
    detail = std::move(text);
  }
};

// A line number; JSON of another kind refuses the chunk.
void ReadLine(std::string_view name, std::string_view raw, std::string* line, Chunk* chunk) {
  JsonReader reader(raw, 1);
  JsonNumber number;
  if (reader.Peek() == JsonKind::kNumber && reader.ReadNumber(&number) && number.is_integer) {
    *line = number.text;
    return;
  }
  chunk->Refuse(LegacyReason::kWrongType, "expected a whole number as " + std::string(name) +
                                              ", found " + std::string(raw.substr(0, 40)));
}

void ReadChunkField(std::string_view name, std::string_view raw, Chunk* chunk) {
  if (name == "file_path") {
    auto path = ParseJsonString(raw);
    chunk->has_path = path.ok();
    if (path.ok()) {
      chunk->file_path = std::move(*path);
    } else {
      chunk->Refuse(LegacyReason::kWrongType, "expected a string as file_path, found " +
                                                  std::string(raw.substr(0, 40)));
    }
  } else if (name == "start_line") {
    ReadLine(name, raw, &chunk->start_line, chunk);
  } else if (name == "end_line") {
    ReadLine(name, raw, &chunk->end_line, chunk);
  }
  chunk->has_model = chunk->has_model || name == "model";
  if (!chunk->members.empty()) chunk->members += ',';
  AppendJsonString(&chunk->members, name);
  (chunk->members += ':') += raw;
}

Chunk ReadChunk(std::string_view text) {
  Chunk chunk;
  JsonReader reader(text, kMetadataDepthMax);
  if (reader.Peek() != JsonKind::kObject) {
    chunk.Refuse(LegacyReason::kWrongShape, "expected a record, found " + reader.Found(0));
    return chunk;
  }
  reader.EnterObject();
  std::string scratch;
  std::string_view name, raw;
  while (reader.NextField(&scratch, &name) && reader.ReadRaw(&raw)) {
    ReadChunkField(name, raw, &chunk);
  }
  if (!reader.Finish()) {
    chunk.Refuse(LegacyReason::kWrongType, "in the record: " + reader.status().message());
  } else if (!chunk.has_path || chunk.start_line.empty() || chunk.end_line.empty()) {
    chunk.Refuse(LegacyReason::kWrongShape,
                 "expected file_path, start_line and end_line in the record");
  }
  return chunk;
}

class Nndex : public LegacyRows {
 public:
  Nndex() {
    format_ = "nndex";
    text_name_ = "metadata.json";
    text_bytes_max_ = kMetadataBytesMax;
  }

  Status Open(const LegacySources& sources, const LegacyOptions& options,
              const LegacyProgress& progress);

 protected:
  Status Convert(uint64_t index, std::string_view text, LegacyEntry* entry) const override;
  std::string DescribeLong(const Entry& entry) const override {
    return "expected a record of at most " + std::to_string(text_bytes_max_) +
           " bytes, found one of " + std::to_string(entry.text_bytes);
  }
  StatusOr<std::string> KeyOf(std::string_view text) const override {
    const Chunk chunk = ReadChunk(text);
    return chunk.reason == LegacyReason::kNone ? chunk.key() : std::string();
  }

 private:
  Status ReadField(JsonScanner* scanner, const std::string& name);
  Status ReadChunks(JsonScanner* scanner);
  void CompareCounts();

  std::string model_;
  std::string dims_, num_chunks_;  // as they stand
  bool has_chunks_ = false;
};

uint64_t NumberOf(const std::string& text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Status Nndex::Open(const LegacySources& sources, const LegacyOptions& options,
                   const LegacyProgress& progress) {
  name_ = sources.name;
  text_source_ = sources.nndex_metadata;
  JsonScanner scanner(text_source_.get(), progress);
  VDB_RETURN_IF_ERROR(ScanObject(
      &scanner, [&](const std::string& name) { return ReadField(&scanner, name); }));
  VDB_RETURN_IF_ERROR(CheckEnd(scanner, options));
  if (!has_chunks_) RefuseSource(LegacyReason::kWrongShape, "metadata.json: expected \"chunks\"");
  if (refused_ != LegacyReason::kNone) return Status::Ok();
  VDB_RETURN_IF_ERROR(OpenMatrix(sources.nndex_embeddings, "embeddings.npy"));
  if (refused_ != LegacyReason::kNone) return Status::Ok();
  taken_ = "key: file_path:start_line-end_line; vector: the chunk's row of embeddings.npy";
  CompareCounts();
  VDB_RETURN_IF_ERROR(DropReplaced());
  CompareDimension("dims", NumberOf(dims_));
  MakeColumn(model_);
  return Status::Ok();
}

void Nndex::CompareCounts() {
  const uint64_t count = entries_.size();
  if (!num_chunks_.empty() && NumberOf(num_chunks_) != count && !torn_) {
    warnings_.push_back("metadata.json says num_chunks " + num_chunks_ + " and has " +
                        std::to_string(count));
  }
  if (matrix_.rows() > count) {
    warnings_.push_back(std::to_string(matrix_.rows() - count) +
                        " rows of embeddings.npy have no chunk; they are left out");
  }
}

Status Nndex::ReadField(JsonScanner* scanner, const std::string& name) {
  if (name == "\"model\"") {
    VDB_ASSIGN_OR_RETURN(model_, TakeString(scanner));
  } else if (name == "\"dims\"") {
    VDB_ASSIGN_OR_RETURN(dims_, TakeNumber(scanner));
  } else if (name == "\"num_chunks\"") {
    VDB_ASSIGN_OR_RETURN(num_chunks_, TakeNumber(scanner));
  } else if (name == "\"chunks\"") {
    return ReadChunks(scanner);
  } else {
    scanner->Skip(scanner->Next());
  }
  return Status::Ok();
}

Status Nndex::ReadChunks(JsonScanner* scanner) {
  ForgetEntries();
  const JsonToken begin = scanner->Next();
  has_chunks_ = begin.event == JsonEvent::kBeginArray;
  if (!has_chunks_) {
    scanner->Skip(begin);
    return Status::Ok();
  }
  for (uint64_t row = 0;; ++row) {
    const JsonToken chunk = scanner->Next();
    if (chunk.event == JsonEvent::kEndArray || chunk.event == JsonEvent::kError) break;
    if (chunk.event == JsonEvent::kNumbers) {
      RefuseSource(LegacyReason::kWrongShape, "metadata.json: expected records in \"chunks\", "
                                              "found numbers");
    }
    if (!scanner->Skip(chunk)) break;
    VDB_RETURN_IF_ERROR(AddEntry(*scanner, chunk.offset,
                                 std::max(chunk.end, scanner->offset()), row));
    if (refused_ != LegacyReason::kNone) break;
  }
  return Status::Ok();
}

Status Nndex::Convert(uint64_t, std::string_view text, LegacyEntry* entry) const {
  Chunk chunk = ReadChunk(text);
  entry->reason = chunk.reason;
  entry->detail = std::move(chunk.detail);
  if (entry->reason != LegacyReason::kNone) {
    entry->key = chunk.has_path ? chunk.file_path : "";
    return Status::Ok();
  }
  entry->key = chunk.key();
  entry->metadata = "{" + chunk.members;
  if (!chunk.has_model && !model_.empty()) AppendJsonMember(&entry->metadata, "model", model_);
  AppendJsonMember(&entry->metadata, "source", format_);
  entry->metadata += '}';
  if (entry->key.size() > kKeyBytesMax) {
    entry->reason = LegacyReason::kTooLarge;
    entry->detail = "expected a key of at most " + std::to_string(kKeyBytesMax) +
                    " bytes, found " + std::to_string(entry->key.size());
    return Status::Ok();
  }
  // Fields of their own may hold what metadata cannot, as numbers above any double.
  const auto metadata = MetadataFromJson(entry->metadata);
  if (!metadata.ok()) {
    entry->reason = LegacyReason::kTooLarge;
    entry->detail = metadata.status().message();
  }
  return Status::Ok();
}

}  // namespace

StatusOr<std::unique_ptr<const LegacyCache>> OpenNndex(const LegacySources& sources,
                                                       const LegacyOptions& options,
                                                       const LegacyProgress& progress) {
  auto cache = std::make_unique<Nndex>();
  VDB_RETURN_IF_ERROR(cache->Open(sources, options, progress));
  return std::unique_ptr<const LegacyCache>(std::move(cache));
}

}  // namespace vdb::format
