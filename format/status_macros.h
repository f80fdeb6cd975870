// Propagation of Status inside the library. Internal: never included by a public header.
#pragma once

#include "vdb/status.h"

#define VDB_CONCAT_INNER(a, b) a##b
#define VDB_CONCAT(a, b) VDB_CONCAT_INNER(a, b)

/// Return the status of `expr` from this function unless it is OK.
#define VDB_RETURN_IF_ERROR(expr)                     \
  do {                                                \
    ::vdb::Status vdb_status_ = (expr);               \
    if (!vdb_status_.ok()) return vdb_status_;        \
  } while (0)

/// `VDB_ASSIGN_OR_RETURN(auto x, F());` declares x, or returns F's status.
#define VDB_ASSIGN_OR_RETURN(lhs, expr) \
  VDB_ASSIGN_OR_RETURN_INNER(VDB_CONCAT(vdb_result_, __LINE__), lhs, expr)
#define VDB_ASSIGN_OR_RETURN_INNER(result, lhs, expr) \
  auto result = (expr);                               \
  if (!result.ok()) return result.status();           \
  lhs = std::move(result).value()
