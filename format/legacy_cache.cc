// LegacyCache::Open: which reader a cache's files ask for.
#include "format/legacy_cache.h"

#include "format/legacy_json.h"
#include "format/legacy_npy.h"
#include "format/status_macros.h"
#include "format/vemb_v1.h"

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
  if (sources.json != nullptr) return OpenJson(sources, options, progress);
  if (sources.nndex_metadata != nullptr) return OpenNndex(sources, options, progress);
  if (sources.vemb_manifest == nullptr && sources.vemb_cache == nullptr) {
    return Status::InvalidArgument(sources.name + ": no file of a cache was given");
  }
  if (sources.vemb_manifest == nullptr) {
    return OpenVembV1(sources.name, sources.vemb_cache, options, progress);
  }
  VDB_ASSIGN_OR_RETURN(auto v2, OpenVembV2(sources, options, progress));
  if (sources.vemb_cache == nullptr) return v2;
  VDB_ASSIGN_OR_RETURN(auto v1,
                       OpenVembV1(sources.name, sources.vemb_cache, options, progress));
  return JoinVemb(std::move(v2), std::move(v1));
}

}  // namespace vdb::format
