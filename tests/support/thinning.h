// How much less the slow tests do under a sanitizer, which makes an open or a loop over floats ten
// times slower: it looks for bad memory and races, the release build for wrong answers.
#pragma once

#include <cstddef>

namespace vdb::testing {

/// 1; under a sanitizer: take every so many of the cases only.
constexpr size_t Thinning() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 13;
#else
  return 1;
#endif
}

}  // namespace vdb::testing
