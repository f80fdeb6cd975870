// JobQueue: one at a time, by priority, with pause, cancel and a second try on a full disk.
#include "engine/job_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "format/job_history.h"

namespace vdb::engine {
namespace {

JobSpec Spec(std::string target, int priority = 0) {
  return {JobKind::kCompaction, std::move(target), priority, false};
}

JobInfo InfoOf(const JobQueue& queue, uint64_t id) {
  for (const JobInfo& job : queue.List()) {
    if (job.id == id) return job;
  }
  return {};
}

// Waits for something another thread brings about.
template <typename Condition>
void Until(const Condition& condition) {
  while (!condition()) std::this_thread::yield();
}

TEST(JobQueueTest, RunsOneAtATimeByPriorityThenAge) {
  JobQueue queue({}, 1000);
  std::promise<void> gate;
  std::atomic<int> running{0};
  std::vector<std::string> order;  // written by one job at a time
  const auto body = [&](const std::string& name) {
    return [&, name](const ProgressCallback&) {
      EXPECT_EQ(++running, 1);
      order.push_back(name);
      --running;
      return Status::Ok();
    };
  };
  std::atomic<bool> began{false};
  const auto first = queue.Start(Spec("first"), [&](const ProgressCallback&) {
    began = true;
    gate.get_future().wait();
    return Status::Ok();
  });
  ASSERT_TRUE(first.ok());
  Until([&] { return began.load(); });
  std::vector<uint64_t> ids;
  ids.push_back(*queue.Start(Spec("low", -1), body("low")));
  ids.push_back(*queue.Start(Spec("a"), body("a")));
  ids.push_back(*queue.Start(Spec("b"), body("b")));
  ids.push_back(*queue.Start(Spec("high", 5), body("high")));
  Status foreground;
  std::thread caller([&] { foreground = queue.Run(Spec("caller", 3), {}, body("caller")); });
  Until([&] { return queue.List().size() == 6; });
  gate.set_value();
  for (const uint64_t id : ids) EXPECT_TRUE(queue.Wait(id).ok());
  caller.join();
  EXPECT_TRUE(foreground.ok());
  EXPECT_EQ(order, (std::vector<std::string>{"high", "caller", "a", "b", "low"}));
  for (const JobInfo& job : queue.List()) EXPECT_EQ(job.state, JobState::kDone) << job.target;
}

TEST(JobQueueTest, CancelsWhatRunsAndWhatWaits) {
  JobQueue queue({}, 1000);
  std::atomic<bool> began{false};
  const auto running = queue.Start(Spec("running"), [&](const ProgressCallback& progress) {
    began = true;
    while (progress({"at it", 1, 2})) std::this_thread::yield();
    return Status::Cancelled("as asked");
  });
  Until([&] { return began.load(); });
  bool ran = false;
  const auto waiting = queue.Start(Spec("waiting"), [&](const ProgressCallback&) {
    ran = true;
    return Status::Ok();
  });
  EXPECT_TRUE(queue.Cancel(*waiting).ok());
  EXPECT_TRUE(queue.Cancel(*running).ok());
  EXPECT_EQ(queue.Wait(*running).code(), StatusCode::kCancelled);
  EXPECT_EQ(queue.Wait(*waiting).code(), StatusCode::kCancelled);
  EXPECT_FALSE(ran);
  EXPECT_EQ(InfoOf(queue, *running).stage, "at it");
  EXPECT_EQ(queue.Cancel(*running).code(), StatusCode::kNotFound);
  EXPECT_EQ(queue.Wait(99).code(), StatusCode::kNotFound);
}

TEST(JobQueueTest, PausedJobsStandStill) {
  JobQueue queue({}, 1000);
  std::atomic<uint64_t> ticks{0};
  std::atomic<bool> stop{false};
  const auto id = queue.Start(Spec("job"), [&](const ProgressCallback& progress) {
    while (!stop) {
      if (!progress({"s", ++ticks, 0})) return Status::Cancelled("");
    }
    return Status::Ok();
  });
  Until([&] { return ticks > 10; });
  EXPECT_TRUE(queue.Pause(true).ok());
  Until([&] { return InfoOf(queue, *id).state == JobState::kPaused; });
  const uint64_t at = ticks;
  const auto second = queue.Start(Spec("second"), [](const auto&) { return Status::Ok(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(ticks, at);
  EXPECT_EQ(InfoOf(queue, *second).state, JobState::kQueued);
  EXPECT_TRUE(queue.Pause(false).ok());
  Until([&] { return ticks > at + 10; });
  stop = true;
  EXPECT_TRUE(queue.Wait(*id).ok());
  EXPECT_TRUE(queue.Wait(*second).ok());
}

TEST(JobQueueTest, AFullDiskOnlyDelaysBackgroundJobs) {
  JobQueue queue({}, /*retry_pause_ms=*/5);
  std::atomic<int> tries{0};
  const auto body = [&](const ProgressCallback&) {
    return ++tries < 3 ? Status::ResourceExhausted("disk full") : Status::Ok();
  };
  const auto id = queue.Start(Spec("background"), body);
  EXPECT_TRUE(queue.Wait(*id).ok());
  EXPECT_EQ(tries, 3);
  tries = 0;
  EXPECT_EQ(queue.Run(Spec("caller"), {}, body).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(tries, 1);
  EXPECT_EQ(queue.List().back().state, JobState::kFailed);
}

TEST(JobQueueTest, AJobCannotWaitForAnother) {
  JobQueue queue({}, 1000);
  Status inner, waited;
  EXPECT_TRUE(queue.Run(Spec("outer"), {}, [&](const ProgressCallback&) {
    inner = queue.Run(Spec("inner"), {}, [](const auto&) { return Status::Ok(); });
    waited = queue.Wait(1);
    return Status::Ok();
  }).ok());
  EXPECT_EQ(inner.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(waited.code(), StatusCode::kFailedPrecondition);
}

TEST(JobQueueTest, StopEndsEverything) {
  JobQueue queue({}, 1000);
  std::atomic<bool> began{false};
  const auto running = queue.Start(Spec("running"), [&](const ProgressCallback& progress) {
    began = true;
    while (progress({"s", 0, 0})) std::this_thread::yield();
    return Status::Cancelled("");
  });
  const auto waiting = queue.Start(Spec("waiting"), [](const auto&) { return Status::Ok(); });
  Until([&] { return began.load(); });
  queue.Stop();
  EXPECT_EQ(InfoOf(queue, *running).state, JobState::kCancelled);
  EXPECT_EQ(InfoOf(queue, *waiting).state, JobState::kCancelled);
  EXPECT_FALSE(queue.Start(Spec("late"), [](const auto&) { return Status::Ok(); }).ok());
  queue.Allow();
  const auto later = queue.Start(Spec("later"), [](const auto&) { return Status::Ok(); });
  EXPECT_TRUE(queue.Wait(*later).ok());
}

TEST(JobQueueTest, HistorySurvivesAndIsBounded) {
  std::vector<JobInfo> told;
  {
    JobQueue queue([&](const std::vector<JobInfo>& jobs) { told = jobs; }, 1000);
    for (size_t i = 0; i < format::kJobsKept + 20; ++i) {
      const auto status = i % 2 == 0 ? Status::Ok() : Status::IoError("broken");
      EXPECT_EQ(queue.Run(Spec(std::to_string(i)), {}, [&](const auto&) { return status; }).ok(),
                status.ok());
    }
    EXPECT_EQ(queue.done_count(), (format::kJobsKept + 20) / 2);
  }
  ASSERT_EQ(told.size(), format::kJobsKept);
  EXPECT_EQ(told.front().id, 21u);
  told.back().state = JobState::kRunning;  // as after a kill
  const std::string bytes = format::EncodeJobHistory(told);
  const auto decoded = format::DecodeJobHistory(bytes, "jobs");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  JobQueue next({}, 1000);
  next.Restore(*decoded);
  const auto jobs = next.List();
  ASSERT_EQ(jobs.size(), told.size());
  for (size_t i = 0; i + 1 < jobs.size(); ++i) {
    EXPECT_EQ(jobs[i].id, told[i].id);
    EXPECT_EQ(jobs[i].target, told[i].target);
    EXPECT_EQ(jobs[i].state, told[i].state);
    EXPECT_EQ(jobs[i].message, told[i].message);
    EXPECT_EQ(jobs[i].queued_unix_ms, told[i].queued_unix_ms);
  }
  EXPECT_EQ(jobs.back().state, JobState::kFailed);
  EXPECT_FALSE(next.Wait(jobs.back().id).ok());
  EXPECT_TRUE(next.Wait(jobs.front().id).ok());
  EXPECT_GT(*next.Start(Spec("new"), [](const auto&) { return Status::Ok(); }), jobs.back().id);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    EXPECT_FALSE(format::DecodeJobHistory(damaged, "jobs").ok()) << i;
    EXPECT_FALSE(format::DecodeJobHistory(bytes.substr(0, i), "jobs").ok()) << i;
  }
}

}  // namespace
}  // namespace vdb::engine
