// See kmeans.h.
#include "index/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "index/aligned_room.h"
#include "index/kernels/kernels.h"
#include "index/lanes.h"
#include "index/matrix_product.h"
#include "index/parallel.h"

namespace vdb::index {
namespace {

// A tile of products stays in the second-level cache until its best are taken. A kernel converts
// the lists of a tile first: many rows pay for that.
constexpr size_t kTileRows = 256;
constexpr uint32_t kTileLists = 512;
constexpr size_t kKernelRows = 1024;
constexpr uint32_t kKernelLists = 128;
constexpr uint32_t kKernelListsMin = 16;  // fewer leave the tiles empty
constexpr size_t kBlockRows = 1024;  // the unit of work of a thread

// Rounds on a quarter of the sample, then on all of it: the first rounds only have to bring the
// seeds apart.
constexpr int kQuarterRounds = 5;
constexpr int kFullRounds = 5;
constexpr double kChangedEnough = 0.005;  // fewer rows than this share moved: done

struct Best {
  float score = -std::numeric_limits<float>::infinity();
  uint32_t list = 0;
};

// The largest of scores[i] - half[i], i in [0, count), the lowest i of equal ones, if above *best.
void TakeBest(const float* scores, const float* half, uint32_t count, uint32_t first_list,
              Best* best) {
  Best found;
  uint32_t i = 0;
  if (count >= 4) {
    Float4 most = All4(found.score);
    Int4 where = {}, now = {0, 1, 2, 3};
    for (; i + 4 <= count; i += 4, now += 4) {
      const Float4 score = Load4(scores + i) - Load4(half + i);
      const Int4 better = score > most;
      most = better ? score : most;
      where = better ? now : where;
    }
    for (int j = 0; j < 4; ++j) {
      const auto list = static_cast<uint32_t>(where[j]);
      if (most[j] > found.score || (most[j] == found.score && list < found.list)) {
        found = {most[j], list};
      }
    }
  }
  for (; i < count; ++i) {
    if (scores[i] - half[i] > found.score) found = {scores[i] - half[i], i};
  }
  if (found.score > best->score) *best = {found.score, first_list + found.list};
}

// Products of rows and centroids, tile by tile: by a kernel where the level has one, else by
// OpenBLAS.
class Products {
 public:
  Products(uint32_t dimension, uint32_t list_count) : dimension_(dimension) {
    const auto kernels = ActiveKernels();
    if (!kernels.ok() || dimension % 32 != 0 || list_count < kKernelListsMin) return;
    kernel_ = (*kernels)->multiply_split;
  }
  size_t row_count() const { return kernel_ != nullptr ? kKernelRows : kTileRows; }
  uint32_t list_count() const { return kernel_ != nullptr ? kKernelLists : kTileLists; }

  // [size x width], in scratch.
  const float* Of(const float* rows, size_t size, const float* centroids, uint32_t width,
                  std::vector<float>* scratch) const {
    const size_t halves = kernel_ == nullptr ? 0 : size_t{kKernelLists + 64} * dimension_;
    float* const room = AlignedRoom(scratch, halves + row_count() * list_count());
    float* const out = room + halves;
    if (kernel_ != nullptr) {
      kernel_(rows, size, centroids, width, dimension_, reinterpret_cast<uint16_t*>(room), out);
    } else {
      MultiplyQueriesByRows(rows, size, centroids, width, dimension_, out);
    }
    return out;
  }

 private:
  size_t dimension_;
  decltype(Kernels::multiply_split) kernel_ = nullptr;
};

// The lists' rows, in row order: rows of list i are order[begin[i]] to order[begin[i + 1] - 1].
struct Members {
  std::vector<uint32_t> begin, order;
  uint32_t size(uint32_t list) const { return begin[list + 1] - begin[list]; }
  std::span<const uint32_t> of(uint32_t list) const {
    return {order.data() + begin[list], size(list)};
  }
};

Members Group(std::span<const uint32_t> lists, uint32_t list_count) {
  Members members;
  members.begin.resize(size_t{list_count} + 1);
  members.order.resize(lists.size());
  for (const uint32_t list : lists) ++members.begin[list + 1];
  for (uint32_t i = 0; i < list_count; ++i) members.begin[i + 1] += members.begin[i];
  std::vector<uint32_t> next(members.begin.begin(), members.begin.end() - 1);
  for (uint32_t row = 0; row < lists.size(); ++row) members.order[next[lists[row]]++] = row;
  return members;
}

class Trainer {
 public:
  explicit Trainer(const KMeansInput& input)
      : in_(input),
        centroids_(input.rows, input.rows + size_t{input.list_count} * input.dimension),
        half_squared_(input.list_count),
        lists_(input.row_count, std::numeric_limits<uint32_t>::max()) {}

  KMeansResult Run() {
    const size_t quarter = std::max<size_t>(in_.row_count / 4, in_.list_count);
    constexpr uint64_t kTotal = kQuarterRounds + kFullRounds;
    for (int round = 0; round < kQuarterRounds + kFullRounds; ++round) {
      if (in_.progress && !in_.progress(static_cast<uint64_t>(round), kTotal)) {
        KMeansResult cancelled;
        cancelled.cancelled = true;
        return cancelled;
      }
      const bool full = round >= kQuarterRounds;
      const size_t count = full ? in_.row_count : quarter;
      const size_t changed = AssignRows(count);
      members_ = Group({lists_.data(), count}, in_.list_count);
      MoveCentroids();
      if (full && static_cast<double>(changed) < kChangedEnough * static_cast<double>(count)) break;
      // Not after the last round: a list should end with the rows that chose it.
      if (round + 1 < kQuarterRounds + kFullRounds) ReseedEmpty();
    }
    return Finish();
  }

 private:
  const float* Row(size_t row) const { return in_.rows + row * in_.dimension; }
  float* Centroid(uint32_t list) { return centroids_.data() + size_t{list} * in_.dimension; }

  // Returns how many of the rows changed their list.
  size_t AssignRows(size_t count) {
    for (uint32_t list = 0; list < in_.list_count; ++list) {
      const float* c = Centroid(list);
      half_squared_[list] = static_cast<float>(
          SumLanes(in_.dimension, [&](size_t i) { return double{c[i]} * double{c[i]}; }) / 2);
    }
    const size_t blocks = (count + kBlockRows - 1) / kBlockRows;
    std::vector<size_t> changed(blocks);
    ForBlocks(in_.thread_count, blocks, [&](size_t block) {
      const size_t first = block * kBlockRows, size = std::min(kBlockRows, count - first);
      std::vector<float> scratch;
      std::vector<uint32_t> lists(size);
      NearestLists(Row(first), size, in_.dimension, centroids_.data(), half_squared_.data(),
                   in_.list_count, lists.data(), &scratch);
      for (size_t i = 0; i < size; ++i) changed[block] += lists[i] != lists_[first + i] ? 1 : 0;
      std::copy(lists.begin(), lists.end(), lists_.begin() + static_cast<ptrdiff_t>(first));
    });
    size_t sum = 0;
    for (const size_t c : changed) sum += c;
    return sum;
  }

  void MoveCentroids() {
    ForBlocks(in_.thread_count, in_.list_count, [&](size_t block) {
      const auto list = static_cast<uint32_t>(block);
      const auto rows = members_.of(list);
      if (rows.empty()) return;
      float* c = Centroid(list);
      std::fill(c, c + in_.dimension, 0.0f);
      for (const uint32_t row : rows) {
        const float* x = Row(row);
        for (uint32_t i = 0; i < in_.dimension; ++i) c[i] += x[i];
      }
      const float share = 1 / static_cast<float>(rows.size());
      for (uint32_t i = 0; i < in_.dimension; ++i) c[i] *= share;
    });
  }

  // An empty list starts over from a row of the largest list, which is then taken to be halved.
  void ReseedEmpty() {
    std::vector<uint32_t> sizes(in_.list_count);
    for (uint32_t i = 0; i < in_.list_count; ++i) sizes[i] = members_.size(i);
    for (uint32_t list = 0; list < in_.list_count; ++list) {
      if (members_.size(list) != 0) continue;
      const auto largest = static_cast<uint32_t>(
          std::max_element(sizes.begin(), sizes.end()) - sizes.begin());
      if (sizes[largest] < 2) return;
      const auto rows = members_.of(largest);
      const float* seed = Row(rows[sizes[largest] % rows.size()]);
      std::copy(seed, seed + in_.dimension, Centroid(list));
      sizes[largest] /= 2;
    }
  }

  // Statistics of the last assignment against the centroids it led to.
  KMeansResult Finish() {
    KMeansResult result;
    result.rho.resize(in_.list_count);
    std::vector<double> squares(in_.list_count), lengths(in_.list_count);
    ForBlocks(in_.thread_count, in_.list_count, [&](size_t list) {
      const float* c = Centroid(static_cast<uint32_t>(list));
      for (const uint32_t row : members_.of(static_cast<uint32_t>(list))) {
        const float* x = Row(row);
        const double squared = SumLanes(in_.dimension, [&](size_t i) {
          const double d = double{x[i]} - double{c[i]};
          return d * d;
        });
        squares[list] += squared;
        lengths[list] += std::sqrt(squared);
      }
    });
    double all_squares = 0, all_lengths = 0, size_squares = 0;
    for (uint32_t list = 0; list < in_.list_count; ++list) {
      const double size = members_.size(list);
      all_squares += squares[list];
      all_lengths += lengths[list];
      size_squares += size * size;
    }
    const auto rows = static_cast<double>(members_.order.size());
    for (uint32_t list = 0; list < in_.list_count; ++list) {
      // Rows lie nearer to their own mean than to the true one; a single row says nothing.
      const double size = members_.size(list);
      result.rho[list] = static_cast<float>(
          std::sqrt(size > 1 ? squares[list] / (size - 1) : all_squares / rows));
    }
    result.mean_residual = all_lengths / rows;
    result.imbalance = size_squares / rows / rows * in_.list_count;
    result.centroids = std::move(centroids_);
    return result;
  }

  const KMeansInput& in_;
  std::vector<float> centroids_, half_squared_;
  std::vector<uint32_t> lists_;
  Members members_;
};

}  // namespace

void NearestLists(const float* rows, size_t count, uint32_t dimension, const float* centroids,
                  const float* half_squared, uint32_t list_count, uint32_t* lists,
                  std::vector<float>* scratch) {
  if (list_count == 1) {
    std::fill(lists, lists + count, 0u);
    return;
  }
  const Products products(dimension, list_count);
  for (size_t first = 0; first < count; first += products.row_count()) {
    const size_t size = std::min(products.row_count(), count - first);
    std::vector<Best> best(size);
    for (uint32_t list = 0; list < list_count; list += products.list_count()) {
      const uint32_t width = std::min(products.list_count(), list_count - list);
      const float* const scores =
          products.Of(rows + first * dimension, size, centroids + size_t{list} * dimension, width,
                      scratch);
      for (size_t i = 0; i < size; ++i) {
        TakeBest(scores + i * width, half_squared + list, width, list, &best[i]);
      }
    }
    for (size_t i = 0; i < size; ++i) lists[first + i] = best[i].list;
  }
}

KMeansResult TrainKMeans(const KMeansInput& input) { return Trainer(input).Run(); }

}  // namespace vdb::index
