#include "format/manifest.h"

#include <charconv>
#include <cmath>
#include <set>

#include "format/checksum.h"
#include "format/frame.h"
#include "format/index_layout.h"
#include "format/manifest_generated.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

Status Wrong(std::string_view file, const std::string& what) {
  return Status::Corruption("'" + std::string(file) + "': manifest " + what);
}

std::string ToString(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

CollectionEntry ReadCollection(const fb::Collection& from) {
  CollectionEntry to;
  to.id = from.id();
  to.name = ToString(from.name());
  to.default_column = from.default_column();
  if (from.columns() != nullptr) {
    for (const fb::Column* column : *from.columns()) {
      to.columns.push_back({column->id(), ToString(column->name()), column->dimension(),
                            static_cast<Metric>(column->metric()), ToString(column->model())});
    }
  }
  return to;
}

StatusOr<std::vector<FieldIndexEntry>> ReadFieldIndexes(const fb::Collection& from) {
  std::vector<FieldIndexEntry> to;
  if (from.field_indexes() == nullptr) return to;
  for (const fb::FieldIndex* index : *from.field_indexes()) {
    const std::string text = ToString(index->path());
    VDB_ASSIGN_OR_RETURN(FieldPath path, ParseFieldPath(text));
    if (FieldPathText(path) != text) return Status::InvalidArgument("it is not canonical");
    to.push_back({index->id(), std::move(path), static_cast<FieldIndexKind>(index->kind()),
                  index->ready()});
  }
  return to;
}

SegmentEntry ReadSegment(const fb::Segment& from) {
  return {from.id(),          from.column_id(),       from.sealed(),
          from.rows(),        from.key_bytes(),       from.sorted_rows(),
          from.docno_min(),   from.docno_max(),       from.sums_checksum(),
          from.mask_generation(), from.mask_checksum(),
          from.epoch_id(),    from.index_checksum(),  from.index_bytes()};
}

EpochEntry ReadEpoch(const fb::Epoch& from) {
  EpochEntry to = {from.id(),           from.column_id(),  from.checksum(),    from.file_bytes(),
                   from.list_count(),   from.trained_rows(), from.query_count(), from.row_count(),
                   from.own_queries(),  {}};
  if (from.steps() == nullptr) return to;
  for (const fb::CalibrationStep* step : *from.steps()) {
    CalibrationStepEntry entry = {step->margin(), step->probes_max(), step->coarse_errors(),
                                  step->fine_errors(), {}};
    if (step->recall_lower() != nullptr) {
      entry.recall_lower.assign(step->recall_lower()->begin(), step->recall_lower()->end());
    }
    to.steps.push_back(std::move(entry));
  }
  return to;
}

StatusOr<Manifest> ReadManifest(const fb::Manifest& from, std::string_view file) {
  Manifest to;
  to.generation = from.generation();
  to.min_batch = from.min_batch();
  to.uuid = ToString(from.uuid());
  to.docs_directory = from.docs_directory();
  to.next_collection_id = from.next_collection_id();
  to.next_column_id = from.next_column_id();
  to.next_segment_id = from.next_segment_id();
  if (from.collections() != nullptr) {
    for (const fb::Collection* c : *from.collections()) {
      to.collections.push_back(ReadCollection(*c));
      auto indexes = ReadFieldIndexes(*c);
      if (!indexes.ok()) {
        return Wrong(file, "has a bad path of a field index: " + indexes.status().message());
      }
      to.collections.back().field_indexes = std::move(*indexes);
    }
  }
  if (from.segments() != nullptr) {
    for (const fb::Segment* s : *from.segments()) to.segments.push_back(ReadSegment(*s));
  }
  if (from.epochs() != nullptr) {
    for (const fb::Epoch* e : *from.epochs()) to.epochs.push_back(ReadEpoch(*e));
  }
  to.next_epoch_id = from.next_epoch_id() == 0 ? 1 : from.next_epoch_id();
  to.next_field_index_id = from.next_field_index_id() == 0 ? 1 : from.next_field_index_id();
  return to;
}

Status CheckCollections(const Manifest& m, std::string_view file) {
  if (m.collections.size() > kCollectionCountMax) return Wrong(file, "has too many collections");
  std::set<uint32_t> collection_ids, column_ids;
  std::set<std::string_view> names;
  for (const CollectionEntry& c : m.collections) {
    if (c.id == 0 || c.id >= m.next_collection_id || !collection_ids.insert(c.id).second ||
        !names.insert(c.name).second || !CheckName("collection", c.name).ok() ||
        c.columns.size() > kColumnCountMax) {
      return Wrong(file, "has a bad collection, id " + std::to_string(c.id));
    }
    bool default_found = c.default_column == 0;
    std::set<std::string_view> column_names;
    for (const ColumnEntry& column : c.columns) {
      default_found |= column.id == c.default_column;
      if (column.id == 0 || column.id >= m.next_column_id ||
          !column_ids.insert(column.id).second || !column_names.insert(column.name).second ||
          !CheckName("column", column.name).ok() || column.dimension == 0 ||
          column.dimension > kDimensionMax || column.metric < Metric::kCosine ||
          column.metric > Metric::kL2 || column.model.size() > kModelBytesMax) {
        return Wrong(file, "has a bad column, id " + std::to_string(column.id));
      }
    }
    if (!default_found) return Wrong(file, "names a default column that does not exist");
  }
  return Status::Ok();
}

bool IsSane(const FieldIndexEntry& index) {
  if (index.kind == FieldIndexKind::kText) return !index.path.is_key();
  return index.kind == FieldIndexKind::kOrdered && !index.path.steps.empty();
}

Status CheckFieldIndexes(const Manifest& m, std::string_view file) {
  std::set<uint32_t> ids;
  for (const CollectionEntry& c : m.collections) {
    if (c.field_indexes.size() > kFieldIndexCountMax) {
      return Wrong(file, "has too many field indexes");
    }
    for (const FieldIndexEntry& index : c.field_indexes) {
      // The first of its path and kind is itself, or there are two.
      if (index.id == 0 || index.id >= m.next_field_index_id || !ids.insert(index.id).second ||
          !IsSane(index) || FindFieldIndex(c, index.path, index.kind) != &index) {
        return Wrong(file, "has a bad field index, id " + std::to_string(index.id));
      }
    }
  }
  return Status::Ok();
}

// Bounds that keep every later size computation far from overflow.
constexpr uint64_t kRowsMax = uint64_t{1} << 32;
constexpr uint64_t kBytesMax = uint64_t{1} << 48;

bool IsSane(const CalibrationStepEntry& step, const CalibrationStepEntry* before) {
  // No limit comes after every limit.
  const auto probes = [](const CalibrationStepEntry& s) { return s.probes_max - 1; };
  bool sane = std::isfinite(step.margin) && std::isfinite(step.coarse_errors) &&
              std::isfinite(step.fine_errors) && step.coarse_errors >= 0 &&
              step.fine_errors >= 0 && step.recall_lower.size() <= kCalibrationRecallsMax;
  for (const float recall : step.recall_lower) sane &= recall >= 0 && recall <= 1;
  return sane && (before == nullptr ||
                  (step.margin >= before->margin && probes(step) >= probes(*before) &&
                   step.coarse_errors >= before->coarse_errors &&
                   step.fine_errors >= before->fine_errors));
}

Status CheckEpochs(const Manifest& m, std::string_view file) {
  uint64_t last_id = 0;
  std::set<uint32_t> columns;
  for (const EpochEntry& e : m.epochs) {
    bool sane = e.id > last_id && e.id < m.next_epoch_id && m.FindColumn(e.column_id) != nullptr &&
                columns.insert(e.column_id).second && e.file_bytes < kBytesMax &&
                e.list_count > 0 && e.list_count <= kListCountMax && e.trained_rows < kBytesMax &&
                e.row_count < kBytesMax && e.steps.size() <= kCalibrationStepsMax;
    for (size_t i = 0; i < e.steps.size(); ++i) {
      sane &= IsSane(e.steps[i], i == 0 ? nullptr : &e.steps[i - 1]);
    }
    if (!sane) return Wrong(file, "has a bad epoch, id " + std::to_string(e.id));
    last_id = e.id;
  }
  return Status::Ok();
}

bool HasSaneIndex(const Manifest& m, const SegmentEntry& s) {
  if (s.epoch_id == 0) return s.index_checksum == 0 && s.index_bytes == 0;
  const EpochEntry* epoch = m.EpochOf(s.column_id);
  return s.sealed && s.index_bytes < kBytesMax && epoch != nullptr && epoch->id == s.epoch_id;
}

Status CheckSegments(const Manifest& m, std::string_view file) {
  uint64_t last_id = 0;
  for (const SegmentEntry& s : m.segments) {
    const bool sane = s.id > last_id && s.id < m.next_segment_id &&
                      m.FindColumn(s.column_id) != nullptr && s.rows < kRowsMax &&
                      s.key_bytes < kBytesMax && s.sorted_rows <= s.rows &&
                      s.docno_min <= s.docno_max && s.mask_generation <= m.generation &&
                      (s.sealed || s.rows == 0) && HasSaneIndex(m, s);
    if (!sane) return Wrong(file, "has a bad segment, id " + std::to_string(s.id));
    last_id = s.id;
  }
  return Status::Ok();
}

}  // namespace

const CollectionEntry* Manifest::FindCollection(std::string_view name) const {
  for (const CollectionEntry& c : collections) {
    if (c.name == name) return &c;
  }
  return nullptr;
}

const CollectionEntry* Manifest::FindCollection(uint32_t id) const {
  for (const CollectionEntry& c : collections) {
    if (c.id == id) return &c;
  }
  return nullptr;
}

const ColumnEntry* Manifest::FindColumn(uint32_t id) const {
  for (const CollectionEntry& c : collections) {
    for (const ColumnEntry& column : c.columns) {
      if (column.id == id) return &column;
    }
  }
  return nullptr;
}

const EpochEntry* Manifest::EpochOf(uint32_t column_id) const {
  for (const EpochEntry& epoch : epochs) {
    if (epoch.column_id == column_id) return &epoch;
  }
  return nullptr;
}

const ColumnEntry* FindColumn(const CollectionEntry& collection, std::string_view name) {
  for (const ColumnEntry& column : collection.columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

const FieldIndexEntry* FindFieldIndex(const CollectionEntry& collection, const FieldPath& path,
                                      FieldIndexKind kind) {
  for (const FieldIndexEntry& index : collection.field_indexes) {
    if (index.kind == kind && index.path == path) return &index;
  }
  return nullptr;
}

namespace {

// None is no field at all: a manifest without epochs has the bytes that it had before there were
// any. So it is with field indexes.
flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::Epoch>>> WriteEpochs(
    const Manifest& m, flatbuffers::FlatBufferBuilder* b) {
  if (m.epochs.empty()) return 0;
  std::vector<flatbuffers::Offset<fb::Epoch>> epochs;
  for (const EpochEntry& e : m.epochs) {
    std::vector<flatbuffers::Offset<fb::CalibrationStep>> steps;
    for (const CalibrationStepEntry& step : e.steps) {
      steps.push_back(fb::CreateCalibrationStep(*b, step.margin, step.probes_max,
                                                step.coarse_errors, step.fine_errors,
                                                b->CreateVector(step.recall_lower)));
    }
    epochs.push_back(fb::CreateEpoch(*b, e.id, e.column_id, e.checksum, e.file_bytes, e.list_count,
                                     e.trained_rows, e.query_count, e.row_count, e.own_queries,
                                     b->CreateVector(steps)));
  }
  return b->CreateVector(epochs);
}

flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fb::FieldIndex>>> WriteFieldIndexes(
    const CollectionEntry& c, flatbuffers::FlatBufferBuilder* b) {
  if (c.field_indexes.empty()) return 0;
  std::vector<flatbuffers::Offset<fb::FieldIndex>> indexes;
  for (const FieldIndexEntry& index : c.field_indexes) {
    indexes.push_back(fb::CreateFieldIndex(*b, index.id,
                                           b->CreateString(FieldPathText(index.path)),
                                           static_cast<uint8_t>(index.kind), index.ready));
  }
  return b->CreateVector(indexes);
}

uint64_t WriterFlags(const Manifest& m) {
  uint64_t flags = m.epochs.empty() ? 0 : kWriterFlagVectorIndex;
  for (const CollectionEntry& c : m.collections) {
    if (!c.field_indexes.empty()) flags |= kWriterFlagFieldIndexes;
  }
  if (m.named_snapshots) flags |= kWriterFlagNamedSnapshots;
  return flags;
}

}  // namespace

std::string EncodeManifest(const Manifest& m) {
  flatbuffers::FlatBufferBuilder b(4096);
  std::vector<flatbuffers::Offset<fb::Collection>> collections;
  for (const CollectionEntry& c : m.collections) {
    std::vector<flatbuffers::Offset<fb::Column>> columns;
    for (const ColumnEntry& column : c.columns) {
      columns.push_back(fb::CreateColumn(b, column.id, b.CreateString(column.name),
                                         column.dimension, static_cast<uint8_t>(column.metric),
                                         b.CreateString(column.model)));
    }
    const auto field_indexes = WriteFieldIndexes(c, &b);
    collections.push_back(fb::CreateCollection(b, c.id, b.CreateString(c.name), c.default_column,
                                               b.CreateVector(columns), field_indexes));
  }
  std::vector<flatbuffers::Offset<fb::Segment>> segments;
  for (const SegmentEntry& s : m.segments) {
    segments.push_back(fb::CreateSegment(b, s.id, s.column_id, s.sealed, s.rows, s.key_bytes,
                                         s.sorted_rows, s.docno_min, s.docno_max, s.sums_checksum,
                                         s.mask_generation, s.mask_checksum, s.epoch_id,
                                         s.index_checksum, s.index_bytes));
  }
  const auto epochs = WriteEpochs(m, &b);
  b.Finish(fb::CreateManifest(b, m.generation, m.min_batch, b.CreateString(m.uuid),
                              m.docs_directory, m.next_collection_id, m.next_column_id,
                              m.next_segment_id, b.CreateVector(collections),
                              b.CreateVector(segments), epochs,
                              m.next_epoch_id == 1 ? 0 : m.next_epoch_id,
                              m.next_field_index_id == 1 ? 0 : m.next_field_index_id),
           fb::ManifestIdentifier());
  return EncodeFrame(kManifestMagic,
                     {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()},
                     WriterFlags(m), m.format_version);
}

StatusOr<DecodedManifest> DecodeManifest(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kManifestMagic, bytes, file));
  if (bytes.size() != kFrameBytes + frame.payload.size()) {
    return Wrong(file, "has bytes after its end");
  }
  // FlatBuffers reads need alignment that a slice of a file does not promise.
  const std::vector<uint64_t> aligned = [&] {
    std::vector<uint64_t> copy((frame.payload.size() + 7) / 8 + 1);
    std::memcpy(copy.data(), frame.payload.data(), frame.payload.size());
    return copy;
  }();
  const auto* data = reinterpret_cast<const uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(data, frame.payload.size(), /*max_depth=*/16,
                                 /*max_tables=*/100'000'000);
  if (frame.payload.size() < 8 || !fb::VerifyManifestBuffer(verifier)) {
    return Wrong(file, "is not a valid FlatBuffer");
  }
  DecodedManifest decoded;
  VDB_ASSIGN_OR_RETURN(decoded.manifest, ReadManifest(*fb::GetManifest(data), file));
  decoded.manifest.format_version = frame.format_version;
  decoded.manifest.named_snapshots = (frame.writer_flags & kWriterFlagNamedSnapshots) != 0;
  decoded.writable = (frame.writer_flags & ~kKnownWriterFlags) == 0;
  if (decoded.manifest.generation == 0 || decoded.manifest.uuid.size() != 32) {
    return Wrong(file, "has no generation or uuid");
  }
  VDB_RETURN_IF_ERROR(CheckCollections(decoded.manifest, file));
  VDB_RETURN_IF_ERROR(CheckFieldIndexes(decoded.manifest, file));
  VDB_RETURN_IF_ERROR(CheckEpochs(decoded.manifest, file));
  VDB_RETURN_IF_ERROR(CheckSegments(decoded.manifest, file));
  return decoded;
}

std::string EncodeCurrent(const Current& current) {
  std::string line = "vdb-current 1 " + std::to_string(current.generation) + " " +
                     Hex64(current.manifest_checksum) + "\n";
  return line + Hex64(Hash64(line)) + "\n";
}

StatusOr<Current> DecodeCurrent(std::string_view bytes) {
  Current current;
  constexpr std::string_view kHead = "vdb-current 1 ";
  if (bytes.starts_with(kHead) && bytes.size() < 128) {
    const char* at = bytes.data() + kHead.size();
    const char* end = bytes.data() + bytes.size();
    const auto generation = std::from_chars(at, end, current.generation);
    if (generation.ec == std::errc() && end - generation.ptr > 17) {
      std::from_chars(generation.ptr + 1, generation.ptr + 17, current.manifest_checksum, 16);
      if (current.generation != 0 && EncodeCurrent(current) == bytes) return current;
    }
  }
  if (bytes.starts_with("vdb-current ") && !bytes.starts_with(kHead)) {
    const size_t newline = bytes.find('\n');
    if (newline != std::string_view::npos &&
        bytes.substr(newline + 1) == Hex64(Hash64(bytes.substr(0, newline + 1))) + "\n") {
      return Status::UnsupportedFormat("'CURRENT': written by a newer vdb; use a newer vdb");
    }
  }
  return Status::Corruption(
      "'CURRENT': its bytes are not what was written (checksum or form); run `vdbtool "
      "repair`, or restore it from a copy");
}

Status CheckName(std::string_view what, std::string_view name) {
  const auto refuse = [&](const std::string& why) {
    return Status::InvalidArgument(std::string(what) + " name of " + std::to_string(name.size()) +
                                   " bytes " + why);
  };
  if (name.empty() || name.size() > kNameBytesMax) {
    return refuse("refused: expected 1 to " + std::to_string(kNameBytesMax) + " bytes");
  }
  size_t i = 0;
  while (i < name.size()) {
    const auto c = static_cast<uint8_t>(name[i]);
    if (c < 0x20 || c == 0x7F) return refuse("refused: it has a control character");
    size_t extra = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2
                   : c >= 0xF0 && c < 0xF5 ? 3 : 4;
    if (extra == 4 || i + extra >= name.size()) return refuse("refused: it is not UTF-8");
    for (size_t j = 1; j <= extra; ++j) {
      if ((static_cast<uint8_t>(name[i + j]) & 0xC0) != 0x80) {
        return refuse("refused: it is not UTF-8");
      }
    }
    i += extra + 1;
  }
  return Status::Ok();
}

}  // namespace vdb::format
