// LegacyCache::Open: which reader a source gets. (A minimal one, so that the readers of .npy pairs
// can be used; the JSON readers' author takes it over.)
#include "format/legacy_cache.h"

#include <memory>
#include <utility>

#include "format/legacy_npy.h"
#include "format/status_macros.h"

namespace vdb::format {

std::string_view LegacyReasonCode(LegacyReason reason) {
  switch (reason) {
    case LegacyReason::kNone: return "";
    case LegacyReason::kWrongLength: return "wrong_length";
    case LegacyReason::kWrongType: return "wrong_type";
    case LegacyReason::kWrongShape: return "wrong_shape";
    case LegacyReason::kNonFinite: return "non_finite";
    case LegacyReason::kRowOutOfRange: return "row_out_of_range";
    case LegacyReason::kTruncated: return "truncated";
    case LegacyReason::kZeroNorm: return "zero_norm";
    case LegacyReason::kUnknownVersion: return "unknown_version";
    case LegacyReason::kNotJson: return "not_json";
    case LegacyReason::kTooLarge: return "too_large";
  }
  return "";
}

StatusOr<std::unique_ptr<const LegacyCache>> LegacyCache::Open(const LegacySources& sources,
                                                               const LegacyOptions& options,
                                                               const LegacyProgress& progress) {
  if (sources.nndex_metadata != nullptr) return OpenNndex(sources, options, progress);
  if (sources.vemb_manifest != nullptr) return OpenVembV2(sources, options, progress);
  // To come: with vemb_cache beside it JoinVemb(OpenVembV2, OpenVembV1); vemb_cache; json.
  return Status::UnsupportedFormat("no reader for this source yet");
}

}  // namespace vdb::format
