#include "vdb/write_batch.h"

namespace vdb {

uint64_t WriteBatch::Append(std::string_view bytes) {
  const uint64_t offset = arena_.size();
  arena_ += bytes;
  return offset;
}

void WriteBatch::AppendVector(const NamedVector& vector) {
  vectors_.push_back({Append(vector.column), vector.column.size(), floats_.size(),
                      vector.values.size(), vector.norm});
  floats_.insert(floats_.end(), vector.values.begin(), vector.values.end());
}

void WriteBatch::AppendDocument(Kind kind, const DocumentView& document, uint64_t version) {
  Change change;
  change.kind = kind;
  change.version = version;
  change.key_offset = Append(document.key);
  change.key_bytes = document.key.size();
  change.metadata_offset = Append(document.metadata);
  change.metadata_bytes = document.metadata.size();
  change.has_body = document.body.has_value();
  if (document.body) {
    change.body_offset = Append(*document.body);
    change.body_bytes = document.body->size();
  }
  change.first_vector = vectors_.size();
  change.vector_count = document.vectors.size();
  for (const NamedVector& vector : document.vectors) AppendVector(vector);
  changes_.push_back(change);
}

void WriteBatch::Put(const DocumentView& document) { AppendDocument(Kind::kPut, document, 0); }

void WriteBatch::PutIfAbsent(const DocumentView& document) {
  AppendDocument(Kind::kPutIfAbsent, document, 0);
}

void WriteBatch::ReplaceIfVersion(const DocumentView& document, uint64_t version) {
  AppendDocument(Kind::kReplaceIfVersion, document, version);
}

void WriteBatch::SetVector(std::string_view key, std::string_view column, VectorView values) {
  AppendDocument(Kind::kSetVector, {.key = key, .vectors = {{column, values}}}, 0);
}

void WriteBatch::SetMetadata(std::string_view key, std::string_view metadata) {
  AppendDocument(Kind::kSetMetadata, {.key = key, .metadata = metadata}, 0);
}

void WriteBatch::Delete(std::string_view key) {
  AppendDocument(Kind::kDelete, {.key = key}, 0);
}

void WriteBatch::DeleteIfVersion(std::string_view key, uint64_t version) {
  AppendDocument(Kind::kDeleteIfVersion, {.key = key}, version);
}

void WriteBatch::Clear() {  // keeps the memory for the next fill
  arena_.clear();
  floats_.clear();
  vectors_.clear();
  changes_.clear();
}

}  // namespace vdb
