// Rows of numbers as they stand in a file, into documents: what .npy, .fvecs, .ivecs, .bvecs and
// HDF5 have in common.
#pragma once

#include <string>

#include "engine/import_keys.h"
#include "engine/import_source.h"
#include "format/vector_rows.h"

namespace vdb::engine {

/// Puts the rows of `chunk`, which follow one another as `layout` has them, into `batch`. Rows
/// whose numbers float32 cannot hold are rejected. Errors, with `name` in front: a row of another
/// dimension, more rows than keys.
Status ConvertRows(const ImportChunk& chunk, const format::RowLayout& layout,
                   const ImportKeys& keys, const std::string& column, const std::string& name,
                   ImportBatch* batch);

}  // namespace vdb::engine
