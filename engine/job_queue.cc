#include "engine/job_queue.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "engine/clock.h"
#include "engine/no_throw.h"
#include "format/job_history.h"

namespace vdb::engine {
namespace {

// How often a history tells where a job stands.
constexpr auto kTellPause = std::chrono::seconds(1);

Status Cancelled(const JobInfo& job) {
  return Status::Cancelled("job " + std::to_string(job.id) + " (" +
                           std::string(JobKindName(job.kind)) + " of " + job.target +
                           ") was cancelled");
}

}  // namespace

JobQueue::JobQueue(Observer observer, uint32_t retry_pause_ms)
    : observer_(std::move(observer)), retry_pause_ms_(retry_pause_ms) {}

JobQueue::~JobQueue() { Stop(); }

void JobQueue::Restore(std::vector<JobInfo> history) {
  const std::lock_guard lock(mutex_);
  for (JobInfo& info : history) {
    if (info.state < JobState::kDone) {
      info.state = JobState::kFailed;
      info.message = "the process ended before the job did";
    }
    next_id_ = std::max(next_id_, info.id + 1);
    auto job = std::make_shared<Job>();
    job->info = std::move(info);
    ended_.push_back(std::move(job));
  }
}

JobQueue::JobPtr JobQueue::Enqueue(const JobSpec& spec, Body body) {
  auto job = std::make_shared<Job>();
  job->info.id = next_id_++;
  job->info.kind = spec.kind;
  job->info.target = spec.target;
  job->info.priority = spec.priority;
  job->info.background = spec.background;
  job->info.queued_unix_ms = UnixMilliseconds();
  job->body = std::move(body);
  waiting_.push_back(job);
  return job;
}

// A job that waits for space on the disk keeps nobody else from running.
bool JobQueue::IsNext(const Job& job) const {
  if (running_ != nullptr || paused_) return false;
  return std::none_of(waiting_.begin(), waiting_.end(), [&job](const JobPtr& other) {
    return other.get() != &job && other->info.state == JobState::kQueued &&
           (other->info.priority > job.info.priority ||
            (other->info.priority == job.info.priority && other->info.id < job.info.id));
  });
}

Status JobQueue::Run(const JobSpec& spec, const ProgressCallback& progress, const Body& body) {
  std::unique_lock lock(mutex_);
  if (stopped_) return Status::FailedPrecondition("the database is being closed");
  if (running_ != nullptr && running_->thread == std::this_thread::get_id()) {
    return Status::FailedPrecondition("a job's progress callback cannot wait for another job; "
                                      "start it afterwards, or with StartJob");
  }
  const JobPtr job = Enqueue(spec, {});
  changed_.wait(lock, [&] { return job->cancelled || IsNext(*job); });
  if (job->cancelled) {
    End(job, Cancelled(job->info));
    lock.unlock();
    Tell();
    return job->status;
  }
  return Execute(&lock, job, progress, body);
}

// Takes the lock held, and leaves it released.
Status JobQueue::Execute(std::unique_lock<std::mutex>* lock, const JobPtr& job,
                         const ProgressCallback& progress, const Body& body) {
  std::erase(waiting_, job);
  running_ = job;
  job->thread = std::this_thread::get_id();
  job->info.state = JobState::kRunning;
  job->info.started_unix_ms = UnixMilliseconds();
  job->info.message.clear();
  told_ = std::chrono::steady_clock::now();
  lock->unlock();
  Tell();
  Status status = NoThrow([&] {
    return body([&](const Progress& at) { return Tick(job, progress, at); });
  });
  lock->lock();
  running_ = nullptr;
  job->thread = {};
  const bool again = status.code() == StatusCode::kResourceExhausted && job->info.background &&
                     !job->cancelled && !stopped_;
  if (again) {
    job->info.state = JobState::kPaused;
    job->info.message = status.message();
    waiting_.push_back(job);
    changed_.notify_all();
  } else {
    End(job, job->cancelled && !status.ok() ? Cancelled(job->info) : status);
  }
  lock->unlock();
  Tell();
  return status;
}

void JobQueue::End(const JobPtr& job, const Status& status) {
  std::erase(waiting_, job);
  job->status = status;
  job->info.state = status.ok() ? JobState::kDone
                    : status.code() == StatusCode::kCancelled ? JobState::kCancelled
                                                              : JobState::kFailed;
  if (!status.ok()) job->info.message = status.ToString();
  ++(status.ok() ? done_ : failed_);
  job->info.finished_unix_ms = UnixMilliseconds();
  job->body = nullptr;
  ended_.push_back(job);
  while (ended_.size() > format::kJobsKept) ended_.pop_front();
  changed_.notify_all();
}

bool JobQueue::Tick(const JobPtr& job, const ProgressCallback& progress, const Progress& at) {
  bool tell = false;
  {
    std::unique_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    tell = now - told_ > kTellPause;
    if (tell) told_ = now;
    job->info.stage = at.stage;
    job->info.done_count = at.done_count;
    job->info.total_count = at.total_count;
    if (paused_ && !job->cancelled) {
      job->info.state = JobState::kPaused;
      changed_.wait(lock, [&] { return !paused_ || job->cancelled; });
      job->info.state = JobState::kRunning;
    }
    if (job->cancelled) return false;
  }
  if (tell) Tell();
  return !progress || progress(at);
}

StatusOr<uint64_t> JobQueue::Start(const JobSpec& spec, Body body) {
  JobPtr job;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return Status::FailedPrecondition("the database is being closed");
    try {
      if (!worker_.joinable()) worker_ = std::thread([this] { WorkerLoop(); });
    } catch (const std::system_error& error) {
      return Status::ResourceExhausted(std::string("no thread for jobs: ") + error.what());
    }
    JobSpec background = spec;
    background.background = true;
    job = Enqueue(background, std::move(body));
    changed_.notify_all();
  }
  Tell();
  return job->info.id;
}

// The first of the jobs that are the worker's to run, if it is their turn.
JobQueue::JobPtr JobQueue::NextForWorker() const {
  for (const JobPtr& job : waiting_) {
    if (job->body != nullptr && (job->cancelled || job->info.state == JobState::kQueued) &&
        (job->cancelled || IsNext(*job))) {
      return job;
    }
  }
  return nullptr;
}

void JobQueue::WorkerLoop() {
  std::unique_lock lock(mutex_);
  while (true) {
    const bool retries = std::any_of(waiting_.begin(), waiting_.end(), [](const JobPtr& job) {
      return job->info.state == JobState::kPaused;
    });
    const auto due = [this] { return stopped_ || NextForWorker() != nullptr; };
    if (!retries) {
      changed_.wait(lock, due);
    } else if (!changed_.wait_for(lock, std::chrono::milliseconds(retry_pause_ms_), due)) {
      for (const JobPtr& job : waiting_) {
        if (job->info.state == JobState::kPaused) job->info.state = JobState::kQueued;
      }
      continue;
    }
    const JobPtr job = NextForWorker();
    if (job == nullptr) {
      if (stopped_) return;
      continue;
    }
    if (job->cancelled) {
      End(job, Cancelled(job->info));
      lock.unlock();
      Tell();
    } else {
      const Body body = job->body;
      Execute(&lock, job, {}, body).IgnoreError("the job has it");
    }
    lock.lock();
  }
}

Status JobQueue::Wait(uint64_t id) {
  std::unique_lock lock(mutex_);
  if (running_ != nullptr && running_->thread == std::this_thread::get_id()) {
    return Status::FailedPrecondition("a job's progress callback cannot wait for a job");
  }
  JobPtr job;
  if (running_ != nullptr && running_->info.id == id) job = running_;
  for (const JobPtr& one : waiting_) job = one->info.id == id ? one : job;
  for (const JobPtr& one : ended_) job = one->info.id == id ? one : job;
  if (job == nullptr) return Status::NotFound("there is no job " + std::to_string(id));
  changed_.wait(lock, [&] { return job->info.state >= JobState::kDone; });
  if (job->info.state == JobState::kDone || !job->status.ok()) return job->status;
  return Status::FailedPrecondition(job->info.message);  // of an earlier open
}

Status JobQueue::Cancel(uint64_t id) {
  const std::lock_guard lock(mutex_);
  JobPtr job;
  if (running_ != nullptr && running_->info.id == id) job = running_;
  for (const JobPtr& one : waiting_) job = one->info.id == id ? one : job;
  if (job == nullptr) {
    return Status::NotFound("no job " + std::to_string(id) + " waits or runs");
  }
  job->cancelled = true;
  changed_.notify_all();
  return Status::Ok();
}

Status JobQueue::Pause(bool paused) {
  {
    const std::lock_guard lock(mutex_);
    paused_ = paused;
    changed_.notify_all();
  }
  Tell();
  return Status::Ok();
}

std::vector<JobInfo> JobQueue::ListLocked() const {
  std::vector<JobInfo> jobs;
  for (const JobPtr& job : ended_) jobs.push_back(job->info);
  if (running_ != nullptr) jobs.push_back(running_->info);
  for (const JobPtr& job : waiting_) jobs.push_back(job->info);
  std::sort(jobs.begin(), jobs.end(),
            [](const JobInfo& a, const JobInfo& b) { return a.id < b.id; });
  return jobs;
}

std::vector<JobInfo> JobQueue::List() const {
  const std::lock_guard lock(mutex_);
  return ListLocked();
}

void JobQueue::Tell() {
  if (!observer_) return;
  const std::lock_guard one_at_a_time(observer_mutex_);
  observer_(List());
}

void JobQueue::Stop() {
  std::thread worker;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (running_ != nullptr) running_->cancelled |= running_->info.background;
    for (const JobPtr& job : waiting_) job->cancelled |= job->info.background;
    worker.swap(worker_);
    changed_.notify_all();
  }
  if (worker.joinable()) worker.join();
}

void JobQueue::Allow() {
  const std::lock_guard lock(mutex_);
  stopped_ = false;
}

}  // namespace vdb::engine
