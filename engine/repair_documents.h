// The pass of a repair over all documents: what can be read goes into the new store, with the rows
// that it has, and what is lost is said, key by key where keys are known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/repair_segments.h"
#include "engine/repair_source.h"
#include "engine/repair_writer.h"

namespace vdb::engine {

class RepairDocuments {
 public:
  /// All must outlive it; `writer` null: only look.
  RepairDocuments(RepairRun* run, RepairSource* source, RepairSegments* segments,
                  RepairWriter* writer)
      : run_(run), source_(source), segments_(segments), writer_(writer) {}

  Status Run();
  /// The highest docno of any document.
  uint64_t docno_max() const { return docno_max_; }

 private:
  Status TakeCollection(const format::CollectionEntry& collection);
  Status TakeDocument(const format::CollectionEntry& collection, std::string_view key,
                      std::string_view value);
  StatusOr<std::string> TakeBody(const format::CollectionEntry& collection, std::string_view key,
                                 format::DocumentRecord* record);
  Status NameBodiesWithoutDocument(const format::CollectionEntry& collection);

  RepairRun* const run_;
  RepairSource* const source_;
  RepairSegments* const segments_;
  RepairWriter* const writer_;
  uint64_t docno_max_ = 0;
};

}  // namespace vdb::engine
