// See codebook.h.
#include "index/codebook.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "format/status_macros.h"
#include "index/kernels/kernels.h"
#include "index/kmeans.h"
#include "index/lanes.h"
#include "index/parallel.h"

namespace vdb::index {
namespace {

constexpr uint64_t kSamplesPerList = 64;
constexpr uint64_t kSamplesPerListMin = 16;
constexpr uint64_t kSamplesMin = 256;
constexpr uint64_t kSampleBytes = uint64_t{512} << 20;  // beyond, fewer rows per list
constexpr int kScaleExponentMax = 100;                  // as format/index_layout.cc
constexpr uint64_t kFlatRows = 4096;                    // below, lists do not pay
constexpr size_t kCodedBlock = 256;                     // rows coded at once by a thread

// Rows to read for a training of `lists` lists.
uint64_t SampleSize(uint64_t rows, uint64_t lists, uint32_t padded) {
  const uint64_t affordable = kSampleBytes / (uint64_t{padded} * sizeof(float));
  const uint64_t wanted =
      std::max(std::min(lists * kSamplesPerList, affordable), lists * kSamplesPerListMin);
  return std::min(rows, std::max(wanted, kSamplesMin));
}

// Row i of a sample spread over all rows: one of each stratum. Ascends.
class Strata {
 public:
  Strata(uint64_t rows, uint64_t sample, uint64_t seed)
      : width_(static_cast<double>(rows) / static_cast<double>(sample)),
        rows_(rows),
        random_(seed) {}
  uint64_t Next() {
    const double begin = width_ * static_cast<double>(next_++);
    const double share = static_cast<double>(random_() >> 11) * 0x1p-53;
    // Strata narrower than a row would repeat it, so with all rows wanted all are taken.
    const auto row = static_cast<uint64_t>(width_ == 1 ? begin : begin + width_ * share);
    row_ = next_ == 1 ? row : std::max(row, row_ + 1);
    return std::min(row_, rows_ - 1);
  }

 private:
  double width_;
  uint64_t rows_, next_ = 0, row_ = 0;
  std::mt19937_64 random_;
};

// The sample, rotated but not scaled, without gaps.
struct Sample {
  std::vector<float> rows;
  size_t count = 0;
  uint32_t padded = 0;

  float* row(size_t i) { return rows.data() + i * padded; }
  double Length(const Kernels& kernels, size_t i) {
    return std::sqrt(kernels.sum_squares(row(i), padded));
  }
  // Keeps the rows that `keep` is for, in order.
  template <typename Keep>
  void Filter(const Keep& keep) {
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!keep(i)) continue;
      if (kept != i) std::copy(row(i), row(i) + padded, row(kept));
      ++kept;
    }
    count = kept;
  }
};

Sample ReadSample(const TrainOptions& options, const Kernels& kernels, const Rotation& rotation,
                  uint64_t row_count, uint64_t wanted, const RowSource& source) {
  Sample sample;
  sample.padded = rotation.padded();
  sample.rows.resize(wanted * sample.padded);
  Strata strata(row_count, wanted, options.seed);
  // A source vector waits at the start of its row for the rotation.
  for (uint64_t i = 0; i < wanted; ++i) {
    if (source(strata.Next(), sample.row(sample.count))) ++sample.count;
  }
  ForBlocks(options.thread_count, (sample.count + kCodedBlock - 1) / kCodedBlock, [&](size_t b) {
    std::vector<float> out(sample.padded), scratch(sample.padded);
    const size_t past = std::min((b + 1) * kCodedBlock, sample.count);
    for (size_t i = b * kCodedBlock; i < past; ++i) {
      rotation.Apply(kernels, sample.row(i), out.data(), scratch.data());
      std::copy(out.begin(), out.end(), sample.row(i));
    }
  });
  return sample;
}

// The power of two that brings the median length near 1, so that neither keys nor their parts leave
// float32; a few huge or tiny rows do not matter to a median. Cosine: lengths are 1.
double ChooseScale(const Kernels& kernels, Metric metric, Sample* sample) {
  std::vector<double> lengths;
  for (size_t i = 0; i < sample->count; ++i) {
    const double length = sample->Length(kernels, i);
    if (std::isfinite(length) && length > 0) lengths.push_back(length);
  }
  if (metric == Metric::kCosine || lengths.empty()) return 1;
  const auto middle = lengths.begin() + static_cast<ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  const auto exponent = static_cast<int>(std::lround(-std::log2(*middle)));
  return std::ldexp(1.0, std::clamp(exponent, -kScaleExponentMax, kScaleExponentMax));
}

// Scales the sample, drops what cannot be coded, and shuffles it.
void CodeSample(const Kernels& kernels, double scale, uint64_t seed, Sample* sample) {
  const auto factor = static_cast<float>(scale);
  const size_t values = sample->count * sample->padded;
  for (size_t i = 0; i < values; ++i) sample->rows[i] *= factor;
  sample->Filter([&](size_t i) { return sample->Length(kernels, i) <= kCodedMax; });
  std::mt19937_64 random(seed + 1);
  for (size_t i = sample->count; i > 1; --i) {
    const size_t other = random() % i;
    if (other != i - 1) {
      std::swap_ranges(sample->row(i - 1), sample->row(i - 1) + sample->padded,
                       sample->row(other));
    }
  }
}

std::vector<float> MeanOf(Sample* sample) {
  std::vector<double> sum(sample->padded);
  for (size_t row = 0; row < sample->count; ++row) {
    const float* x = sample->row(row);
    for (uint32_t i = 0; i < sample->padded; ++i) sum[i] += double{x[i]};
  }
  std::vector<float> mean(sample->padded);
  for (uint32_t i = 0; i < sample->padded; ++i) {
    mean[i] = static_cast<float>(sum[i] / static_cast<double>(sample->count));
  }
  return mean;
}

std::vector<uint8_t> EncodeCentroids(Metric metric, uint32_t padded, const float* mean,
                                     std::span<const float> centroids, uint32_t thread_count) {
  const size_t lists = centroids.size() / padded;
  const size_t blocks = (lists + format::kBlockRows - 1) / format::kBlockRows;
  std::vector<uint8_t> bytes(blocks * format::BlockBytes(padded));
  ForBlocks(thread_count, blocks, [&](size_t block) {
    uint8_t* out = bytes.data() + block * format::BlockBytes(padded);
    const size_t first = block * format::kBlockRows;
    for (size_t i = first; i < std::min(first + format::kBlockRows, lists); ++i) {
      EncodeCoarse(metric, padded, centroids.data() + i * padded, mean, mean, out,
                   static_cast<uint32_t>(i - first));
    }
  });
  return bytes;
}

Status CheckOptions(const TrainOptions& options, uint64_t row_count) {
  if (options.dimension == 0 || options.dimension > kDimensionMax) {
    return Status::InvalidArgument("training: a dimension of " +
                                   std::to_string(options.dimension));
  }
  if (row_count == 0) return Status::FailedPrecondition("training: there are no rows");
  return Status::Ok();
}

format::EpochHeader FirstHeader(const TrainOptions& options, uint64_t row_count) {
  format::EpochHeader header;
  header.epoch_id = options.epoch_id;
  header.column_id = options.column_id;
  header.dimension = options.dimension;
  header.padded_dimension = format::PaddedDimension(options.dimension);
  header.metric = static_cast<uint32_t>(options.metric);
  header.rotation_algorithm = format::kRotationHadamard;
  header.rotation_seed = options.seed;
  header.trained_rows = row_count;
  return header;
}

bool GoOn(const TrainOptions& options, uint64_t done, uint64_t total) {
  return !options.progress || options.progress(done, total);
}

Status Stopped() { return Status::Cancelled("training was cancelled by its progress callback"); }

}  // namespace

uint32_t SuggestedListCount(uint64_t row_count, uint32_t dimension) {
  if (row_count < kFlatRows) return 1;
  const double share = dimension <= 256 ? 2.0 : 1.2;
  const double lists = share * std::sqrt(static_cast<double>(row_count)) / 16;
  return static_cast<uint32_t>(std::min(std::lround(lists) * 16L, long{format::kListCountMax}));
}

Codebook::Codebook(const format::EpochHeader& header)
    : header_(header), rotation_(header.dimension, header.rotation_seed) {}

void Codebook::DeriveNorms() {
  const uint32_t d = padded();
  const auto squared = [d](const float* x) {
    return SumLanes(d, [x](size_t i) { return double{x[i]} * double{x[i]}; });
  };
  centroid_squared_.resize(list_count());
  half_squared_.resize(list_count());
  for (uint32_t list = 0; list < list_count(); ++list) {
    centroid_squared_[list] = squared(centroid(list));
    half_squared_[list] = static_cast<float>(centroid_squared_[list] / 2);
  }
  mean_squared_ = squared(mean());
}

StatusOr<std::shared_ptr<const Codebook>> Codebook::Train(const TrainOptions& options,
                                                          uint64_t row_count,
                                                          const RowSource& source,
                                                          uint64_t* memory_bytes) {
  VDB_RETURN_IF_ERROR(CheckOptions(options, row_count));
  VDB_ASSIGN_OR_RETURN(const Kernels* kernels, ActiveKernels());
  auto book = std::shared_ptr<Codebook>(new Codebook(FirstHeader(options, row_count)));
  format::EpochHeader& header = book->header_;
  const uint64_t lists = std::clamp<uint64_t>(
      options.list_count != 0 ? options.list_count
                              : SuggestedListCount(row_count, options.dimension),
      1, std::min<uint64_t>(row_count, format::kListCountMax));
  if (!GoOn(options, 0, 12)) return Stopped();
  uint64_t wanted = SampleSize(row_count, lists, header.padded_dimension);
  if (options.memory_bytes_max != 0) {
    // The centroids, before and after a step, and two numbers a row of the sample.
    const uint64_t row_bytes = uint64_t{header.padded_dimension} * sizeof(float);
    const uint64_t fixed = 2 * lists * row_bytes;
    const uint64_t room = options.memory_bytes_max - std::min(options.memory_bytes_max, fixed);
    const uint64_t fits = room / (row_bytes + 2 * sizeof(uint32_t));
    if (fits < std::min(wanted, 16 * lists)) {
      return Status::ResourceExhausted(
          "training " + std::to_string(lists) + " lists needs more than the " +
          std::to_string(options.memory_bytes_max) + " bytes of memory that a job may use; raise "
          "memory_limit_bytes, or ask for fewer lists");
    }
    wanted = std::min(wanted, fits);
  }
  Sample sample =
      ReadSample(options, *kernels, book->rotation_, row_count, wanted, source);
  header.scale = ChooseScale(*kernels, options.metric, &sample);
  CodeSample(*kernels, header.scale, options.seed, &sample);
  if (sample.count == 0) {
    return Status::FailedPrecondition("training: none of the sampled rows can be coded");
  }
  header.sample_rows = sample.count;
  header.list_count = static_cast<uint32_t>(std::min<uint64_t>(lists, sample.count));

  KMeansInput input;
  input.rows = sample.rows.data();
  input.row_count = sample.count;
  input.dimension = header.padded_dimension;
  input.list_count = header.list_count;
  input.thread_count = options.thread_count;
  input.progress = [&](uint64_t done, uint64_t total) {
    return GoOn(options, 1 + done, total + 2);
  };
  KMeansResult trained = TrainKMeans(input);
  if (trained.cancelled) return Stopped();
  header.mean_residual = trained.mean_residual;
  header.imbalance = trained.imbalance;

  book->owned_ = MeanOf(&sample);
  if (memory_bytes != nullptr) {
    *memory_bytes = sample.rows.size() * sizeof(float) + sample.count * 2 * sizeof(uint32_t) +
                    trained.centroids.size() * 2 * sizeof(float);
  }
  sample.rows = {};
  book->Adopt(trained.centroids, trained.rho, options.thread_count);
  if (!GoOn(options, 12, 12)) return Stopped();
  return std::shared_ptr<const Codebook>(std::move(book));
}

void Codebook::Adopt(std::span<const float> centroids, std::span<const float> rho,
                     uint32_t thread_count) {
  owned_.insert(owned_.end(), centroids.begin(), centroids.end());
  owned_.insert(owned_.end(), rho.begin(), rho.end());
  const std::span<const float> all(owned_);
  view_.header = header_;
  view_.mean = all.first(padded());
  view_.centroids = all.subspan(padded(), centroids.size());
  view_.rho = all.last(rho.size());
  owned_blocks_ = EncodeCentroids(metric(), padded(), mean(), view_.centroids, thread_count);
  view_.centroid_blocks = owned_blocks_;
  DeriveNorms();
}

StatusOr<std::shared_ptr<const Codebook>> Codebook::Open(std::string_view bytes,
                                                         std::string_view file,
                                                         std::shared_ptr<const void> keep) {
  VDB_ASSIGN_OR_RETURN(const format::EpochView view, format::DecodeEpoch(bytes, file));
  auto book = std::shared_ptr<Codebook>(new Codebook(view.header));
  book->view_ = view;
  book->keep_ = std::move(keep);
  book->DeriveNorms();
  return std::shared_ptr<const Codebook>(std::move(book));
}

std::string Codebook::Encode() const {
  return format::EncodeEpoch(
      {header_, view_.mean, view_.centroids, view_.rho, view_.centroid_blocks});
}

bool Codebook::ToCoded(const Kernels& kernels, const float* x, float* y, float* scratch) const {
  rotation_.Apply(kernels, x, y, scratch);
  const auto factor = static_cast<float>(header_.scale);
  for (uint32_t i = 0; i < padded(); ++i) y[i] *= factor;
  // Whatever overflowed on the way is infinite or NaN still.
  return std::sqrt(kernels.sum_squares(y, padded())) <= kCodedMax;
}

void Codebook::Assign(const float* rows, size_t count, uint32_t* lists,
                      std::vector<float>* scratch) const {
  NearestLists(rows, count, padded(), view_.centroids.data(), half_squared_.data(), list_count(),
               lists, scratch);
}

double Codebook::RoundingBound(double x_length) const {
  const double relative = (rotation_.ErrorBound() + 0x1p-24) * 1.001;
  return header_.scale * (relative * x_length + rotation_.UnderflowBound()) +
         std::sqrt(static_cast<double>(padded())) * 0x1p-126;
}

}  // namespace vdb::index
