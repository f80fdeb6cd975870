// JobHistory: the file `jobs` of a database, which tells other processes and later opens what jobs
// there were. Rewritten beside and renamed, never synced: losing it loses no data, and a damaged
// one counts as none. Bytes: docs/format.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vdb/jobs.h"
#include "vdb/status.h"

namespace vdb::format {

inline constexpr uint64_t kJobHistoryBytesMax = 16u << 20;
inline constexpr size_t kJobsKept = 100;  // that ended

std::string EncodeJobHistory(const std::vector<JobInfo>& jobs);
StatusOr<std::vector<JobInfo>> DecodeJobHistory(std::string_view bytes, std::string_view file);

}  // namespace vdb::format
