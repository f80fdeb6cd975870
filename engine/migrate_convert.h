// The middle of a migration: entries are read and normalised by several threads, and handed on in
// the order of the source.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/legacy_document.h"
#include "format/legacy_cache.h"
#include "vdb/options.h"
#include "vdb/write_batch.h"

namespace vdb::engine {

/// What came of the entries looked at so far.
struct ConvertTotals {
  uint64_t entries = 0, migrated = 0, without_vector = 0, refused = 0;
  uint64_t text_bytes = 0;  // of keys and metadata of documents
  std::map<format::LegacyReason, uint64_t> reasons;  // of refused entries
  std::vector<uint64_t> vectors;      // by column
  std::vector<uint64_t> key_bytes;    // of their rows
  EntriesHash hash;

  void Add(const ConvertTotals& other);
};

struct ConvertOptions {
  uint32_t thread_count = 0;  // 0: all cores
  bool want_report = false;
  ProgressCallback progress = {};
  uint64_t source_bytes = 0;  // for the progress, and for the size of batches
};

/// Takes what a few consecutive entries became: the documents, and with want_report a line of JSON
/// for each entry. One call at a time, in the order of the source.
using ConvertSink = std::function<Status(const WriteBatch& documents, std::string_view report)>;

/// Reads all entries of `cache`. Memory: about a MiB of vectors per thread. Errors: those of the
/// reader and of `sink`; kCorruption if the independent check of a vector fails; kCancelled.
StatusOr<ConvertTotals> ConvertEntries(const format::LegacyCache& cache,
                                       const ConvertOptions& options, const ConvertSink& sink);

/// Line of a report: {"key", "verdict", "reason", "detail", "offset"}.
std::string ReportLine(const format::LegacyEntry& entry, bool has_vector);

/// 1 to 256.
uint32_t ThreadCount(uint32_t wanted);

}  // namespace vdb::engine
