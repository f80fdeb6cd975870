// See restore_store.h.
#include "engine/restore_store.h"

#include <algorithm>

#include "format/byte_io.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kBatchBytes = 1u << 20;
constexpr size_t kWriteBufferBytes = 32u << 20;  // nobody opens it meanwhile: no log to replay
constexpr uint64_t kEntryBytesMax = 1u << 30;

Status BadStream(const std::string& what) {
  return Status::Corruption("the documents of the backup: " + what);
}

}  // namespace

// Segments are durable before the first document: no barrier is needed.
class StoreRestorer::Watcher final : public storage::RocksWatcher {
 public:
  explicit Watcher(storage::Ledger* ledger) : ledger_(*ledger) {}
  Status BeforeLogAppend() override { return Status::Ok(); }
  Status FileSynced(const format::TrackedFile& file) override { return ledger_.FileSynced(file); }
  uint64_t BeforeDirectorySync() override { return ledger_.BeforeDirectorySync(); }
  Status DirectorySynced(uint64_t ticket) override { return ledger_.DirectorySynced(ticket); }
  Status BeforeSwitch(uint64_t number) override { return ledger_.BeforeSwitch(number); }
  void AfterSwitch() override { ledger_.AfterSwitch(); }
  Status BeforeRemove(format::TrackedKind kind, uint64_t number) override {
    return ledger_.BeforeRemove(kind, number);
  }

 private:
  storage::Ledger& ledger_;
};

StoreRestorer::StoreRestorer(const format::BackupRecord& record, Keep keep)
    : record_(record), keep_(std::move(keep)) {}

StoreRestorer::~StoreRestorer() = default;

StatusOr<std::unique_ptr<StoreRestorer>> StoreRestorer::Create(const EngineOptions& engine,
                                                               const std::string& root,
                                                               const format::BackupRecord& record,
                                                               Keep keep) {
  storage::FileSystem& fs = *engine.fs;
  std::unique_ptr<StoreRestorer> self(new StoreRestorer(record, std::move(keep)));
  const std::string ledger =
      format::JoinPath(root, format::LedgerName(record.manifest.docs_directory));
  VDB_RETURN_IF_ERROR(storage::Ledger::Create(fs, ledger, record.uuid));
  VDB_ASSIGN_OR_RETURN(auto found, storage::Ledger::Read(fs, ledger));
  VDB_ASSIGN_OR_RETURN(self->ledger_, storage::Ledger::Open(fs, ledger, std::move(found)));
  self->watcher_ = std::make_unique<Watcher>(self->ledger_.get());
  const std::string docs =
      format::JoinPath(root, format::DocsDirName(record.manifest.docs_directory));
  VDB_RETURN_IF_ERROR(fs.CreateDir(docs));
  VDB_ASSIGN_OR_RETURN(self->store_,
                       storage::DocumentStore::Open({docs, &fs, self->watcher_.get(),
                                                     /*create=*/true, kWriteBufferBytes,
                                                     engine.user.logger}));
  return self;
}

Status StoreRestorer::Add(std::string_view piece) {
  pending_ += piece;
  return PutEntries();
}

Status StoreRestorer::PutEntries() {
  std::string_view rest = pending_;
  while (!rest.empty()) {
    format::ByteReader reader(rest);
    const uint64_t key_bytes = reader.Varint();
    const uint64_t value_bytes = reader.Varint();
    // The two varints may be cut where the piece ends.
    if (!reader.ok() && rest.size() < 20) break;
    if (!reader.ok() || key_bytes == 0 || key_bytes > kEntryBytesMax ||
        value_bytes > kEntryBytesMax) {
      return BadStream("an entry has " + std::to_string(key_bytes) + " and " +
                       std::to_string(value_bytes) + " bytes");
    }
    if (reader.remaining() < key_bytes + value_bytes) break;
    const std::string_view key = reader.Bytes(key_bytes);
    const std::string_view value = reader.Bytes(value_bytes);
    if (key <= last_key_) return BadStream("the keys are not in order");
    last_key_ = key;
    if (keep_(key, value)) VDB_RETURN_IF_ERROR(Put(key, value));
    rest.remove_prefix(rest.size() - reader.remaining());
  }
  pending_.erase(0, pending_.size() - rest.size());
  return Status::Ok();
}

Status StoreRestorer::Put(std::string_view key, std::string_view value) {
  batch_.Put(key, value);
  return batch_.bytes().size() >= kBatchBytes ? WriteBatch() : Status::Ok();
}

Status StoreRestorer::WriteBatch() {
  VDB_RETURN_IF_ERROR(store_->Write(batch_));
  batch_ = storage::StoreBatch();
  return Status::Ok();
}

Status StoreRestorer::Finish() {
  if (!pending_.empty()) return BadStream("they end within an entry");
  batch_.Put(format::StateKey(), format::EncodeState(record_.state));
  VDB_RETURN_IF_ERROR(WriteBatch());
  VDB_RETURN_IF_ERROR(store_->SyncLog());
  VDB_RETURN_IF_ERROR(store_->Flush());
  VDB_RETURN_IF_ERROR(store_->Close());
  const format::StateRecord& state = record_.state;
  VDB_RETURN_IF_ERROR(ledger_->Write(
      {state.batch, state.running_hash, state.batch, record_.manifest.generation},
      /*clean=*/true));
  return ledger_->Sync();
}

}  // namespace vdb::engine
