// What every crash program shares: --long, and running itself again as a child that will be killed.
#pragma once

#include <string>
#include <vector>

namespace vdb::testing {

/// The path of this program.
const std::string& ProgramPath();

/// A program may define a child's life: called with the arguments after "--child" instead of the
/// tests; the result is the exit status.
using ChildMain = int (*)(const std::vector<std::string>& arguments);
void SetChildMain(ChildMain child);

}  // namespace vdb::testing
