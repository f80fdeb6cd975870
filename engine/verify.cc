// Verify: every checksum of every file, then that documents and rows refer to each other exactly.
// Reads one view and never writes.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <thread>

#include "engine/database_impl.h"
#include "engine/index_stats.h"
#include "engine/verify_fields.h"
#include "format/checksum.h"
#include "format/frame.h"
#include "format/metadata.h"
#include "format/migration_record.h"
#include "format/status_macros.h"
#include "storage/mask_file.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using format::SegmentFile;

constexpr size_t kProblemsKept = 1000;

std::string Quoted(std::string_view key) {
  std::string text;
  AppendJsonString(&text, key.substr(0, 100));
  return text;
}

class Verifier {
 public:
  Verifier(storage::FileSystem& fs, std::string root, std::shared_ptr<const View> view,
           const ProgressCallback& progress)
      : fs_(fs), root_(std::move(root)), view_(std::move(view)), progress_(progress) {}

  void CheckManifests();
  void CheckLedger();
  void CheckMigrationRecord();
  Status CheckSegments();
  Status CheckDocuments();
  VerifyReport& report() { return report_; }

  void Problem(const std::string& file, const std::string& where, const std::string& message) {
    report_.problem_count += 1;
    if (report_.problems.size() < kProblemsKept) {
      report_.problems.push_back({file, where, message});
    }
  }

 private:
  Status Tick(std::string_view stage, uint64_t done, uint64_t total) {
    if (!progress_ || progress_({stage, done, total})) return Status::Ok();
    return Status::Cancelled("verify: cancelled by the caller");
  }

  std::vector<VerifyProblem> LedgerProblems(const StatusOr<std::string>& bytes);
  void CheckSealedBytes(const SegmentView& segment, const format::SegmentEntry& entry);
  void CheckBlocks(const format::FileSums& sums, const std::string& file);
  void CheckOpenPages(const SegmentView& segment);
  void CheckMask(const SegmentView& segment, const format::SegmentEntry& entry);
  Status CheckRows(const SegmentView& segment);
  Status CheckCollection(const format::CollectionEntry& collection);
  void CheckDocument(const format::CollectionEntry& collection, std::string_view key,
                     std::string_view value, FieldVerifier* fields);
  void CheckVector(const format::ColumnEntry& column, std::string_view key, uint64_t docno);
  Status CheckOrphans(const format::CollectionEntry& collection,
                      const format::ColumnEntry& column);

  storage::FileSystem& fs_;
  const std::string root_;
  const std::shared_ptr<const View> view_;
  const ProgressCallback& progress_;
  VerifyReport report_;
  std::map<uint32_t, uint64_t> vectors_found_;  // by column id, from documents
  uint64_t rows_total_ = 0;
};

std::string SegmentPath(uint64_t id, SegmentFile file) {
  return JoinPath(format::kSegmentsDir, format::SegmentFileName(id, file));
}

// A writer in another process may publish meanwhile: a newer CURRENT is fine, and the manifest of
// this view, which the view pins, must be what it was.
void Verifier::CheckManifests() {
  report_.files_checked += 3;
  auto bytes = storage::ReadWholeFile(fs_, JoinPath(root_, format::kCurrentFile), 4096);
  auto current = bytes.ok() ? format::DecodeCurrent(*bytes)
                            : StatusOr<format::Current>(bytes.status());
  const format::Manifest& manifest = *view_->manifest;
  if (!current.ok()) {
    Problem("CURRENT", "whole file", current.status().message());
  } else if (current->generation < manifest.generation ||
             (current->generation == manifest.generation &&
              current->manifest_checksum != view_->manifest_checksum)) {
    Problem("CURRENT", "generation", "expected " + std::to_string(manifest.generation) +
                                         ", found " + std::to_string(current->generation));
  }
  for (const std::string& name : {format::ManifestName(manifest.generation),
                                  format::ManifestTwinName(manifest.generation)}) {
    auto file = storage::ReadWholeFile(fs_, JoinPath(root_, name), format::kManifestBytesMax);
    if (!file.ok()) {
      Problem(name, "whole file", file.status().message());
      continue;
    }
    report_.bytes_checked += file->size();
    const uint64_t found = format::Hash64(*file);
    if (found != view_->manifest_checksum) {
      Problem(name, "whole file", "expected checksum " +
                                      format::Hex64(view_->manifest_checksum) + ", found " +
                                      format::Hex64(found));
    }
  }
}

// The ledger and RocksDB's logs change under a writer; what is wrong only while they change is not.
void Verifier::CheckLedger() {
  constexpr int kTries = 20;
  std::vector<VerifyProblem> found;
  report_.files_checked += 1;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const std::string path = JoinPath(root_, format::kLedgerFile);
    auto bytes = storage::ReadWholeFile(fs_, path, 1 << 20);
    found = LedgerProblems(bytes);
    auto again = storage::ReadWholeFile(fs_, path, 1 << 20);
    if (found.empty() || (bytes.ok() && again.ok() && *bytes == *again && attempt > 0)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (const VerifyProblem& problem : found) Problem(problem.file, problem.where, problem.message);
}

void Verifier::CheckMigrationRecord() {
  const std::string name(format::kMigratedFile);
  auto bytes = storage::ReadWholeFile(fs_, JoinPath(root_, name), format::kMigrationRecordBytesMax);
  if (bytes.status().code() == StatusCode::kNotFound) return;  // most databases have none
  report_.files_checked += 1;
  if (!bytes.ok()) return Problem(name, "whole file", bytes.status().message());
  report_.bytes_checked += bytes->size();
  const auto record = format::DecodeMigrationRecord(*bytes, name);
  if (!record.ok()) Problem(name, "whole file", record.status().message());
}

std::vector<VerifyProblem> Verifier::LedgerProblems(const StatusOr<std::string>& bytes) {
  if (!bytes.ok()) return {{"ledger", "whole file", bytes.status().message()}};
  std::vector<VerifyProblem> problems;
  for (const size_t slot : format::DamagedLedgerSlots(*bytes)) {
    problems.push_back({"ledger", "slot " + std::to_string(slot), "checksum mismatch"});
  }
  const auto record = format::DecodeLedger(*bytes);
  if (!record.ok()) {
    problems.push_back({"ledger", "whole file", record.status().message()});
    return problems;
  }
  const std::string docs =
      JoinPath(root_, format::DocsDirName(view_->manifest->docs_directory));
  const Status files = storage::Ledger::CheckFiles(fs_, docs, *record);
  if (!files.ok()) problems.push_back({"docs", "files of the ledger", files.message()});
  return problems;
}

void Verifier::CheckBlocks(const format::FileSums& sums, const std::string& file) {
  auto opened = fs_.Open(JoinPath(root_, file), storage::OpenMode::kRead);
  if (!opened.ok()) return Problem(file, "whole file", opened.status().message());
  report_.files_checked += 1;
  std::vector<std::byte> block(format::kSumsBlockBytes);
  for (size_t i = 0; i < sums.blocks.size(); ++i) {
    const uint64_t from = i * uint64_t{format::kSumsBlockBytes};
    const uint64_t size = std::min<uint64_t>(block.size(), sums.file_bytes - from);
    const std::string where = "block " + std::to_string(i) + " (bytes " + std::to_string(from) +
                              " to " + std::to_string(from + size - 1) + ")";
    auto read = (*opened)->ReadAt(from, block.data(), size);
    if (!read.ok() || *read != size) {
      Problem(file, where, read.ok() ? "the file is cut" : read.status().message());
      continue;
    }
    report_.bytes_checked += size;
    const uint64_t found = format::Hash64(block.data(), size);
    if (found != sums.blocks[i]) {
      Problem(file, where, "expected checksum " + format::Hex64(sums.blocks[i]) + ", found " +
                               format::Hex64(found));
    }
  }
}

void Verifier::CheckSealedBytes(const SegmentView& segment, const format::SegmentEntry& entry) {
  const std::string name = SegmentPath(segment.segment->id(), SegmentFile::kSums);
  auto bytes = storage::ReadWholeFile(fs_, JoinPath(root_, name), 1u << 30);
  if (!bytes.ok()) return Problem(name, "whole file", bytes.status().message());
  report_.files_checked += 1;
  report_.bytes_checked += bytes->size();
  if (format::Hash64(*bytes) != entry.sums_checksum) {
    return Problem(name, "whole file", "checksum differs from the manifest's");
  }
  auto sums = format::DecodeSums(*bytes, name);
  if (!sums.ok()) return Problem(name, "whole file", sums.status().message());
  for (const format::FileSums& file : sums->files) {
    CheckBlocks(file, SegmentPath(segment.segment->id(), file.file));
  }
}

// An open segment has no block sums; its rows have theirs, so what is left are the first pages.
void Verifier::CheckOpenPages(const SegmentView& segment) {
  const auto& identity = segment.segment->identity();
  for (const SegmentFile kind : {SegmentFile::kRows, SegmentFile::kRecords, SegmentFile::kKeys}) {
    const std::string file = SegmentPath(identity.segment_id, kind);
    std::string page(format::kSegmentPageBytes, '\0');
    auto opened = fs_.Open(JoinPath(root_, file), storage::OpenMode::kRead);
    auto read = opened.ok() ? (*opened)->ReadAt(0, page.data(), page.size())
                            : StatusOr<size_t>(opened.status());
    if (!read.ok()) {
      Problem(file, "block 0 (bytes 0 to 4095)", read.status().message());
      continue;
    }
    page.resize(*read);
    report_.files_checked += 1;
    report_.bytes_checked += *read;
    Status status;
    if (kind == SegmentFile::kRows) {
      // A seal that was interrupted leaves the header of a sealed file with the rows of then.
      const size_t at = page.find("'shape': (");
      const uint64_t rows =
          at == std::string::npos ? 0 : std::strtoull(page.c_str() + at + 10, nullptr, 10);
      if (page != format::EncodeNpyPage(rows, identity.dimension)) {
        status = Status::Corruption("the NPY header is not what was written");
      }
    } else {
      status = format::CheckSegmentPage(kind, identity, page, file);
      if (status.ok() && kind == SegmentFile::kRecords &&
          !format::IsDurableHint(
              page.substr(format::kDurableHintOffset, format::kDurableHintBytes))) {
        status = Status::Corruption("the durable hint (bytes 4032 to 4063) fails its checksum");
      }
    }
    if (!status.ok()) Problem(file, "block 0 (bytes 0 to 4095)", status.message());
  }
}

void Verifier::CheckMask(const SegmentView& segment, const format::SegmentEntry& entry) {
  if (entry.mask_generation != 0) {
    const std::string name =
        JoinPath(format::kSegmentsDir, format::MaskFileName(entry.id, entry.mask_generation));
    auto mask = storage::MaskFile::Open(fs_, JoinPath(root_, name), entry.id, entry.mask_checksum);
    report_.files_checked += 1;
    Status status = mask.status();
    if (mask.ok()) status = storage::MaskFile::CheckAll(**mask);
    if (!status.ok()) Problem(name, "mask", status.message());
  }
  if (segment.mask == nullptr) return;
  uint64_t dead = 0;
  for (uint64_t i = 0; i < segment.mask->chunk_count(); ++i) {
    auto words = segment.mask->Chunk(i);
    if (!words.ok() || *words == nullptr) continue;
    for (uint64_t w = 0; w < storage::kMaskChunkWords; ++w) {
      dead += static_cast<uint64_t>(std::popcount((*words)[w]));
    }
  }
  if (dead != segment.mask->dead_count() || dead > segment.mark.rows) {
    Problem(SegmentPath(entry.id, SegmentFile::kRows), "delete mask",
            "expected " + std::to_string(segment.mask->dead_count()) + " dead rows, found " +
                std::to_string(dead));
  }
}

Status Verifier::CheckRows(const SegmentView& view) {
  const storage::Segment& segment = *view.segment;
  const std::string file = SegmentPath(segment.id(), SegmentFile::kRows);
  uint64_t key_offset = 0, last_docno = 0;
  for (uint64_t row = 0; row < view.mark.rows; ++row) {
    const format::RowRecord& record = segment.records()[row];
    const Status status = segment.CheckRow(row, view.mark.key_bytes);
    const bool ordered = row >= view.mark.sorted_rows || record.docno > last_docno;
    if (!status.ok()) {
      Problem(file, "row " + std::to_string(row), status.message());
    } else if (!std::isfinite(record.norm) || record.norm < 0 || record.docno == 0 ||
               record.docno < view.mark.docno_min || record.docno > view.mark.docno_max ||
               !ordered || record.key_offset != key_offset) {
      Problem(file, "row " + std::to_string(row),
              "its record (docno " + std::to_string(record.docno) + ", norm " +
                  std::to_string(record.norm) + ", key at " + std::to_string(record.key_offset) +
                  ") contradicts the segment's");
    }
    key_offset = record.key_offset + record.key_bytes;
    last_docno = record.docno;
    if (++report_.rows_checked % 16384 == 0) {
      VDB_RETURN_IF_ERROR(Tick("verify rows", report_.rows_checked, rows_total_));
    }
  }
  if (!view.sealed) {  // a sealed segment's bytes were counted block by block
    report_.bytes_checked +=
        view.mark.key_bytes +
        view.mark.rows *
            (segment.identity().dimension * sizeof(float) + sizeof(format::RowRecord));
  }
  if (key_offset != view.mark.key_bytes) {
    Problem(SegmentPath(segment.id(), SegmentFile::kKeys), "end",
            "expected keys to end at byte " + std::to_string(view.mark.key_bytes) + ", found " +
                std::to_string(key_offset));
  }
  return Status::Ok();
}

Status Verifier::CheckSegments() {
  for (const auto& [id, column] : view_->columns) {
    for (const SegmentView& segment : column->segments) rows_total_ += segment.mark.rows;
  }
  for (const auto& [id, column] : view_->columns) {
    for (const SegmentView& segment : column->segments) {
      const auto& entries = view_->manifest->segments;
      const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& e) {
        return e.id == segment.segment->id();
      });
      if (segment.sealed) {
        CheckSealedBytes(segment, *entry);
      } else {
        CheckOpenPages(segment);
      }
      CheckMask(segment, *entry);
      VDB_RETURN_IF_ERROR(CheckRows(segment));
    }
  }
  return Status::Ok();
}

void Verifier::CheckVector(const format::ColumnEntry& column, std::string_view key,
                           uint64_t docno) {
  const std::string where = "key " + Quoted(key) + ", column '" + column.name + "'";
  vectors_found_[column.id] += 1;
  auto at = FindRow(view_->FindColumn(column.id), docno);
  if (!at.ok()) return Problem("docs", where, at.status().message());
  if (at->segment == nullptr) {
    return Problem("docs", where, "no row has its docno " + std::to_string(docno));
  }
  const SegmentView& segment = *at->segment;
  const std::string file = SegmentPath(segment.segment->id(), SegmentFile::kRows);
  if (segment.mask != nullptr) {
    auto dead = segment.mask->Test(at->row);
    if (!dead.ok() || *dead) {
      Problem(file, "row " + std::to_string(at->row),
              dead.ok() ? "it is masked as dead, but belongs to " + where
                        : dead.status().message());
    }
  }
  if (segment.segment->KeyOf(at->row, segment.mark.key_bytes) != key) {
    Problem(file, "row " + std::to_string(at->row), "it has another key than " + where);
  }
}

void Verifier::CheckDocument(const format::CollectionEntry& collection, std::string_view key,
                             std::string_view value, FieldVerifier* fields) {
  const std::string where = "collection '" + collection.name + "', key " + Quoted(key);
  report_.documents_checked += 1;
  const auto record = format::DecodeDocument(value);
  if (!record.ok()) return Problem("docs", where, record.status().message());
  const auto metadata = format::MetadataToJson(record->metadata);
  if (!metadata.ok()) Problem("docs", where, metadata.status().message());
  const Status entries = metadata.ok() ? fields->CheckDocument(key, *record) : Status::Ok();
  if (!entries.ok()) Problem("docs", where, entries.message());
  const auto body =
      view_->store->Get(format::BodyKey(collection.id, key), view_->snapshot.get());
  if (!body.ok() || body->has_value() != record->has_body) {
    Problem("docs", where, body.ok() ? "body and record contradict each other"
                                     : body.status().message());
  }
  for (const format::ColumnEntry& column : collection.columns) {
    if (std::binary_search(record->columns.begin(), record->columns.end(), column.id)) {
      CheckVector(column, key, record->docno);
    }
  }
}

// More live rows than documents account for: name the rows.
Status Verifier::CheckOrphans(const format::CollectionEntry& collection,
                              const format::ColumnEntry& column) {
  const ColumnView* segments = view_->FindColumn(column.id);
  if (segments == nullptr) return Status::Ok();
  for (const SegmentView& segment : segments->segments) {
    const std::string file = SegmentPath(segment.segment->id(), SegmentFile::kRows);
    for (uint64_t row = 0; row < segment.mark.rows; ++row) {
      if (segment.mask != nullptr) {
        VDB_ASSIGN_OR_RETURN(const bool dead, segment.mask->Test(row));
        if (dead) continue;
      }
      const auto key = segment.segment->KeyOf(row, segment.mark.key_bytes);
      VDB_ASSIGN_OR_RETURN(const auto value,
                           view_->store->Get(format::DocumentKey(collection.id, key),
                                             view_->snapshot.get()));
      auto record = format::DecodeDocument(value.value_or(""));
      if (record.ok() && record->docno == segment.segment->records()[row].docno &&
          std::binary_search(record->columns.begin(), record->columns.end(), column.id)) {
        continue;
      }
      Problem(file, "row " + std::to_string(row),
              "no document refers to it (key " + Quoted(key) + ", docno " +
                  std::to_string(segment.segment->records()[row].docno) + ")");
    }
  }
  return Status::Ok();
}

Status Verifier::CheckCollection(const format::CollectionEntry& collection) {
  VDB_ASSIGN_OR_RETURN(auto cursor, view_->store->NewCursor(format::DocumentPrefix(collection.id),
                                                            view_->snapshot.get()));
  const uint64_t before = report_.documents_checked;
  FieldVerifier fields(*view_, collection, [this](const auto& where, const auto& message) {
    Problem("docs", where, message);
  });
  for (; cursor->Valid(); cursor->Next()) {
    CheckDocument(collection, cursor->key().substr(format::kDocumentPrefixBytes),
                  cursor->value(), &fields);
    if (report_.documents_checked % 4096 == 0) {
      VDB_RETURN_IF_ERROR(Tick("verify documents", report_.documents_checked, 0));
    }
  }
  if (!cursor->status().ok()) Problem("docs", "documents", cursor->status().message());
  VDB_RETURN_IF_ERROR(fields.CheckSurplus());

  VDB_ASSIGN_OR_RETURN(const auto counts_bytes,
                       view_->store->Get(format::CountsKey(collection.id), view_->snapshot.get()));
  format::CountsRecord counts;
  if (counts_bytes) {
    VDB_ASSIGN_OR_RETURN(counts, format::DecodeCounts(*counts_bytes));
  }
  const uint64_t found = report_.documents_checked - before;
  const std::string where = "collection '" + collection.name + "'";
  if (counts.documents != found) {
    Problem("docs", where, "counted " + std::to_string(counts.documents) + " documents, found " +
                               std::to_string(found));
  }
  for (const format::ColumnEntry& column : collection.columns) {
    uint64_t live = 0;
    if (const ColumnView* segments = view_->FindColumn(column.id)) {
      for (const SegmentView& segment : segments->segments) {
        live += segment.mark.rows - (segment.mask ? segment.mask->dead_count() : 0);
      }
    }
    const uint64_t referred = vectors_found_[column.id];
    if (live != referred) VDB_RETURN_IF_ERROR(CheckOrphans(collection, column));
    if (live != referred || counts.vectors[column.id] != referred) {
      Problem("docs", where + ", column '" + column.name + "'",
              "documents have " + std::to_string(referred) + " vectors, live rows are " +
                  std::to_string(live) + ", counted are " +
                  std::to_string(counts.vectors[column.id]));
    }
  }
  return Status::Ok();
}

Status Verifier::CheckDocuments() {
  const Status tables = view_->store->VerifyChecksums();
  if (!tables.ok()) Problem("docs", "table files", tables.message());
  for (const auto& collection : view_->manifest->collections) {
    const Status checked = CheckCollection(collection);
    if (checked.code() == StatusCode::kCancelled) return checked;
    if (!checked.ok()) {
      Problem("docs", "collection '" + collection.name + "'", checked.message());
    }
  }
  return Status::Ok();
}

}  // namespace

// The newest view, and the shared lock on its manifest that keeps this process from removing its
// files. A reader's view has its pin already.
StatusOr<std::shared_ptr<const View>> DatabaseImpl::PinnedView(ViewPin* pin) const {
  const std::lock_guard lock(commit_mutex_);
  VDB_ASSIGN_OR_RETURN(auto view, CurrentView());
  if (read_only()) return view;
  const std::string path = PathOf(format::ManifestName(view->manifest->generation));
  auto file = fs().Open(path, storage::OpenMode::kRead);
  if (!file.ok()) return view;  // verify will say that it is gone
  pin->file = std::move(*file);
  VDB_ASSIGN_OR_RETURN(pin->lock, pin->file->TryLock(storage::LockKind::kShared));
  return view;
}

StatusOr<VerifyReport> DatabaseImpl::Verify(const VerifyOptions& options) const {
  ViewPin pin;
  VDB_ASSIGN_OR_RETURN(const auto view, PinnedView(&pin));
  Verifier verifier(fs(), path_, view, options.progress);
  verifier.CheckManifests();
  verifier.CheckLedger();
  verifier.CheckMigrationRecord();
  VDB_RETURN_IF_ERROR(verifier.CheckSegments());
  VerifyIndexes(fs(), path_, *view, &verifier.report(),
                [&verifier](const std::string& file, const std::string& where,
                            const std::string& message) {
                  verifier.Problem(file, where, message);
                });
  VDB_RETURN_IF_ERROR(verifier.CheckDocuments());
  return std::move(verifier.report());
}

}  // namespace vdb::engine
