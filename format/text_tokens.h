// Tokens of a text: what text indexes keep and words are looked up by (docs/text.md).
//
// Words are those of UAX #29 in ICU's root locale, with its dictionaries for scripts that do not
// put spaces between words. What has no letter, digit or ideograph is no word. A token is a word
// after NFKC_Casefold, in UTF-8, and holds no NUL. Bytes that are not UTF-8 separate words.
//
// A text is read through a window, so memory is bounded whatever its size. Windows meet between
// words; only a stretch longer than a window without anything but words (such as 64 KiB of one
// letter) is parted where the window ends.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vdb/status.h"

namespace vdb::format {

inline constexpr size_t kTokenBytesMax = 255;  // a longer one is cut between code points
inline constexpr size_t kTokenWindowBytes = 64u << 10;
/// Distinct tokens kept of a document's field; later ones count in its length only.
inline constexpr size_t kTextTermsMax = 1'000'000;

/// Calls use(token) for each token in order; the view is good during the call, which must not come
/// back here. kFailedPrecondition if ICU has no rules for words.
Status ForEachToken(std::string_view text, const std::function<void(std::string_view)>& use,
                    size_t window_bytes = kTokenWindowBytes);

/// A distinct token and how often it is there.
struct TextTerm {
  std::string term;
  uint64_t frequency = 0;

  friend auto operator<=>(const TextTerm&, const TextTerm&) = default;
};

/// What a text index has of one document.
struct TextTerms {
  std::vector<TextTerm> terms;  // ascending bytewise
  uint64_t length = 0;          // tokens in all

  bool empty() const { return length == 0; }
};

/// Adds up the tokens of several texts.
class TermCounter {
 public:
  Status Add(std::string_view text);
  TextTerms Take();

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view bytes) const {
      return std::hash<std::string_view>()(bytes);
    }
  };
  std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>> counts_;
  uint64_t length_ = 0;
};

}  // namespace vdb::format
