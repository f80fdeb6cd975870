// LegacyCache: someone else's cache of vectors, looked through once and then read entry by entry.
//
//   Open       one streaming pass over the source: which shape it has, where each entry stands,
//              which dimension the vectors have, which entry of a repeated key stands. No number is
//              converted yet.
//   ReadEntry  converts one entry: key, metadata, vectors in double, or why it is refused.
//
// Shapes (docs/migration.md): vemb v1 and v2, nndex, and JSON by shape: a map of key to array or
// record, a list of records, parallel arrays, JSON lines, append-only .ajson logs, base64 matrices,
// stored API answers. Memory: about 64 bytes an entry and one entry's text, never the file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/byte_source.h"
#include "vdb/status.h"

namespace vdb::format {

/// Why an entry (or a source) was refused. kZeroNorm is no refusal: the document is kept, its
/// vector is left out.
enum class LegacyReason : uint8_t {
  kNone,
  kWrongLength,
  kWrongType,
  kWrongShape,
  kNonFinite,
  kRowOutOfRange,
  kTruncated,
  kZeroNorm,
  kUnknownVersion,
  kNotJson,
  kTooLarge,  // key, metadata or dimension above vdb's limits
};

/// "wrong_length" and so on, as reports write it; "" for kNone.
std::string_view LegacyReasonCode(LegacyReason reason);

/// A vector column that the cache fills: one per (model, dimension), or per vector field.
struct LegacyColumn {
  std::string name;   // of the column to make: the model tag, plus "-DIM" where two share one
  std::string model;  // "" if the cache names none
  uint32_t dimension = 0;
};

/// One vector of an entry, as the source has it: not normalised, all finite, not zero.
struct LegacyVector {
  uint32_t column = 0;         // in LegacyCache::columns()
  std::vector<double> values;  // the column's dimension
};

/// One entry of the source, converted.
struct LegacyEntry {
  uint64_t source_offset = 0;  // where it begins in its file
  std::string key;             // raw bytes
  std::string metadata;        // a JSON object, as text
  std::vector<LegacyVector> vectors;
  LegacyReason reason = LegacyReason::kNone;
  std::string detail;          // for people: expected, found, where
  std::vector<std::string> flags;  // e.g. "relpath_inferred", "no_size_mtime", "duplicate_of:KEY"

  /// Whether a document comes of it.
  bool migrates() const {
    return reason == LegacyReason::kNone || reason == LegacyReason::kZeroNorm;
  }
};

/// What the caller may overrule.
struct LegacyOptions {
  std::string key_field = {};      // of records; empty: found by name
  std::string vector_field = {};   // of records; empty: found by name and shape
  bool salvage = false;            // take the complete leading entries of a torn source
  bool force = false;              // read an unknown version as the newest known one
};

/// The files of a cache, opened by the caller. Which are set decides the reader.
struct LegacySources {
  std::string name = {};  // path, for messages
  std::shared_ptr<const ByteSource> json = {};           // any JSON cache file opened by name
  std::shared_ptr<const ByteSource> vemb_cache = {};     // .vemb/cache.json
  std::shared_ptr<const ByteSource> vemb_manifest = {};  // .vemb/manifest.json
  std::shared_ptr<const ByteSource> vemb_vectors = {};   // .vemb/vectors.npy
  std::shared_ptr<const ByteSource> nndex_metadata = {};    // .nndex/metadata.json
  std::shared_ptr<const ByteSource> nndex_embeddings = {};  // .nndex/embeddings.npy
  // A sibling .npy of `json`, for shapes whose matrix stands beside it; may be null.
  std::shared_ptr<const ByteSource> json_matrix = {};
};

/// Where the first pass stands; false cancels (kCancelled).
using LegacyProgress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

class LegacyCache {
 public:
  virtual ~LegacyCache() = default;

  /// The first pass. Errors: kIoError; kCancelled. A source that is refused as a whole is no error:
  /// see refused().
  static StatusOr<std::unique_ptr<const LegacyCache>> Open(const LegacySources& sources,
                                                           const LegacyOptions& options,
                                                           const LegacyProgress& progress = {});

  /// "vemb-v1", "vemb-v2", "nndex", "json-map", "json-records", "json-lines", "json-columns",
  /// "ajson", "json-matrix", "json-answer"; "unknown" if refused before it was told.
  const std::string& format() const { return format_; }

  /// Not kNone: the source is refused as a whole; nothing of it migrates. `refusal` says what,
  /// where, expected, found and what to do (e.g. --salvage, or export to JSONL and import).
  LegacyReason refused() const { return refused_; }
  const std::string& refusal() const { return refusal_; }

  /// Columns in the order of their first use. Empty if no entry has a vector.
  const std::vector<LegacyColumn>& columns() const { return columns_; }
  /// Entries that stand: of a repeated key the last one, without those a later null deleted.
  uint64_t entry_count() const { return entry_count_; }
  /// Bytes of vectors as float32: for the prediction of a dry run.
  uint64_t vector_bytes() const { return vector_bytes_; }
  uint64_t replaced_count() const { return replaced_count_; }  // entries a later one replaced
  uint64_t deleted_count() const { return deleted_count_; }    // keys whose last record is null
  bool torn() const { return torn_; }  // salvage left a torn rest behind
  /// What was taken for key, vector and metadata, e.g. "key: the map's key; vector: 'values'".
  const std::string& taken() const { return taken_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// Converts the entries [first, first + count) in their order and hands each to `take`; stops at
  /// its first error and returns it. Thread-safe: any number of calls may run at once. An entry
  /// that is no JSON in a place where the first pass does not look (a number like 1-2) is refused
  /// by itself, as kNotJson. Errors of its own: kIoError, kCorruption (the source changed since
  /// Open).
  virtual Status ReadEntries(uint64_t first, uint64_t count,
                             const std::function<Status(LegacyEntry&)>& take) const = 0;

 protected:
  std::string format_ = "unknown";
  LegacyReason refused_ = LegacyReason::kNone;
  std::string refusal_, taken_;
  std::vector<LegacyColumn> columns_;
  uint64_t entry_count_ = 0, vector_bytes_ = 0, replaced_count_ = 0, deleted_count_ = 0;
  bool torn_ = false;
  std::vector<std::string> warnings_;
};

}  // namespace vdb::format
