// Any JSON file opened by name.
#include "format/legacy_json.h"

namespace vdb::format {

StatusOr<std::unique_ptr<const LegacyCache>> OpenJson(const LegacySources& sources,
                                                      const LegacyOptions& /*options*/,
                                                      const LegacyProgress& /*progress*/) {
  return Status::UnsupportedFormat(sources.name + ": the shape detector is to come");
}

}  // namespace vdb::format
