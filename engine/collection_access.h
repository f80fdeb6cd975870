// What the import needs of a Collection beyond its public face.
#pragma once

#include <functional>

#include "engine/database_impl.h"
#include "vdb/collection.h"

namespace vdb::engine {

class CollectionAccess {
 public:
  static DatabaseImpl& Impl(const Collection& collection) { return *collection.impl_; }
  static uint32_t Id(const Collection& collection) { return collection.id_; }

  /// Collection::Write that, once the batch is prepared, waits for its turn: `wait_turn` false
  /// means kCancelled. So preparing a batch overlaps the commit of the one before.
  static StatusOr<WriteResult> Write(const Collection& collection, const WriteBatch& batch,
                                     const WriteOptions& options,
                                     const std::function<bool()>& wait_turn) {
    return collection.impl_->Write(collection.id_, batch, options, false, wait_turn);
  }
};

}  // namespace vdb::engine
