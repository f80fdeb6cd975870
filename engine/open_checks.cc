#include "engine/open_checks.h"

#include "format/checksum.h"
#include "format/file_names.h"
#include "format/status_macros.h"

namespace vdb::engine {

StatusOr<WriterLock> TakeWriterLock(storage::FileSystem& fs, const std::string& path) {
  const std::string name = format::JoinPath(path, format::kLockFile);
  WriterLock taken;
  auto file = fs.Open(name, storage::OpenMode::kOpenOrCreate);
  VDB_RETURN_IF_ERROR(file.status());
  auto lock = (*file)->TryLock(storage::LockKind::kExclusive);
  if (!lock.ok()) {
    if (lock.status().code() != StatusCode::kBusy) return lock.status();
    auto pid = storage::ReadWholeFile(fs, name, 64);
    std::string holder = pid.ok() ? *pid : "";
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return Status::Busy("'" + path + "' is open for writing by process " +
                        (holder.empty() ? "(unknown)" : holder) +
                        "; close it there, or open it read-only");
  }
  const std::string pid = std::to_string(storage::ProcessId()) + "\n";
  Status noted = (*file)->Truncate(0);
  if (noted.ok()) noted = (*file)->WriteAt(0, std::as_bytes(std::span(pid)));
  noted.IgnoreError("the pid is for people; a full disk must not keep a database shut");
  taken.file = std::move(*file);
  taken.lock = std::move(*lock);
  return taken;
}

StatusOr<format::DecodedManifest> ReadManifest(storage::FileSystem& fs, const std::string& path,
                                               const format::Current& current,
                                               const Logger& logger) {
  const std::string names[2] = {format::ManifestName(current.generation),
                                format::ManifestTwinName(current.generation)};
  std::string why;
  for (const std::string& name : names) {
    auto bytes = storage::ReadWholeFile(fs, format::JoinPath(path, name),
                                        format::kManifestBytesMax);
    if (!bytes.ok()) {
      why += bytes.status().message() + "; ";
      continue;
    }
    if (format::Hash64(*bytes) != current.manifest_checksum) {
      why += "'" + name + "': checksum mismatch; ";
      continue;
    }
    auto decoded = format::DecodeManifest(*bytes, name);
    if (decoded.ok() && decoded->manifest.generation != current.generation) {
      return Status::Corruption("'" + name + "': holds generation " +
                                std::to_string(decoded->manifest.generation));
    }
    if (!why.empty() && logger) {
      logger(LogLevel::kWarning, "reading manifest twin '" + name + "': " + why +
                                     "restore the damaged file from its twin");
    }
    return decoded;
  }
  return Status::Corruption(why + "both copies of the live manifest are damaged; run "
                                  "`vdbtool repair`, or restore one from a copy");
}

Status NeedsUpgrade(const std::string& path, const format::Manifest& manifest) {
  return Status::FailedPrecondition(
      "'" + path + "': has format version " + std::to_string(manifest.format_version) +
      ", and version " + std::to_string(kFormatVersion) + " is written; run `vdbtool upgrade " +
      path + "` (vdb::Upgrade) once, or open it read-only");
}

Status CheckLedger(const format::LedgerRecord& record, const format::Manifest& manifest) {
  if (record.uuid != manifest.uuid) {
    return Status::Corruption("'ledger': belongs to database " + record.uuid +
                              ", the manifest to " + manifest.uuid +
                              "; restore the whole directory from one copy");
  }
  if (manifest.generation < record.generation) {
    return Status::Corruption("'CURRENT': names generation " +
                              std::to_string(manifest.generation) + ", the ledger has seen " +
                              std::to_string(record.generation) +
                              "; restore the whole directory from one copy");
  }
  return Status::Ok();
}

Status CheckBatches(const format::LedgerRecord& record, const format::StateRecord& state) {
  if (state.batch < record.durable_batch) {
    return Status::Corruption("documents end at batch " + std::to_string(state.batch) +
                              ", but batch " + std::to_string(record.durable_batch) +
                              " was acknowledged as durable; run `vdbtool repair`, or restore "
                              "the directory from a copy");
  }
  if (state.batch == record.batch && state.running_hash != record.running_hash) {
    return Status::Corruption("documents at batch " + std::to_string(state.batch) +
                              " are not those that were written (running hash); restore the "
                              "directory from a copy");
  }
  return Status::Ok();
}

}  // namespace vdb::engine
