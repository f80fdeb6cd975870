// What an import knows of the columns, and which rows of a batch break the input contract. A batch
// is refused as a whole; this finds the rows at fault, with words for each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/import_batch.h"
#include "vdb/collection.h"

namespace vdb::engine {

/// A column that is there, or will be made.
struct ImportColumn {
  uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  std::string model;
  bool exists = false;
};
using ImportColumns = std::map<std::string, ImportColumn, std::less<>>;

/// A change as it was given to the batch.
DocumentView ViewOf(const WriteBatch& batch, const WriteBatch::Change& change);

/// Why a change cannot be written, or nothing. A column of its vectors that is not known yet is
/// declared with `wanted`'s metric and model.
std::optional<std::string> FaultOf(const DocumentView& document, const ImportColumn& wanted,
                                   ImportColumns* columns);

/// A document as the quarantine keeps it: JSON, with numbers that JSON lacks as strings.
std::string QuarantineText(const DocumentView& document);

}  // namespace vdb::engine
