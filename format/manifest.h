// Manifest: the list of files of one consistent state, as a plain value; and the CURRENT file that
// names the live one. Bytes: a frame (format/frame.h) around the FlatBuffer of manifest.fbs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/field_path.h"
#include "vdb/status.h"
#include "vdb/types.h"
#include "vdb/version.h"

namespace vdb::format {

struct ColumnEntry {
  uint32_t id = 0;
  std::string name;
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  std::string model;
};

/// An ordered set of entries in RocksDB (format/field_entry.h).
struct FieldIndexEntry {
  uint32_t id = 0;
  FieldPath path;
  FieldIndexKind kind = FieldIndexKind::kOrdered;
  bool ready = false;  // false: writes keep it up, but documents from before may be missing
};

struct CollectionEntry {
  uint32_t id = 0;
  std::string name;
  uint32_t default_column = 0;  // 0: none
  std::vector<ColumnEntry> columns = {};
  std::vector<FieldIndexEntry> field_indexes = {};
};

struct SegmentEntry {
  uint64_t id = 0;
  uint32_t column_id = 0;
  bool sealed = false;
  uint64_t rows = 0;
  uint64_t key_bytes = 0;
  uint64_t sorted_rows = 0;
  uint64_t docno_min = 0;
  uint64_t docno_max = 0;
  uint64_t sums_checksum = 0;
  uint64_t mask_generation = 0;
  uint64_t mask_checksum = 0;
  uint64_t epoch_id = 0;        // 0: not indexed
  uint64_t index_checksum = 0;
  uint64_t index_bytes = 0;
};

/// What query/calibration.h measured, in the order of effort.
struct CalibrationStepEntry {
  float margin = 0;
  uint32_t probes_max = 0;  // 0: no limit
  float coarse_errors = 0;
  float fine_errors = 0;
  std::vector<float> recall_lower;
};

struct EpochEntry {
  uint64_t id = 0;
  uint32_t column_id = 0;
  uint64_t checksum = 0;
  uint64_t file_bytes = 0;
  uint32_t list_count = 0;
  uint64_t trained_rows = 0;
  uint32_t query_count = 0;  // of the calibration, as all that follows
  uint64_t row_count = 0;
  bool own_queries = false;
  std::vector<CalibrationStepEntry> steps;
};

struct Manifest {
  uint32_t format_version = kFormatVersion;  // of the database; kept in the frame
  uint64_t generation = 0;
  uint64_t min_batch = 0;
  std::string uuid;
  uint64_t docs_directory = 1;
  uint32_t next_collection_id = 1;
  uint32_t next_column_id = 1;
  uint64_t next_segment_id = 1;
  std::vector<CollectionEntry> collections;
  std::vector<SegmentEntry> segments;
  std::vector<EpochEntry> epochs;
  uint64_t next_epoch_id = 1;
  uint32_t next_field_index_id = 1;
  bool named_snapshots = false;  // there is, or was, one: kept as a writer flag only

  const CollectionEntry* FindCollection(std::string_view name) const;
  const CollectionEntry* FindCollection(uint32_t id) const;
  const ColumnEntry* FindColumn(uint32_t id) const;  // of any collection
  const EpochEntry* EpochOf(uint32_t column_id) const;  // null: the column has no index
};

const ColumnEntry* FindColumn(const CollectionEntry& collection, std::string_view name);
/// Ready or not; null: there is none.
const FieldIndexEntry* FindFieldIndex(const CollectionEntry& collection, const FieldPath& path,
                                      FieldIndexKind kind);

inline constexpr uint64_t kManifestBytesMax = 1u << 30;
inline constexpr size_t kFieldIndexCountMax = 64;  // of one collection
inline constexpr size_t kCalibrationStepsMax = 64;
inline constexpr size_t kCalibrationRecallsMax = 8;

std::string EncodeManifest(const Manifest& manifest);

struct DecodedManifest {
  Manifest manifest;
  bool writable = true;  // no unknown writer flag
};
/// Checks the frame, the FlatBuffer, and that every id, reference, name and limit makes sense.
StatusOr<DecodedManifest> DecodeManifest(std::string_view bytes, std::string_view file);

/// The CURRENT file: two lines of text,
///   vdb-current 1 <generation> <XXH3-64 of the manifest file, 16 hex digits>
///   <XXH3-64 of the first line with its newline, 16 hex digits>
/// Valid if and only if it equals, byte for byte, what EncodeCurrent writes for its values.
struct Current {
  uint64_t generation = 0;
  uint64_t manifest_checksum = 0;
};
std::string EncodeCurrent(const Current& current);
StatusOr<Current> DecodeCurrent(std::string_view bytes);

/// Collection, column: 1 to kNameBytesMax bytes of UTF-8 without control characters.
Status CheckName(std::string_view what, std::string_view name);

}  // namespace vdb::format
