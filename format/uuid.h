// The database's uuid: 16 bytes in binary formats, 32 lower-case hex digits everywhere else.
#pragma once

#include <string>
#include <string_view>

namespace vdb::format {

/// `hex` must be 32 lower-case hex digits; any other text gives bytes that match no database.
std::string UuidToBytes(std::string_view hex);
std::string UuidFromBytes(std::string_view bytes);

}  // namespace vdb::format
