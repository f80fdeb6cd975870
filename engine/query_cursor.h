// Where a page of a query ends, as the opaque text that starts the next one, and what a request is,
// as bytes, so that a cursor is taken for no other request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "format/manifest.h"
#include "vdb/query.h"

namespace vdb::engine {

/// A document's place in a list.
struct ListPosition {
  bool missing = false;  // of an order by field: the document has none, and comes last
  std::string value = {};  // encoded (format/field_value.h); empty: ordered by key, or missing
  std::string key = {};
};

struct QueryCursor {
  bool ranked = false;
  uint64_t skip = 0;        // hits (groups) to leave out from here on; ranked: from the beginning
  uint64_t candidates = 0;  // ranked: of the first round, so that all pages see the same rounds
  std::optional<ListPosition> after;  // of lists; none: from the beginning
};

/// All of a request that decides which hits come in which order: everything but its page, what is
/// returned of documents, limits, snapshot and threads.
std::string RequestBytes(const format::CollectionEntry& collection, const QueryRequest& request);

/// Base64url. Both take the bytes of the request.
std::string EncodeCursor(const QueryCursor& cursor, std::string_view request);
/// kInvalidArgument if it is no cursor, or of another request.
StatusOr<QueryCursor> DecodeCursor(std::string_view text, std::string_view request);

}  // namespace vdb::engine
