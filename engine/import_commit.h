// ImportCommitter: the half of an import that writes. Batches come from the pipeline's workers;
// what is done with one is done in its turn, in the order of the source.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/import_check.h"
#include "engine/import_pipeline.h"
#include "engine/import_record.h"
#include "engine/import_source.h"

namespace vdb::engine {

/// What has been committed so far.
struct ImportTotals {
  uint64_t documents = 0;
  uint64_t batches = 0;
  uint64_t rejected = 0;
  uint64_t skipped = 0;
  uint64_t resumed = 0;     // rows that an earlier import had dealt with
  uint64_t file_bytes = 0;
};

class ImportCommitter {
 public:
  /// All must outlive it. `name` stands for the source in messages; `source_info` is filled for
  /// files, which can be resumed.
  ImportCommitter(Database& database, const std::string& collection, const std::string& name,
                  const ImportOptions& options, const std::optional<storage::FileInfo>& source_info)
      : database_(database), collection_name_(collection), name_(name), options_(options),
        source_info_(source_info) {}

  /// Looks at what is there, and moves `source` to where an interrupted import ended.
  Status Open(ImportSource* source);

  /// For ImportPipeline.
  Status Commit(ImportBatch& batch, ImportPipeline::Turn& turn);

  /// When everything was committed: makes what an empty source asks for.
  Status Finish();

  ImportTotals totals() const;
  /// Fills in what was made.
  void Describe(ImportReport* report) const;

 private:
  using Kept = std::vector<size_t>;  // positions of changes

  Status LoadColumns();
  Status DeclareColumns();
  Status OpenQuarantine(uint64_t kept_bytes);
  bool IsPlain(const ImportBatch& batch) const;
  Status CommitCarefully(ImportBatch& batch);
  Kept KeepGood(ImportBatch* batch);
  Status Quarantine(const ImportBatch& batch);
  Status DropExisting(const WriteBatch& changes, Kept* kept, uint64_t* skipped) const;
  Status MakeMissing();
  Status WriteKept(ImportBatch* batch, const Kept& kept, uint64_t* written);
  Status WritePiece(ImportBatch* batch, const Kept& kept, size_t begin, size_t end,
                    uint64_t* written);
  Status Done(const ImportBatch& batch, uint64_t documents, uint64_t skipped);
  Status Explain(const ImportBatch& batch, const Status& status) const;
  std::string PlaceOf(uint64_t place) const;
  ImportRecord NewRecord() const;

  Database& database_;
  const std::string& collection_name_;
  const std::string& name_;
  const ImportOptions& options_;
  const std::optional<storage::FileInfo> source_info_;
  const ImportSource* source_ = nullptr;

  mutable std::mutex mutex_;            // of what follows; changed in turns only
  std::optional<Collection> collection_;
  ImportColumns columns_;
  std::vector<std::string> made_;       // names of columns
  bool collection_is_new_ = false;
  ImportTotals totals_;

  // In turns only.
  std::optional<ImportRecordFile> record_file_;
  std::unique_ptr<storage::File> quarantine_;
  uint64_t quarantine_bytes_ = 0;
};

}  // namespace vdb::engine
