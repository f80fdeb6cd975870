// Readers of legacy caches whose vectors stand in a .npy file, as LegacyCache::Open chooses them.
//
//   vemb v2   .vemb/manifest.json {"version": 2, "model", "dim", "normalized", "keys": {KEY: row}}
//             .vemb/vectors.npy
//   nndex     .nndex/metadata.json {"model", "dims", "num_chunks", "chunks": [{"file_path",
//             "start_line", "end_line", "preview"}]}, .nndex/embeddings.npy; chunk i is row i and
//             its key is "file_path:start-end"
#pragma once

#include <memory>

#include "format/legacy_cache.h"
#include "vdb/status.h"

namespace vdb::format {

/// Of vemb_manifest and vemb_vectors; a cache.json beside them is JoinVemb's matter.
StatusOr<std::unique_ptr<const LegacyCache>> OpenVembV2(const LegacySources& sources,
                                                        const LegacyOptions& options,
                                                        const LegacyProgress& progress);

/// Of nndex_metadata and nndex_embeddings.
StatusOr<std::unique_ptr<const LegacyCache>> OpenNndex(const LegacySources& sources,
                                                       const LegacyOptions& options,
                                                       const LegacyProgress& progress);

/// A folder that holds both versions of vemb, each opened: both whole: v2, then the entries of v1
/// whose keys v2 has not, or has only refused. v2 torn: v1 alone with a warning, as long as that is
/// whole. v1 refused: v2 with a warning.
StatusOr<std::unique_ptr<const LegacyCache>> JoinVemb(std::unique_ptr<const LegacyCache> v2,
                                                      std::unique_ptr<const LegacyCache> v1);

}  // namespace vdb::format
