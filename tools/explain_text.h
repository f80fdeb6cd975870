// How answers came about, as JSON and as text.
#pragma once

#include <string>

#include "tools/json_out.h"
#include "vdb/query.h"

namespace vdb::tools {

/// The next member of an object: "explain": {...}.
void AddExplain(const SearchExplain& explain, JsonOut* out);
void AddExplain(const QueryExplain& explain, JsonOut* out);
/// Lines, indented.
std::string ExplainText(const SearchExplain& explain);
std::string ExplainText(const QueryExplain& explain);

}  // namespace vdb::tools
