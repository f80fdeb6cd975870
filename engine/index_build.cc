// See index_build.h. Here: what to do, training, and finding each row's list; index_write.cc has
// what is written.
#include "engine/index_build.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "engine/clock.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"
#include "index/kernels/kernels.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kAssignRows = 1024;  // per block of work
constexpr uint32_t kThreadsMax = 256;
// The column outgrew its lists, or its rows lie further from the centroids than those it was
// trained on did (and enough of them are new for a training to change that).
constexpr double kGrownToRetrain = 4.0;
constexpr double kResidualToRetrain = 1.1, kGrownForResidual = 1.25;

uint32_t ThreadsFor(uint32_t asked) {
  const uint32_t threads = asked != 0 ? asked : std::thread::hardware_concurrency();
  return std::clamp(threads, 1u, kThreadsMax);
}

}  // namespace

IndexBuilder::IndexBuilder(BuildInput input)
    : input_(std::move(input)), dimension_(input_.column.dimension),
      threads_(ThreadsFor(input_.options->thread_count)),
      next_segment_id_(input_.first_segment_id) {}

Status IndexBuilder::Tick(std::string_view stage, uint64_t done, uint64_t total) const {
  const ProgressCallback& progress = input_.options->progress;
  if (!progress || progress({stage, done, total})) return Status::Ok();
  return Status::Cancelled("index build: cancelled by the caller");
}

Status IndexBuilder::Parallel(std::string_view stage, uint64_t count,
                              const std::function<Status(uint64_t)>& body) const {
  std::atomic<uint64_t> next{0}, done{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  Status first;
  const auto fail = [&](const Status& status) {
    const std::lock_guard lock(mutex);
    if (first.ok()) first = status;
    stop = true;
  };
  const auto work = [&](bool caller) {
    for (uint64_t i = next++; i < count && !stop; i = next++) {
      Status status = NoThrow([&] { return body(i); });
      ++done;
      if (status.ok() && caller && !stage.empty()) status = Tick(stage, done, count);
      if (!status.ok()) return fail(status);
    }
  };
  std::vector<std::thread> others;
  try {
    while (others.size() + 1 < std::min<uint64_t>(threads_, count)) {
      others.emplace_back(work, false);
    }
  } catch (const std::exception&) {  // fewer threads only take longer
  }
  work(true);
  for (std::thread& thread : others) thread.join();
  return first;
}

bool IndexBuilder::MustTrain(const ColumnView& column, uint64_t live_rows) {
  if (column.epoch == nullptr || input_.options->retrain || !column.epoch->Get().ok()) return true;
  const format::EpochEntry& epoch = column.epoch->entry();
  const uint64_t lists = std::min<uint64_t>(input_.options->list_count, live_rows);
  if (lists != 0 && lists != epoch.list_count) return true;
  const double grown =
      static_cast<double>(live_rows) / std::max(1.0, static_cast<double>(epoch.trained_rows));
  double residuals = 0, rows = 0;
  for (const SegmentView& segment : column.segments) {
    const auto lists_of = segment.index ? segment.index->Get() : Status::NotFound("");
    if (!lists_of.ok()) continue;
    residuals += (*lists_of)->header().residual_sum;
    rows += static_cast<double>((*lists_of)->header().rows);
  }
  const double mean = (*column.epoch->Get())->header().mean_residual;
  return grown >= kGrownToRetrain ||
         (grown >= kGrownForResidual && residuals > kResidualToRetrain * mean * rows);
}

// Indexed segments that are small beside the new rows, and those that are mostly dead, are taken in
// again: many small builds leave few segments (as a binary counter has few digits).
Status IndexBuilder::Decide() {
  const ColumnView* column = input_.view->FindColumn(input_.column.id);
  if (column == nullptr) return Status::Ok();
  uint64_t live_rows = 0, fresh_rows = 0;
  for (const SegmentView& segment : column->segments) live_rows += LiveRows(segment);
  const bool train = live_rows > 0 && MustTrain(*column, live_rows);
  std::vector<const SegmentView*> whole;
  for (const SegmentView& segment : column->segments) {
    const auto lists = segment.index ? segment.index->Get() : Status::NotFound("");
    if (!train && live_rows > 0 && lists.ok() && (*lists)->CheckAll().ok()) {
      whole.push_back(&segment);
      continue;
    }
    fresh_rows += LiveRows(segment);
    sources_.push_back(&segment);
  }
  std::stable_sort(whole.begin(), whole.end(), [](const SegmentView* a, const SegmentView* b) {
    return LiveRows(*a) < LiveRows(*b);
  });
  for (const SegmentView* segment : whole) {
    const uint64_t live = LiveRows(*segment);
    const bool small = live <= fresh_rows && live * 4 <= input_.capacity.rows;
    const bool again = small || live * 2 < segment->mark.rows;
    (again ? sources_ : kept_).push_back(segment);
    if (again) fresh_rows += live;
  }
  if (live_rows == 0) return Status::Ok();
  if (!train) {
    epoch_ = column->epoch;
    VDB_ASSIGN_OR_RETURN(codebook_, epoch_->Get());
    epoch_entry_ = epoch_->entry();
  }
  report_.trained = train;
  return Status::Ok();
}

Status IndexBuilder::ListRows() {
  for (size_t s = 0; s < sources_.size(); ++s) {
    const SegmentView& segment = *sources_[s];
    for (uint64_t row = 0; row < segment.mark.rows; ++row) {
      if (segment.mask != nullptr) {
        VDB_ASSIGN_OR_RETURN(const bool dead, segment.mask->Test(row));
        if (dead) continue;
      }
      rows_.push_back(uint64_t{s} << 32 | row);
    }
  }
  lists_.resize(rows_.size());
  report_.row_count = rows_.size();
  return Status::Ok();
}

// Before hours of work: whether the copy of the rows, and the codes, will fit on the disk.
Status IndexBuilder::CheckSpace() const {
  uint64_t key_bytes = 0, rows = 0;
  for (const SegmentView* segment : sources_) {
    key_bytes += segment->mark.key_bytes;
    rows += segment->mark.rows;
  }
  const uint64_t row_bytes = uint64_t{dimension_} * sizeof(float) + sizeof(format::RowRecord) +
                             dimension_ * 3 / 4 + 32;  // with both codes and their factors
  const uint64_t needed = rows_.size() * (row_bytes + (rows == 0 ? 0 : key_bytes / rows));
  if (needed <= input_.space_bytes) return Status::Ok();
  return Status::ResourceExhausted("index build: the copy of " + std::to_string(rows_.size()) +
                                   " rows needs about " + std::to_string(needed) +
                                   " bytes of disk, " + std::to_string(input_.space_bytes) +
                                   " are left; free some space");
}

// What the index is about: the unit row under cosine, else the vector as it was given, each product
// rounded once as for reads.
bool IndexBuilder::SourceVector(const SegmentView& segment, uint64_t row, float* out) const {
  const float* unit = segment.segment->rows() + row * dimension_;
  if (input_.column.metric == Metric::kCosine) {
    std::copy(unit, unit + dimension_, out);
  } else {
    const double norm = segment.segment->records()[row].norm;
    for (uint32_t i = 0; i < dimension_; ++i) {
      out[i] = static_cast<float>(norm * static_cast<double>(unit[i]));
    }
  }
  return kernels_->find_not_finite(out, dimension_) == dimension_;
}

Status IndexBuilder::Train() {
  const auto start = std::chrono::steady_clock::now();
  index::TrainOptions options;
  options.epoch_id = options.seed = input_.epoch_id;
  options.column_id = input_.column.id;
  options.dimension = dimension_;
  options.metric = input_.column.metric;
  options.list_count = static_cast<uint32_t>(
      std::min<uint64_t>(input_.options->list_count, rows_.size()));
  options.thread_count = threads_;
  options.memory_bytes_max = input_.memory_bytes_max;
  options.progress = [this](uint64_t done, uint64_t total) {
    return Tick("train", done, total).ok();
  };
  uint64_t memory = 0;
  VDB_ASSIGN_OR_RETURN(codebook_, index::Codebook::Train(
                                      options, rows_.size(),
                                      [this](uint64_t row, float* out) {
                                        const uint64_t ref = rows_[row];
                                        return SourceVector(SourceOf(ref), RowOf(ref), out);
                                      },
                                      &memory));
  report_.memory_bytes_peak = memory;
  report_.train_ms = MillisecondsSince(start);
  return WriteEpoch();
}

Status IndexBuilder::AssignBlock(uint64_t from, uint64_t past) {
  const uint32_t padded = codebook_->padded();
  std::vector<float> coded((past - from) * padded), source(dimension_), scratch(padded), work;
  std::vector<uint64_t> at;
  for (uint64_t i = from; i < past; ++i) {
    const SegmentView& segment = SourceOf(rows_[i]);
    const uint64_t row = RowOf(rows_[i]);
    VDB_RETURN_IF_ERROR(segment.segment->CheckRow(row, segment.mark.key_bytes));
    if (SourceVector(segment, row, source.data()) &&
        codebook_->ToCoded(*kernels_, source.data(), coded.data() + at.size() * padded,
                           scratch.data())) {
      at.push_back(i);
    } else {
      lists_[i] = codebook_->list_count();  // loose
    }
  }
  std::vector<uint32_t> lists(at.size());
  codebook_->Assign(coded.data(), at.size(), lists.data(), &work);
  for (size_t j = 0; j < at.size(); ++j) lists_[at[j]] = lists[j];
  return Status::Ok();
}

Status IndexBuilder::Assign() {
  const auto start = std::chrono::steady_clock::now();
  const uint64_t blocks = (rows_.size() + kAssignRows - 1) / kAssignRows;
  VDB_RETURN_IF_ERROR(Tick("assign", 0, blocks));
  VDB_RETURN_IF_ERROR(Parallel("assign", blocks, [this](uint64_t block) {
    return AssignBlock(block * kAssignRows,
                       std::min<uint64_t>(rows_.size(), (block + 1) * kAssignRows));
  }));
  SortByList();
  const uint64_t memory = rows_.size() * 12 + list_start_.size() * 8 +
                          uint64_t{threads_} * kAssignRows * codebook_->padded() * sizeof(float);
  report_.memory_bytes_peak = std::max(report_.memory_bytes_peak, memory);
  report_.assign_ms = MillisecondsSince(start);
  return Status::Ok();
}

// By (list, docno), in place: each row is swapped to its list's part, then each part is sorted.
void IndexBuilder::SortByList() {
  list_start_.assign(size_t{codebook_->list_count()} + 2, 0);
  for (const uint32_t list : lists_) list_start_[list + 1] += 1;
  for (size_t i = 1; i < list_start_.size(); ++i) list_start_[i] += list_start_[i - 1];
  std::vector<uint64_t> next(list_start_.begin(), list_start_.end() - 1);
  for (size_t list = 0; list < next.size(); ++list) {
    while (next[list] < list_start_[list + 1]) {
      const uint64_t i = next[list];
      const uint64_t j = next[lists_[i]]++;
      std::swap(rows_[i], rows_[j]);
      std::swap(lists_[i], lists_[j]);
    }
  }
  for (size_t list = 0; list < next.size(); ++list) {
    std::sort(rows_.begin() + static_cast<std::ptrdiff_t>(list_start_[list]),
              rows_.begin() + static_cast<std::ptrdiff_t>(list_start_[list + 1]),
              [this](uint64_t a, uint64_t b) { return DocnoOf(a) < DocnoOf(b); });
  }
}

Status IndexBuilder::Run() {
  const index::ScopedFloatMode float_mode;  // the bounds of codes assume rounding to nearest
  VDB_ASSIGN_OR_RETURN(kernels_, index::ActiveKernels());
  VDB_RETURN_IF_ERROR(Decide());
  VDB_RETURN_IF_ERROR(ListRows());
  VDB_RETURN_IF_ERROR(CheckSpace());
  if (report_.trained) VDB_RETURN_IF_ERROR(Train());
  if (codebook_ == nullptr) return Status::Ok();  // no live row: no index either
  if (!rows_.empty()) {
    VDB_RETURN_IF_ERROR(Assign());
    VDB_RETURN_IF_ERROR(Write());
  }
  VDB_RETURN_IF_ERROR(Calibrate());
  report_.epoch_id = epoch_entry_.id;
  report_.list_count = epoch_entry_.list_count;
  report_.segment_count = outputs_.size();
  return Status::Ok();
}

}  // namespace vdb::engine
