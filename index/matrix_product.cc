// See matrix_product.h. The pthread build of OpenBLAS is the one that may be called from several
// threads; it is compiled for a fixed number of them (measured: wrong results never, a crash from
// about 130 callers at once), hence the gate.
#include "index/matrix_product.h"

#include <cblas.h>

#include <condition_variable>
#include <mutex>

namespace vdb::index {
namespace {

// Lets a bounded number of threads in; the others wait.
class Gate {
 public:
  explicit Gate(int places) : free_(places) {}
  void Enter() {
    std::unique_lock lock(mutex_);
    left_.wait(lock, [this] { return free_ > 0; });
    --free_;
  }
  void Leave() {
    {
      const std::lock_guard lock(mutex_);
      ++free_;
    }
    left_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  int free_;
};

// OpenBLAS is built for 64 threads; an application may call it besides us.
constexpr int kCallersMax = 48;

Gate& CallersGate() {
  // One BLAS thread per caller: this library divides the work itself, by blocks of rows.
  static auto* const gate = [] {
    openblas_set_num_threads(1);
    return new Gate(kCallersMax);
  }();
  return *gate;
}

}  // namespace

void MultiplyQueriesByRows(const float* queries, size_t query_count, const float* rows,
                           size_t row_count, size_t dimension, float* out) {
  const auto m = static_cast<blasint>(query_count);
  const auto n = static_cast<blasint>(row_count);
  const auto d = static_cast<blasint>(dimension);
  Gate& gate = CallersGate();
  gate.Enter();
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, d, 1.0f, queries, d, rows, d, 0.0f,
              out, n);
  gate.Leave();
}

}  // namespace vdb::index
