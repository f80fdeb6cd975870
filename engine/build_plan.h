// What a job that rewrites segments was given when it began (DatabaseImpl::BeginRewrite).
#pragma once

#include <memory>

#include "engine/database_impl.h"

namespace vdb::engine {

struct DatabaseImpl::BuildPlan {
  format::ColumnEntry column;
  std::shared_ptr<const View> view;  // when it began
  ReservedIds ids;
};

}  // namespace vdb::engine
