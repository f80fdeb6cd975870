#include "storage/ledger.h"

#include <algorithm>
#include <cstdio>

#include "format/checksum.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::storage {
namespace {

using format::LedgerRecord;
using format::TrackedFile;
using format::TrackedKind;

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string RocksFileName(const TrackedFile& file) {
  char text[32];
  const auto number = static_cast<unsigned long long>(file.number);
  std::snprintf(text, sizeof(text), file.kind == TrackedKind::kManifest ? "MANIFEST-%06llu"
                                                                        : "%06llu.log", number);
  return text;
}

Status Shortfall(const std::string& file, const std::string& what) {
  return Status::Corruption(
      "'" + file + "': " + what +
      ", as the ledger recorded it: acknowledged batches would be lost. Nothing was changed; "
      "run `vdbtool repair`, or restore the directory from a copy (docs/durability.md, Damage)");
}

// Hashes the first `size` bytes in pieces, so that memory stays bounded.
StatusOr<uint64_t> HashPrefix(File& file, uint64_t size) {
  format::StreamingHash hash;
  std::string buffer(1 << 20, '\0');
  for (uint64_t done = 0; done < size;) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(buffer.size(), size - done));
    VDB_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(done, buffer.data(), want));
    if (got == 0) break;
    hash.Update(buffer.data(), got);
    done += got;
  }
  return hash.Digest64();
}

Status CheckFile(FileSystem& fs, const std::string& docs_dir, const TrackedFile& tracked) {
  const std::string path = format::JoinPath(docs_dir, RocksFileName(tracked));
  auto file = fs.Open(path, OpenMode::kRead);
  if (!file.ok()) {
    if (file.status().code() != StatusCode::kNotFound) return file.status();
    return Shortfall(path, "missing, expected " + std::to_string(tracked.synced_bytes) + " bytes");
  }
  VDB_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  if (size < tracked.synced_bytes) {
    return Shortfall(path, "expected at least " + std::to_string(tracked.synced_bytes) +
                               " bytes, found " + std::to_string(size));
  }
  VDB_ASSIGN_OR_RETURN(const uint64_t found, HashPrefix(**file, tracked.synced_bytes));
  if (found != tracked.checksum) {
    return Shortfall(path, "the first " + std::to_string(tracked.synced_bytes) +
                               " bytes expected checksum " + format::Hex64(tracked.checksum) +
                               ", found " + format::Hex64(found));
  }
  return Status::Ok();
}

}  // namespace

Status Ledger::Create(FileSystem& fs, const std::string& path, const std::string& uuid) {
  LedgerRecord record;
  record.sequence = 1;
  record.uuid = uuid;
  std::string bytes(format::kLedgerSlots * format::kLedgerSlotBytes, '\0');
  bytes.replace(format::kLedgerSlotBytes, format::kLedgerSlotBytes,
                format::EncodeLedgerSlot(record));
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path, OpenMode::kCreate));
  VDB_RETURN_IF_ERROR(file->WriteAt(0, AsBytes(bytes)));
  return file->Sync();
}

StatusOr<LedgerRecord> Ledger::Read(FileSystem& fs, const std::string& path) {
  auto bytes = ReadWholeFile(fs, path, format::kLedgerSlots * format::kLedgerSlotBytes);
  if (!bytes.ok()) {
    if (bytes.status().code() != StatusCode::kNotFound) return bytes.status();
    return Status::Corruption("'" + path + "' is missing; run `vdbtool repair`, or restore it "
                              "from a copy");
  }
  return format::DecodeLedger(*bytes);
}

Status Ledger::CheckFiles(FileSystem& fs, const std::string& docs_dir,
                          const LedgerRecord& record) {
  for (const TrackedFile& file : record.files) {
    VDB_RETURN_IF_ERROR(CheckFile(fs, docs_dir, file));
  }
  if (record.current_manifest == 0) return Status::Ok();  // RocksDB was not made yet
  const std::string path = format::JoinPath(docs_dir, "CURRENT");
  VDB_ASSIGN_OR_RETURN(const std::string current, ReadWholeFile(fs, path, 4096));
  const auto names = [&current](uint64_t number) {
    return RocksFileName({TrackedKind::kManifest, number, 0, 0}) + "\n" == current;
  };
  if (names(record.current_manifest)) return Status::Ok();
  for (const TrackedFile& file : record.files) {
    const bool before_switch = record.switching && file.kind == TrackedKind::kManifest;
    if (before_switch && names(file.number)) return Status::Ok();
  }
  return Shortfall(path, "expected MANIFEST number " + std::to_string(record.current_manifest) +
                             ", found '" + current.substr(0, current.find('\n')) + "'");
}

Status Ledger::CutManifest(FileSystem& fs, const std::string& docs_dir,
                           const LedgerRecord& record) {
  for (const TrackedFile& tracked : record.files) {
    const bool live = tracked.number == record.current_manifest;
    if (tracked.kind != TrackedKind::kManifest || !live) continue;
    VDB_ASSIGN_OR_RETURN(auto file, fs.Open(format::JoinPath(docs_dir, RocksFileName(tracked)),
                                            OpenMode::kReadWrite));
    VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    if (size <= tracked.synced_bytes) return Status::Ok();
    VDB_RETURN_IF_ERROR(file->Truncate(tracked.synced_bytes));
    return file->Sync();
  }
  return Status::Ok();
}

StatusOr<std::unique_ptr<Ledger>> Ledger::Open(FileSystem& fs, const std::string& path,
                                               LedgerRecord record) {
  VDB_ASSIGN_OR_RETURN(auto file, fs.Open(path, OpenMode::kReadWrite));
  // Slots torn by a power cut are as good as never written; and what a killed writer wrote last may
  // not be durable yet.
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadWholeFile(fs, path, format::kLedgerSlots * format::kLedgerSlotBytes));
  const std::string empty(format::kLedgerSlotBytes, '\0');
  for (const size_t slot : format::DamagedLedgerSlots(bytes)) {
    VDB_RETURN_IF_ERROR(file->WriteAt(slot * format::kLedgerSlotBytes, AsBytes(empty)));
  }
  VDB_RETURN_IF_ERROR(file->Sync());
  return std::unique_ptr<Ledger>(new Ledger(std::move(file), std::move(record)));
}

Ledger::Ledger(std::unique_ptr<File> file, LedgerRecord record)
    : file_(std::move(file)), last_(std::move(record)), durable_sequence_(last_.sequence) {
  for (const TrackedFile& tracked : last_.files) {
    tracked_[{tracked.kind, tracked.number}] = {tracked, 0, true};
  }
}

Status Ledger::Write(const Values& values, bool clean) {
  const std::lock_guard lock(mutex_);
  last_.batch = values.batch;
  last_.running_hash = values.running_hash;
  last_.durable_batch = values.durable_batch;
  last_.generation = values.generation;
  last_.clean = clean;
  return WriteLocked();
}

Status Ledger::Sync() {
  const std::lock_guard lock(mutex_);
  return SyncLocked();
}

Status Ledger::WriteLocked() {
  VDB_RETURN_IF_ERROR(failure_);
  last_.files.clear();
  for (const auto& [id, tracked] : tracked_) {
    if (tracked.name_durable) last_.files.push_back(tracked.file);
  }
  if (last_.files.size() > format::kLedgerFilesMax) {  // the oldest WALs give way
    last_.files.erase(last_.files.begin() + 8,
                      last_.files.end() - (format::kLedgerFilesMax - 8));
  }
  last_.sequence += 1;
  if (last_.sequence % format::kLedgerSlots == durable_sequence_ % format::kLedgerSlots) {
    last_.sequence += 1;  // many unsynced rounds must not tear the record they all rest on
  }
  const std::string slot = format::EncodeLedgerSlot(last_);
  dirty_ = true;
  failure_ = file_->WriteAt(last_.sequence % format::kLedgerSlots * format::kLedgerSlotBytes,
                            AsBytes(slot));
  return failure_;
}

Status Ledger::SyncLocked() {
  VDB_RETURN_IF_ERROR(failure_);
  if (!dirty_) return Status::Ok();
  failure_ = file_->Sync();
  VDB_RETURN_IF_ERROR(failure_);
  durable_sequence_ = last_.sequence;
  dirty_ = false;
  return Status::Ok();
}

Status Ledger::FileSynced(const TrackedFile& file) {
  const std::lock_guard lock(mutex_);
  Tracked& tracked = tracked_[{file.kind, file.number}];
  if (tracked.since == 0 && !tracked.name_durable) tracked.since = ++clock_;
  tracked.file = file;
  if (file.kind != TrackedKind::kManifest || !tracked.name_durable) return Status::Ok();
  VDB_RETURN_IF_ERROR(WriteLocked());
  return SyncLocked();
}

uint64_t Ledger::BeforeDirectorySync() {
  const std::lock_guard lock(mutex_);
  return clock_;
}

Status Ledger::DirectorySynced(uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, tracked] : tracked_) tracked.name_durable |= tracked.since <= ticket;
  if (switched_at_ == 0 || switched_at_ > ticket) return Status::Ok();
  last_.switching = false;
  switched_at_ = 0;
  VDB_RETURN_IF_ERROR(WriteLocked());
  return SyncLocked();
}

void Ledger::AfterSwitch() {
  const std::lock_guard lock(mutex_);
  switched_at_ = ++clock_;
}

Status Ledger::BeforeSwitch(uint64_t manifest_number) {
  const std::lock_guard lock(mutex_);
  last_.current_manifest = manifest_number;
  last_.switching = true;
  VDB_RETURN_IF_ERROR(WriteLocked());
  return SyncLocked();
}

Status Ledger::BeforeRemove(TrackedKind kind, uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = tracked_.find({kind, number});
  if (found == tracked_.end()) return Status::Ok();
  const Tracked kept = found->second;
  tracked_.erase(found);
  Status told = WriteLocked();
  if (told.ok()) told = SyncLocked();
  if (!told.ok()) tracked_[{kind, number}] = kept;  // RocksDB will ask again
  return told;
}

StatusOr<size_t> Ledger::ClearDamagedSlots() {
  const std::lock_guard lock(mutex_);
  std::string bytes(format::kLedgerSlots * format::kLedgerSlotBytes, '\0');
  VDB_ASSIGN_OR_RETURN(const size_t read, file_->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(read);
  const auto damaged = format::DamagedLedgerSlots(bytes);
  const std::string empty(format::kLedgerSlotBytes, '\0');
  for (const size_t slot : damaged) {
    dirty_ = true;
    VDB_RETURN_IF_ERROR(file_->WriteAt(slot * format::kLedgerSlotBytes, AsBytes(empty)));
  }
  return damaged.size();
}

}  // namespace vdb::storage
