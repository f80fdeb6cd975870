// What a DocumentIterator holds.
#pragma once

#include <memory>

#include "engine/database_impl.h"

namespace vdb::engine {

class IteratorImpl {
 public:
  // In this order: the cursor goes before the view, the view before the database.
  std::shared_ptr<const DatabaseImpl> database;
  std::shared_ptr<const View> view;
  const format::CollectionEntry* collection = nullptr;  // in view->manifest
  std::unique_ptr<storage::StoreCursor> cursor;
  bool positioned = false;
};

}  // namespace vdb::engine
