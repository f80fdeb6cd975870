#include "format/text_tokens.h"

#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "format/status_macros.h"

namespace vdb::format {
namespace {

// More code units than these of one word make no difference to its first 255 bytes, but for ones
// that folding removes.
constexpr int32_t kFoldUnits = 1024;

Status IcuFailed(const char* what, UErrorCode code) {
  if (code == U_MEMORY_ALLOCATION_ERROR) {
    return Status::ResourceExhausted(std::string("ICU: ") + what + ": out of memory");
  }
  return Status::FailedPrecondition(std::string("ICU: ") + what + " failed: " + u_errorName(code) +
                                    "; text indexes need ICU with its data");
}

struct Segment {
  int32_t first = 0, past = 0;  // code units of the window
  bool word = false;
};

// The longest front of `text` with at most `size` bytes that ends between code points.
size_t FrontBytes(std::string_view text, size_t size) {
  if (size >= text.size()) return text.size();
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  auto length = static_cast<int32_t>(size);
  U8_TRUNCATE_IF_INCOMPLETE(bytes, 0, length);
  return length == 0 ? size : static_cast<size_t>(length);
}

// A word break iterator and the buffers of one thread: opening costs ten times a short text.
class Segmenter {
 public:
  static StatusOr<Segmenter*> OfThread() {
    thread_local Segmenter segmenter;
    VDB_RETURN_IF_ERROR(segmenter.Open());
    return &segmenter;
  }

  // Uses the words at the front of `text`, and gives the bytes that are done with: at least one.
  StatusOr<size_t> TakeWindow(std::string_view text, size_t window_bytes,
                              const std::function<void(std::string_view)>& use) {
    const size_t bytes = FrontBytes(text, window_bytes);
    const bool last = bytes == text.size();
    Decode(text.substr(0, bytes));
    VDB_RETURN_IF_ERROR(FindSegments());
    const size_t kept = last ? segments_.size() : SegmentsKept();
    for (size_t i = 0; i < kept; ++i) {
      if (segments_[i].word) VDB_RETURN_IF_ERROR(UseWord(segments_[i], use));
    }
    return last ? bytes : BytesOfUnits(text, segments_[kept - 1].past);
  }

 private:
  struct Close {
    void operator()(UBreakIterator* words) const { ubrk_close(words); }
  };

  Status Open() {
    if (words_ != nullptr) return Status::Ok();
    UErrorCode code = U_ZERO_ERROR;
    folding_ = unorm2_getNFKCCasefoldInstance(&code);
    if (U_FAILURE(code)) return IcuFailed("case folding", code);
    words_.reset(ubrk_open(UBRK_WORD, "", nullptr, 0, &code));
    if (U_FAILURE(code)) {
      words_.reset();
      return IcuFailed("word segmentation", code);
    }
    return Status::Ok();
  }

  // To UTF-16, what is not UTF-8 as U+FFFD.
  void Decode(std::string_view text) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    const auto size = static_cast<int32_t>(text.size());
    units_.resize(text.size());
    int32_t unit = 0;
    for (int32_t i = 0; i < size;) {
      UChar32 c = 0;
      U8_NEXT_OR_FFFD(bytes, i, size, c);
      U16_APPEND_UNSAFE(units_, unit, c);
    }
    units_.resize(static_cast<size_t>(unit));
  }

  // How many bytes the first `units` code units of the decoded text were.
  static size_t BytesOfUnits(std::string_view text, int32_t units) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    const auto size = static_cast<int32_t>(std::min<size_t>(text.size(), INT32_MAX));
    int32_t i = 0;
    for (int32_t unit = 0; unit < units && i < size;) {
      UChar32 c = 0;
      U8_NEXT_OR_FFFD(bytes, i, size, c);
      unit += U16_LENGTH(c);
    }
    return static_cast<size_t>(i);
  }

  Status FindSegments() {
    segments_.clear();
    UErrorCode code = U_ZERO_ERROR;
    ubrk_setText(words_.get(), units_.data(), static_cast<int32_t>(units_.size()), &code);
    if (U_FAILURE(code)) return IcuFailed("word segmentation", code);
    int32_t first = ubrk_first(words_.get());
    for (int32_t past = ubrk_next(words_.get()); past != UBRK_DONE;
         past = ubrk_next(words_.get())) {
      const int32_t status = ubrk_getRuleStatus(words_.get());
      segments_.push_back({first, past, status >= UBRK_WORD_NONE_LIMIT});
      first = past;
    }
    return Status::Ok();
  }

  // Of a window that the text goes on after: what follows may change the last two segments, and
  // dictionaries look at all words in a row. From a boundary on, ICU does not look back.
  size_t SegmentsKept() const {
    for (size_t i = segments_.size(); i > 2; --i) {
      if (!segments_[i - 3].word) return i - 2;
    }
    return segments_.size() == 1 ? 1 : segments_.size() - 1;
  }

  Status UseWord(const Segment& segment, const std::function<void(std::string_view)>& use) {
    token_.clear();
    bool ascii = true;
    for (int32_t i = segment.first; i < segment.past && ascii; ++i) {
      const char16_t c = units_[static_cast<size_t>(i)];
      ascii = c < 0x80;
      token_.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
    }
    if (!ascii) VDB_RETURN_IF_ERROR(Fold(segment));
    std::erase(token_, '\0');
    token_.resize(FrontBytes(token_, kTokenBytesMax));
    if (!token_.empty()) use(token_);
    return Status::Ok();
  }

  // NFKC_Casefold of a word to token_.
  Status Fold(const Segment& segment) {
    const UChar* word = units_.data() + segment.first;
    int32_t size = segment.past - segment.first;
    if (size > kFoldUnits) {
      size = kFoldUnits;
      U16_SET_CP_LIMIT(word, 0, size, segment.past - segment.first);
    }
    if (folded_.empty()) folded_.resize(kFoldUnits);
    for (;;) {
      UErrorCode code = U_ZERO_ERROR;
      const int32_t needed = unorm2_normalize(folding_, word, size, folded_.data(),
                                              static_cast<int32_t>(folded_.size()), &code);
      if (code == U_BUFFER_OVERFLOW_ERROR) {
        folded_.resize(static_cast<size_t>(needed));
        continue;
      }
      if (U_FAILURE(code)) return IcuFailed("case folding", code);
      EncodeFolded(needed);
      return Status::Ok();
    }
  }

  void EncodeFolded(int32_t size) {
    token_.clear();
    for (int32_t i = 0; i < size && token_.size() <= kTokenBytesMax;) {
      UChar32 c = 0;
      U16_NEXT_OR_FFFD(folded_.data(), i, size, c);
      char bytes[4];
      size_t count = 0;
      U8_APPEND_UNSAFE(bytes, count, c);
      token_.append(bytes, count);
    }
  }

  std::unique_ptr<UBreakIterator, Close> words_;
  const UNormalizer2* folding_ = nullptr;  // ICU's own
  std::u16string units_, folded_;
  std::vector<Segment> segments_;
  std::string token_;
};

}  // namespace

Status ForEachToken(std::string_view text, const std::function<void(std::string_view)>& use,
                    size_t window_bytes) {
  if (text.empty()) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(Segmenter* const segmenter, Segmenter::OfThread());
  while (!text.empty()) {
    VDB_ASSIGN_OR_RETURN(const size_t bytes, segmenter->TakeWindow(text, window_bytes, use));
    text.remove_prefix(bytes);
  }
  return Status::Ok();
}

Status TermCounter::Add(std::string_view text) {
  return ForEachToken(text, [this](std::string_view token) {
    length_ += 1;
    const auto found = counts_.find(token);
    if (found != counts_.end()) {
      found->second += 1;
    } else if (counts_.size() < kTextTermsMax) {
      counts_.emplace(token, 1);
    }
  });
}

TextTerms TermCounter::Take() {
  TextTerms result;
  result.length = std::exchange(length_, 0);
  result.terms.reserve(counts_.size());
  while (!counts_.empty()) {
    auto node = counts_.extract(counts_.begin());
    result.terms.push_back({std::move(node.key()), node.mapped()});
  }
  std::sort(result.terms.begin(), result.terms.end());
  return result;
}

}  // namespace vdb::format
