// AlignedRoom: scratch memory that begins at a cache line, for kernels that load and store whole
// lines (measured with tiles of 64-byte rows: half the speed where each row lies in two lines).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vdb::index {

/// Grows `values` to hold `count` elements from a multiple of 64 bytes on, and returns the first of
/// these; stays where it is while `values` does not grow.
template <typename T>
T* AlignedRoom(std::vector<T>* values, size_t count) {
  constexpr size_t kLine = 64, kSpare = kLine / sizeof(T);
  if (values->size() < count + kSpare) values->resize(count + kSpare);
  const auto at = reinterpret_cast<uintptr_t>(values->data());
  return values->data() + (kLine - at % kLine) % kLine / sizeof(T);
}

}  // namespace vdb::index
