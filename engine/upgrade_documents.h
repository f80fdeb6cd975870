// The documents of an upgrade: out of the old RocksDB directory into the new one, and the proof
// that they arrived.
#pragma once

#include <functional>

#include "engine/restore_store.h"
#include "format/manifest.h"
#include "storage/rocksdb/document_store.h"

namespace vdb::engine {

/// Hears how many documents were dealt with. An error ends what is going on.
using UpgradeTick = std::function<Status(uint64_t documents)>;

/// Document records are written in the newest layout; everything else, bodies, counts, entries of
/// indexes, watermarks and tombstones, as it is. The state is the restorer's business.
Status CopyUpgraded(const storage::DocumentStore& from, const format::Manifest& manifest,
                    StoreRestorer* to, const UpgradeTick& tick);

/// Reads both to their ends: `to` must have exactly what `from` has, each body the checksum that
/// its record has. kCorruption names the first key that differs.
Status CompareUpgraded(const storage::DocumentStore& from, const storage::DocumentStore& to,
                       const format::Manifest& manifest, const UpgradeTick& tick);

}  // namespace vdb::engine
