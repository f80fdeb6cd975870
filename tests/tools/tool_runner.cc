#include "tests/tools/tool_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "format/json_reader.h"
#include "tests/support/thinning.h"

extern char** environ;

namespace vdb::tools {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Input and output go through files: no pipe can fill up and block.
class Redirections {
 public:
  explicit Redirections(const std::string& input) {
    char name[] = "/tmp/vdbtool-run-XXXXXX";
    directory_ = mkdtemp(name);
    std::ofstream(directory_ + "/in", std::ios::binary) << input;
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, Path("in").c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 1, Path("out").c_str(), O_CREAT | O_WRONLY, 0600);
    posix_spawn_file_actions_addopen(&actions_, 2, Path("err").c_str(), O_CREAT | O_WRONLY, 0600);
  }
  ~Redirections() {
    posix_spawn_file_actions_destroy(&actions_);
    std::filesystem::remove_all(directory_);
  }
  std::string Path(const char* name) const { return directory_ + "/" + name; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }

 private:
  std::string directory_;
  posix_spawn_file_actions_t actions_;
};

int Spawn(const std::vector<std::string>& program, const Redirections& redirections,
          int kill_after_ms) {
  std::vector<char*> argv;
  for (const std::string& argument : program) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (posix_spawn(&pid, argv[0], redirections.actions(), nullptr, argv.data(), environ) != 0) {
    return -1;
  }
  if (kill_after_ms > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kill_after_ms));
    kill(pid, SIGKILL);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

ToolResult RunProgram(const std::vector<std::string>& program, const std::string& input,
                      int kill_after_ms) {
  const Redirections redirections(input);
  ToolResult result;
  result.code = Spawn(program, redirections, kill_after_ms);
  result.out = ReadAll(redirections.Path("out"));
  result.err = ReadAll(redirections.Path("err"));
  return result;
}

std::string Joined(const std::vector<std::string>& arguments) {
  std::string text = "vdbtool";
  for (const std::string& argument : arguments) text += " " + argument.substr(0, 100);
  return text;
}

}  // namespace

ToolResult RunTool(const std::vector<std::string>& arguments, const std::string& input,
                   int kill_after_ms) {
  std::vector<std::string> program{VDB_TOOL};
  program.insert(program.end(), arguments.begin(), arguments.end());
  return RunProgram(program, input, kill_after_ms);
}

::testing::AssertionResult IsJsonLines(const std::string& text) {
  if (text.empty() || text.back() != '\n') {
    return ::testing::AssertionFailure() << "no last newline";
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    format::JsonReader reader(line, 200);
    if (!reader.SkipValue() || !reader.Finish()) {
      return ::testing::AssertionFailure() << reader.status().message() << "\n" << line;
    }
  }
  const bool python_too = testing::Thinning() == 1 && access("/usr/bin/python3", X_OK) == 0;
  if (!python_too) return ::testing::AssertionSuccess();
  const ToolResult python =
      RunProgram({"/usr/bin/python3", "-m", "json.tool", "--json-lines"}, text, 0);
  if (python.code == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << python.err << "\n" << text;
}

std::string Field(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\": ");
  if (at == std::string::npos) return "(no field " + name + ")";
  format::JsonReader reader(std::string_view(json).substr(at + name.size() + 4), 200);
  std::string_view raw;
  reader.ReadRaw(&raw);
  return std::string(raw);
}

std::string Fvecs(const std::vector<std::vector<float>>& rows) {
  std::string file;
  for (const auto& row : rows) {
    const auto dimension = static_cast<int32_t>(row.size());
    file.append(reinterpret_cast<const char*>(&dimension), 4);
    file.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float));
  }
  return file;
}

template <typename T>
std::string Npy(const std::vector<std::vector<T>>& rows, const std::string& descr) {
  const std::string dict = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" +
                           std::to_string(rows.size()) + ", " + std::to_string(rows[0].size()) +
                           "), }\n";
  std::string file("\x93NUMPY\x01\0", 8);
  file += static_cast<char>(dict.size());
  file += '\0';
  file += dict;
  for (const auto& row : rows) {
    file.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(T));
  }
  return file;
}
template std::string Npy(const std::vector<std::vector<float>>&, const std::string&);
template std::string Npy(const std::vector<std::vector<double>>&, const std::string&);

void ToolTest::SetUp() {
  std::string name = ::testing::TempDir() + "/vdbtool-test-XXXXXX";
  directory_ = mkdtemp(name.data());
}

void ToolTest::TearDown() { std::filesystem::remove_all(directory_); }

std::string ToolTest::WriteFile(const std::string& name, const std::string& bytes) const {
  std::ofstream(Path(name), std::ios::binary) << bytes;
  return Path(name);
}

std::string ToolTest::Ok(const std::vector<std::string>& arguments, const std::string& input) {
  const ToolResult result = RunTool(arguments, input);
  EXPECT_EQ(result.code, 0) << Joined(arguments) << "\n" << result.err;
  EXPECT_EQ(result.err, "") << Joined(arguments);
  return result.out;
}

void ToolTest::Fails(const std::vector<std::string>& arguments,
                     const std::vector<std::string>& words, const std::string& input) {
  const ToolResult result = RunTool(arguments, input);
  EXPECT_EQ(result.code, 1) << Joined(arguments) << "\n" << result.err;
  EXPECT_EQ(result.out, "") << Joined(arguments);
  EXPECT_EQ(result.err.rfind("vdbtool: ", 0), 0u) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  for (const std::string& word : words) {
    EXPECT_NE(result.err.find(word), std::string::npos)
        << Joined(arguments) << "\nexpected: " << word << "\nfound: " << result.err;
  }
}

void ToolTest::Misused(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& words) {
  const ToolResult result = RunTool(arguments);
  EXPECT_EQ(result.code, 2) << Joined(arguments) << "\n" << result.err;
  EXPECT_EQ(result.out, "") << Joined(arguments);
  EXPECT_EQ(result.err.rfind("vdbtool: ", 0), 0u) << result.err;
  for (const std::string& word : words) {
    EXPECT_NE(result.err.find(word), std::string::npos)
        << Joined(arguments) << "\nexpected: " << word << "\nfound: " << result.err;
  }
}

std::string ToolTest::ContentHash() {
  return Field(Ok({"stats", db(), "--json"}), "content_hash");
}

}  // namespace vdb::tools
