// Verify of documents: by kChecksums the checksums of records and bodies; by kReferences also that
// each document refers to its rows and each live row to its document, and that counts and field
// entries are exactly those that belong to them.
#pragma once

#include <map>
#include <optional>

#include "engine/verify_fields.h"
#include "engine/verify_run.h"
#include "engine/view.h"

namespace vdb::engine {

class DocumentVerifier {
 public:
  /// Both must outlive it. Docnos are below `next_docno`.
  DocumentVerifier(VerifyRun* run, const View& view, uint64_t next_docno)
      : run_(run), view_(view), next_docno_(next_docno) {}

  /// Every collection. kCancelled, else what is wrong is in the report.
  Status Check();

 private:
  Status CheckCollection(const format::CollectionEntry& collection);
  Status CheckCounts(const format::CollectionEntry& collection, uint64_t documents);
  void CheckDocument(const format::CollectionEntry& collection, std::string_view key,
                     std::string_view value, FieldVerifier* fields);
  std::optional<format::DocumentRecord> CheckRecord(const format::CollectionEntry& collection,
                                                    std::string_view key, std::string_view value);
  void CheckVector(const format::ColumnEntry& column, std::string_view key, uint64_t docno);
  Status CheckOrphans(const format::CollectionEntry& collection,
                      const format::ColumnEntry& column);

  VerifyRun* const run_;
  const View& view_;
  const uint64_t next_docno_;
  std::map<uint32_t, uint64_t> vectors_found_;  // by column id, from documents
};

}  // namespace vdb::engine
