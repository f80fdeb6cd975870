// Runs the built vdbtool as a user's shell would, and looks at what came out.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vdb::tools {

struct ToolResult {
  int code = -1;     // exit code; 128 + signal if it was killed
  std::string out;
  std::string err;
};

/// `arguments` without the program's name; `input` is stdin. kill_after_ms > 0: SIGKILL then.
ToolResult RunTool(const std::vector<std::string>& arguments, const std::string& input = "",
                   int kill_after_ms = 0);

/// Whether every line of `text` is JSON: to our reader and, where there is one, to Python.
::testing::AssertionResult IsJsonLines(const std::string& text);

/// The value of a field "name": "..." or "name": 12 in a line of JSON that vdbtool wrote, as text.
std::string Field(const std::string& json, const std::string& name);

/// Bytes of a .fvecs file.
std::string Fvecs(const std::vector<std::vector<float>>& rows);

/// Bytes of a .npy file, version 1.0; `descr` "<f4" or "<f8".
template <typename T>
std::string Npy(const std::vector<std::vector<T>>& rows, const std::string& descr);

/// A test with a directory of its own, which is removed.
class ToolTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string WriteFile(const std::string& name, const std::string& bytes) const;
  std::string db() const { return Path("my.vdb"); }

  /// Runs and expects success.
  std::string Ok(const std::vector<std::string>& arguments, const std::string& input = "");
  /// Runs and expects exit code 1, nothing on stdout, and one line on stderr that has each of
  /// `words`.
  void Fails(const std::vector<std::string>& arguments, const std::vector<std::string>& words,
             const std::string& input = "");
  /// The same with exit code 2.
  void Misused(const std::vector<std::string>& arguments,
               const std::vector<std::string>& words = {});
  std::string ContentHash();

 private:
  std::string directory_;
};

}  // namespace vdb::tools
