// Verify by searching: sampled rows must find themselves.
#pragma once

#include <functional>

#include "engine/verify_run.h"
#include "engine/view.h"
#include "vdb/search.h"

namespace vdb::engine {

/// As DatabaseImpl::Search on the view.
using SearchView = std::function<StatusOr<SearchResult>(
    const format::CollectionEntry& collection, MatrixView queries, const SearchOptions& options)>;

/// Of every cosine and L2 column (under dot a row need not be its own nearest): exactly, where each
/// must be found, and through all lists of the index, where a few may be missed by chance.
Status VerifySelfSearch(VerifyRun* run, const View& view, const SearchView& search);

}  // namespace vdb::engine
