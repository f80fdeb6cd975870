#include "format/job_history.h"

#include <array>

#include "format/byte_io.h"
#include "format/frame.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

constexpr size_t kTextBytesMax = 4096;

std::string_view Short(std::string_view text) { return text.substr(0, kTextBytesMax); }

// The numbers of a job, in their order on disk.
template <typename Job>
auto Numbers(Job& job) {
  return std::array{&job.id,           &job.done_count,      &job.total_count,
                    &job.queued_unix_ms, &job.started_unix_ms, &job.finished_unix_ms};
}

}  // namespace

std::string EncodeJobHistory(const std::vector<JobInfo>& jobs) {
  std::string payload;
  AppendU32(&payload, static_cast<uint32_t>(jobs.size()));
  for (const JobInfo& job : jobs) {
    payload.push_back(static_cast<char>(job.kind));
    payload.push_back(static_cast<char>(job.state));
    payload.push_back(job.background ? 1 : 0);
    payload.push_back(0);
    AppendU32(&payload, static_cast<uint32_t>(job.priority));
    for (const uint64_t* number : Numbers(job)) AppendU64(&payload, *number);
    AppendText(&payload, Short(job.target));
    AppendText(&payload, Short(job.stage));
    AppendText(&payload, Short(job.message));
  }
  return EncodeFrame(kJobsMagic, payload);
}

StatusOr<std::vector<JobInfo>> DecodeJobHistory(std::string_view bytes, std::string_view file) {
  VDB_ASSIGN_OR_RETURN(const Frame frame, DecodeFrame(kJobsMagic, bytes, file));
  ByteReader reader(frame.payload);
  std::vector<JobInfo> jobs;
  bool valid = true;
  for (uint32_t left = reader.U32(); left > 0 && reader.ok(); --left) {
    JobInfo job;
    const uint8_t kind = reader.U8(), state = reader.U8(), background = reader.U8();
    valid &= kind >= 1 && kind <= 4 && state >= 1 && state <= 6 && background <= 1;
    valid &= reader.U8() == 0;
    job.kind = static_cast<JobKind>(kind);
    job.state = static_cast<JobState>(state);
    job.background = background == 1;
    job.priority = static_cast<int>(reader.U32());
    for (uint64_t* number : Numbers(job)) *number = reader.U64();
    for (std::string* text : {&job.target, &job.stage, &job.message}) *text = reader.Text();
    jobs.push_back(std::move(job));
  }
  if (!valid || !reader.AtEnd() || bytes.size() != kFrameBytes + frame.payload.size()) {
    return Status::Corruption("'" + std::string(file) + "': its parts contradict each other");
  }
  return jobs;
}

}  // namespace vdb::format
