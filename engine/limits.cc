// The two limits of a database: how its memory is shared out, and what its files may take.
#include "engine/limits.h"

#include <algorithm>

#include "engine/database_impl.h"
#include "engine/disk_usage.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kMiB = 1u << 20;
constexpr uint64_t kMemoryMin = 64 * kMiB;
// Walking the directory takes about a millisecond; writes that are refused ask no more often.
constexpr auto kWalkPause = std::chrono::milliseconds(200);

}  // namespace

Status CheckLimits(const DatabaseOptions& options) {
  if (options.memory_limit_bytes == 0 || options.memory_limit_bytes >= kMemoryMin) {
    return Status::Ok();
  }
  return Status::InvalidArgument("memory_limit_bytes: expected 0 or at least " +
                                 std::to_string(kMemoryMin) + ", found " +
                                 std::to_string(options.memory_limit_bytes));
}

MemoryShares SharesOf(const DatabaseOptions& options) {
  const uint64_t limit = options.memory_limit_bytes;
  MemoryShares shares = {32 * kMiB, options.mask_cache_bytes, options.result_cache_bytes, 0};
  if (limit == 0) return shares;
  shares.block_cache_bytes = std::min(shares.block_cache_bytes, limit / 8);
  shares.mask_cache_bytes = std::min(shares.mask_cache_bytes, limit / 8);
  shares.result_cache_bytes = std::min(shares.result_cache_bytes, limit / 8);
  shares.job_bytes = limit / 2;  // the last eighth: write buffers, and what calls need
  return shares;
}

StatusOr<uint64_t> DatabaseImpl::SpaceLeft() const {
  VDB_ASSIGN_OR_RETURN(const uint64_t free, fs().FreeBytes(path_));
  const uint64_t limit = options_.user.disk_limit_bytes;
  if (limit == 0) return free;
  VDB_ASSIGN_OR_RETURN(const uint64_t used, DirectoryBytes(fs(), path_));
  return std::min(free, limit - std::min(limit, used));
}

// Under the commit mutex. Between two walks the size is estimated from above; a batch that only
// deletes is always let in.
Status DatabaseImpl::DiskAdmits(const PreparedBatch& batch) {
  const uint64_t limit = options_.user.disk_limit_bytes;
  const bool only_deletes =
      std::all_of(batch.changes.begin(), batch.changes.end(), [](const PreparedChange& change) {
        return change.kind == WriteBatch::Kind::kDelete ||
               change.kind == WriteBatch::Kind::kDeleteIfVersion;
      });
  if (limit == 0 || only_deletes) return Status::Ok();
  const uint64_t needed = 2 * batch.size_bytes + 4096;
  const auto now = std::chrono::steady_clock::now();
  if (disk_used_.bytes + needed > limit && now - disk_used_.walked > kWalkPause) {
    VDB_ASSIGN_OR_RETURN(disk_used_.bytes, DirectoryBytes(fs(), path_));
    disk_used_.walked = now;
  }
  if (disk_used_.bytes + batch.size_bytes <= limit) {
    disk_used_.bytes += needed;
    return Status::Ok();
  }
  return Status::ResourceExhausted(
      "'" + path_ + "': takes about " + std::to_string(disk_used_.bytes) + " of the " +
      std::to_string(limit) + " bytes that disk_limit_bytes allows; delete documents and compact, "
      "or raise it");
}

}  // namespace vdb::engine
