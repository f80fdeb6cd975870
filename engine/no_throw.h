// NoThrow: runs the body of a public call. The engine does not throw, but memory can run out inside
// it, and libraries below may throw; neither leaves the API.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "vdb/status.h"

namespace vdb::engine {

template <typename Body>
auto NoThrow(const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted("out of memory");
  } catch (const std::exception& error) {
    return Status::IoError(std::string("unexpected: ") + error.what());
  }
}

}  // namespace vdb::engine
