// Choice of the SIMD level, and the error bounds of the screening kernels.
//
// Derivation of the bounds. u = 2^-24 is the unit roundoff of float32. A computed dot product of
// float32 vectors is a tree: leaves are the products a_i * b_i, each rounded once (or not at all,
// where it is fused with an addition), inner nodes are rounded additions (or fused ones). If at
// most m rounded operations lie between a leaf and the root, the leaf's own rounding included, then
//     computed = sum of a_i * b_i * (1 + t_i),   |t_i| <= g_m = m u / (1 - m u)
// (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1; fusing only removes
// roundings). By Cauchy-Schwarz |computed - true| <= g_m * sum |a_i b_i| <= g_m * |a| * |b|.
//  - screen_dots: at least 16 chains share the elements evenly, so a chain has c <= ceil(d / 16)
//    elements: 1 rounding of the product and c - 1 of additions (the first one, onto zero, is
//    exact). A reduction of 16 lanes adds 4 levels; more accumulators shorten the chains by at
//    least as much as they add levels beyond c = 1. m = c + 4 suffices, we take c + 8.
//  - any order: n leaves need n - 1 additions, so no leaf has more than 1 + (n - 1) = d roundings.
//    We take d + 8, which also covers a BLAS that adds its partial sums onto zeros first.
// Underflow comes on top. An addition that underflows is exact, a product or a fused operation
// errs by at most 2^-150 then. If the thread flushes denormal results and treats denormal inputs
// as zero, each of the 2d inputs is off by less than 2^-126, times its partner's magnitude (at most
// 2 by contract), and each of at most 2d + 16 results by 2^-126 as the operation's input and as
// much as its output: below (4 d + 4 d + 32) * 2^-126. Later roundings magnify that by less than
// 1 + g_m < 2.
#include "index/kernels/kernels.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>
#endif

namespace vdb::index {
namespace {

constexpr double kFloatRoundoff = 0x1p-24;
constexpr double kHeadRoom = 1.01;  // the bounds' own evaluation, and a margin
constexpr size_t kScreenChains = 16;

double Gamma(size_t roundings) {
  const double mu = static_cast<double>(roundings) * kFloatRoundoff;
  return kHeadRoom * mu / (1 - mu);
}

bool AlwaysRuns() { return true; }

#if defined(__x86_64__)
// These bits also say that the operating system saves the registers.
bool RunsAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool RunsAvx512() {
  __builtin_cpu_init();
  return RunsAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool RunsAvx512Vnni() { return RunsAvx512() && __builtin_cpu_supports("avx512vnni"); }

// Linux hands the tile registers out on request, to the whole process (arch_prctl(2); the numbers
// are ARCH_REQ_XCOMP_PERM and the state component of the tile data). It refuses where they are not
// there, or where a thread has an alternate signal stack too small for them.
bool TilesAreGranted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

// CPUID leaf 7: not every compiler's __builtin_cpu_supports knows the names.
bool HasTiles() {
  constexpr unsigned kBfloat16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAll = kBfloat16 | kTile | kInt8;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAll) == kAll;
}

bool RunsAmx() {
  return RunsAvx512Vnni() && __builtin_cpu_supports("avx512bf16") && HasTiles() &&
         TilesAreGranted();
}
#endif

struct Level {
  const Kernels* kernels;
  bool (*runs_here)();
};

// Best first.
constexpr std::array kLevels = {
#if defined(__x86_64__)
    Level{&kAmxKernels, RunsAmx},
    Level{&kAvx512VnniKernels, RunsAvx512Vnni},
    Level{&kAvx512Kernels, RunsAvx512},
    Level{&kAvx2Kernels, RunsAvx2},
#endif
    Level{&kScalarKernels, AlwaysRuns},
};

std::string RunnableLevels() {
  std::string names;
  for (const Level& level : kLevels) {
    if (!level.runs_here()) continue;
    if (!names.empty()) names += ", ";
    names += level.kernels->name;
  }
  return names;
}

}  // namespace

double ScreenErrorBound(size_t dimension) {
  return Gamma((dimension + kScreenChains - 1) / kScreenChains + 8);
}

double AnyOrderErrorBound(size_t dimension) { return Gamma(dimension + 8); }

double ScreenUnderflow(size_t dimension) {
  return 2 * (8 * static_cast<double>(dimension) + 32) * 0x1p-126;
}

const Kernels* KernelsByName(const char* name) {
  for (const Level& level : kLevels) {
    if (std::strcmp(level.kernels->name, name) == 0 && level.runs_here()) return level.kernels;
  }
  return nullptr;
}

StatusOr<const Kernels*> SelectKernels(const char* forced) {
  if (forced != nullptr && forced[0] != '\0') {
    if (const Kernels* kernels = KernelsByName(forced)) return kernels;
    return Status::InvalidArgument("VDB_SIMD_LEVEL is '" + std::string(forced) +
                                   "'; this machine runs " + RunnableLevels() +
                                   "; set one of them, or unset it");
  }
  for (const Level& level : kLevels) {
    if (level.runs_here()) return level.kernels;
  }
  return &kScalarKernels;
}

StatusOr<const Kernels*> ActiveKernels() {
  static const auto* const active =
      new StatusOr<const Kernels*>(SelectKernels(std::getenv("VDB_SIMD_LEVEL")));
  return *active;
}

#if defined(__x86_64__)
ScopedFloatMode::ScopedFloatMode() : saved_(_mm_getcsr()) {
  constexpr uint32_t kStandardMode = 0x1f80;  // nearest, no flushing, exceptions masked
  _mm_setcsr(kStandardMode);
}
ScopedFloatMode::~ScopedFloatMode() { _mm_setcsr(saved_); }
#else
ScopedFloatMode::ScopedFloatMode() : saved_(0) {}
ScopedFloatMode::~ScopedFloatMode() = default;
#endif

}  // namespace vdb::index
