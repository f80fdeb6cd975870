// See repair_source.h.
#include "engine/repair_source.h"

#include <algorithm>
#include <map>
#include <vector>

#include "engine/open_checks.h"
#include "format/checksum.h"
#include "format/status_macros.h"
#include "storage/ledger.h"
#include "storage/rocksdb/store_salvage.h"

namespace vdb::engine {
namespace {

using format::JoinPath;
using format::Manifest;

std::string CopyPath(const RepairRun& run) {
  return run.dry_run() ? run.path() + ".repairing" : run.PathOf("repairing");
}

// --- manifests ---

// One copy of a manifest, if it is whole and, unless `checksum` is 0, the one that CURRENT names.
StatusOr<Manifest> ReadCopy(RepairRun* run, const std::string& name, uint64_t checksum) {
  VDB_ASSIGN_OR_RETURN(const std::string bytes,
                       storage::ReadWholeFile(run->fs(), run->PathOf(name),
                                              format::kManifestBytesMax));
  if (checksum != 0 && format::Hash64(bytes) != checksum) {
    return Status::Corruption("'" + name + "': checksum mismatch");
  }
  VDB_ASSIGN_OR_RETURN(const auto decoded, format::DecodeManifest(bytes, name));
  if (!decoded.writable) {
    return Status::UnsupportedFormat("'" + run->path() + "': written by a newer vdb; repair it "
                                     "with that one");
  }
  return decoded.manifest;
}

Status ReadManifestFiles(RepairRun* run, uint64_t generation, uint64_t checksum,
                         std::vector<Manifest>* found) {
  bool have = false;
  for (const std::string& name :
       {format::ManifestName(generation), format::ManifestTwinName(generation)}) {
    auto manifest = ReadCopy(run, name, checksum);
    if (manifest.status().code() == StatusCode::kUnsupportedFormat) return manifest.status();
    if (manifest.ok() && manifest->generation == generation) {
      if (!have) found->push_back(std::move(*manifest));
      have = true;
    } else if (manifest.status().code() != StatusCode::kNotFound) {
      run->Quarantine(name);
    }
  }
  return Status::Ok();
}

// The manifest that CURRENT names; else all that are whole, newest first.
StatusOr<std::vector<Manifest>> FindManifests(RepairRun* run) {
  std::vector<Manifest> found;
  const std::string path = run->PathOf(format::kCurrentFile);
  auto bytes = storage::ReadWholeFile(run->fs(), path, kCurrentBytesMax);
  const auto current =
      bytes.ok() ? format::DecodeCurrent(*bytes) : StatusOr<format::Current>(bytes.status());
  if (current.ok()) {
    VDB_RETURN_IF_ERROR(ReadManifestFiles(run, current->generation, current->manifest_checksum,
                                          &found));
    if (!found.empty()) return found;
  } else if (bytes.status().code() != StatusCode::kNotFound) {
    run->Quarantine(std::string(format::kCurrentFile));
  }
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(run->path()));
  std::set<uint64_t, std::greater<>> generations;
  for (const std::string& name : names) {
    if (const auto generation = format::ParseManifestName(name)) generations.insert(*generation);
  }
  for (const uint64_t generation : generations) {
    VDB_RETURN_IF_ERROR(ReadManifestFiles(run, generation, 0, &found));
  }
  if (!found.empty()) return found;
  if (generations.empty()) {
    return Status::NotFound("'" + run->path() + "': there is no database: no CURRENT, no manifest");
  }
  return Status::Corruption("'" + run->path() + "': no manifest is whole, so nothing says what its "
                            "files are; restore one from a copy or a backup");
}

// --- RocksDB ---

// Whether RocksDB's files of one kind are as the ledger recorded them.
StatusOr<bool> AreWhole(RepairRun* run, const std::string& docs, const format::LedgerRecord& ledger,
                        format::TrackedKind kind) {
  format::LedgerRecord some = ledger;
  std::erase_if(some.files, [kind](const auto& file) { return file.kind != kind; });
  if (kind == format::TrackedKind::kLog) some.current_manifest = 0;
  const Status status = storage::Ledger::CheckFiles(run->fs(), docs, some);
  if (status.ok()) return true;
  run->Log(LogLevel::kWarning, "repair: " + status.message());
  const bool damage = status.code() == StatusCode::kCorruption ||
                      status.code() == StatusCode::kNotFound;
  return damage ? StatusOr<bool>(false) : StatusOr<bool>(status);
}

StatusOr<std::shared_ptr<storage::DocumentStore>> OpenStore(RepairRun* run,
                                                            const std::string& directory,
                                                            bool skip_damaged_logs) {
  storage::DocumentStoreOptions options;
  options.directory = directory;
  options.fs = &run->fs();
  options.logger = run->logger();
  options.skip_damaged_logs = skip_damaged_logs;
  options.without_filters = true;
  VDB_ASSIGN_OR_RETURN(auto store, storage::DocumentStore::Open(options));
  return std::shared_ptr<storage::DocumentStore>(std::move(store));
}

// Tables are only read, and so linked; the rest may be changed, and is copied.
Status CopyStore(RepairRun* run, const std::string& from, const std::string& to) {
  VDB_RETURN_IF_ERROR(RemoveTree(run->fs(), to));
  VDB_RETURN_IF_ERROR(run->fs().CreateDir(to));
  VDB_ASSIGN_OR_RETURN(const auto names, run->fs().List(from));
  for (const std::string& name : names) {
    const std::string path = JoinPath(from, name);
    VDB_ASSIGN_OR_RETURN(const auto info, run->fs().Stat(path));
    if (info.is_dir || name == "LOCK") continue;
    const Status copied =
        name.ends_with(".sst")
            ? run->fs().Link(path, JoinPath(to, name))
            : storage::CopyFile(run->fs(), path, JoinPath(to, name), info.size_bytes);
    VDB_RETURN_IF_ERROR(copied);
  }
  return Status::Ok();
}

// Tables that RocksDB could not read whole when it made a new list of files.
Status CountLostTables(RepairRun* run, const std::string& docs, RepairSource* source) {
  auto names = run->fs().List(JoinPath(source->copy, "lost"));
  if (!names.ok()) return Status::Ok();
  for (const std::string& name : *names) {
    if (!name.ends_with(".sst")) continue;
    source->lossy = true;
    run->Loss({docs + "/" + name, "", "", "",
               "the table cannot be read: what no other file of RocksDB holds of it is lost"});
  }
  return Status::Ok();
}

Status OpenCopy(RepairRun* run, const std::string& docs, bool manifest_whole, bool logs_whole,
                RepairSource* source) {
  source->copy = CopyPath(*run);
  const std::string from = run->PathOf(docs);
  if (manifest_whole && source->ledger) {
    // A power cut may have torn the end of the MANIFEST, where nothing counted yet.
    VDB_RETURN_IF_ERROR(CopyStore(run, from, source->copy));
    const Status cut = storage::Ledger::CutManifest(run->fs(), source->copy, *source->ledger);
    auto store = cut.ok() ? OpenStore(run, source->copy, !logs_whole)
                          : StatusOr<std::shared_ptr<storage::DocumentStore>>(cut);
    if (store.ok()) {
      source->store = std::move(*store);
      return Status::Ok();
    }
  }
  VDB_RETURN_IF_ERROR(CopyStore(run, from, source->copy));
  run->Log(LogLevel::kWarning, "repair: making a new list of the files in '" + docs + "'");
  VDB_RETURN_IF_ERROR(storage::RebuildStore(run->fs(), source->copy, run->logger()));
  run->Rebuilt(docs + ": RocksDB's list of its files");
  VDB_RETURN_IF_ERROR(CountLostTables(run, docs, source));
  // Files that RocksDB had replaced, and not removed yet, may be among those that were found.
  source->lossy = true;
  VDB_ASSIGN_OR_RETURN(source->store, OpenStore(run, source->copy, !logs_whole));
  return Status::Ok();
}

Status OpenDocuments(RepairRun* run, uint64_t docs_directory, RepairSource* source) {
  const std::string docs = format::DocsDirName(docs_directory), path = run->PathOf(docs);
  bool manifest_whole = true, logs_whole = true;
  if (source->ledger) {
    VDB_ASSIGN_OR_RETURN(manifest_whole, AreWhole(run, path, *source->ledger,
                                                  format::TrackedKind::kManifest));
    VDB_ASSIGN_OR_RETURN(logs_whole,
                         AreWhole(run, path, *source->ledger, format::TrackedKind::kLog));
  }
  auto store = manifest_whole ? OpenStore(run, path, !logs_whole)
                              : StatusOr<std::shared_ptr<storage::DocumentStore>>(
                                    Status::Corruption("RocksDB's MANIFEST is damaged"));
  if (store.ok()) {
    source->store = std::move(*store);
  } else if (store.status().code() == StatusCode::kResourceExhausted) {
    return store.status();
  } else {
    VDB_RETURN_IF_ERROR(OpenCopy(run, docs, manifest_whole, logs_whole, source));
  }
  const auto bytes = source->store->Get(format::StateKey());
  const auto state = bytes.ok() ? format::DecodeState(bytes->value_or("")) : bytes.status();
  source->state_found = state.ok();
  if (state.ok()) source->state = *state;
  if (!logs_whole) {
    source->lossy = true;
    run->Loss({docs, "", "", "",
               "a log of RocksDB is damaged: documents that it held, and no table does yet, are "
               "gone or as they were before"});
  }
  return Status::Ok();
}

// What the ledger knows to have been acknowledged, and is not there.
void CompareBatches(RepairRun* run, RepairSource* source) {
  if (!source->ledger) return;
  const uint64_t found = source->state_found ? source->state.batch : 0;
  const uint64_t durable = source->ledger->durable_batch;
  if (found >= durable) return;
  source->lossy = true;
  run->Loss({format::DocsDirName(source->manifest.docs_directory), "", "", "",
             "acknowledged were batches up to " + std::to_string(durable) + ", found are those up "
             "to " + std::to_string(found)});
}

}  // namespace

Status OpenRepairSource(RepairRun* run, RepairSource* source) {
  VDB_RETURN_IF_ERROR(RemoveTree(run->fs(), CopyPath(*run)));
  VDB_ASSIGN_OR_RETURN(const std::vector<Manifest> manifests, FindManifests(run));
  for (const Manifest& manifest : manifests) {
    // Without a CURRENT the newest one counts whose documents are there and belong to it.
    *source = {};
    source->manifest = manifest;
    const std::string ledger_name = format::LedgerName(manifest.docs_directory);
    const auto ledger = storage::Ledger::Read(run->fs(), run->PathOf(ledger_name));
    if (ledger.status().code() == StatusCode::kUnsupportedFormat) return ledger.status();
    if (ledger.ok() && ledger->uuid == manifest.uuid) source->ledger = *ledger;
    const Status opened = OpenDocuments(run, manifest.docs_directory, source);
    const bool last = &manifest == &manifests.back();
    if (!opened.ok() && last) return opened;
    const bool pair = opened.ok() && (!source->state_found || source->lossy ||
                                      (source->state.batch >= manifest.min_batch &&
                                       manifest.generation >= source->state.min_generation));
    if (pair || last) break;
  }
  CompareBatches(run, source);
  return Status::Ok();
}

}  // namespace vdb::engine
