// See source_rules.h.
#include "tests/layers/source_rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace vdb::layers {
namespace {

constexpr size_t kColumnsMax = 100;

// What each layer may include, itself always. storage and index do not know each other; tools see
// the library as a user does.
const std::map<std::string, std::set<std::string>, std::less<>>& AllowedLayers() {
  static const auto* const allowed = new std::map<std::string, std::set<std::string>, std::less<>>{
      {"include", {}},
      {"format", {"include"}},
      {"storage", {"include", "format"}},
      {"index", {"include", "format"}},
      {"query", {"include", "format", "storage", "index"}},
      {"engine", {"include", "format", "storage", "index", "query"}},
      {"tools", {"include"}},
  };
  return *allowed;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

std::string FirstFolder(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

bool IsWordByte(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

void ForEachLine(std::string_view text,
                 const std::function<void(size_t number, std::string_view line)>& use) {
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    use(++number, text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

struct Include {
  bool quoted;
  std::string path;
};

std::optional<Include> ParseInclude(std::string_view line) {
  const auto skip_blanks = [&] {
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
  };
  skip_blanks();
  if (line.empty() || line[0] != '#') return std::nullopt;
  line.remove_prefix(1);
  skip_blanks();
  if (!StartsWith(line, "include")) return std::nullopt;
  line.remove_prefix(std::string_view("include").size());
  skip_blanks();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const bool quoted = line[0] == '"';
  line.remove_prefix(1);
  return Include{quoted, std::string(line.substr(0, line.find(quoted ? '"' : '>')))};
}

// The layer a quoted include belongs to; "" if it names none.
std::string LayerOfInclude(std::string_view path) {
  const std::string folder = FirstFolder(path);
  if (folder == "vdb") return "include";
  return AllowedLayers().count(folder) != 0 && folder != "include" ? folder : "";
}

std::string CheckQuoted(const std::string& layer, std::string_view path) {
  const std::string target = LayerOfInclude(path);
  if (target.empty()) return "include of no layer; write the path from the top of the tree";
  if (target == layer || AllowedLayers().at(layer).count(target) != 0) return "";
  return layer + " must not include " + target;
}

bool IsIntrinsics(std::string_view path) {
  return EndsWith(path, "intrin.h") || path == "cpuid.h" || path == "x86gprintrin.h";
}

bool IsSystem(std::string_view path) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "unistd.h", "fcntl.h", "dirent.h", "pthread.h", "signal.h",  "sched.h",
      "dlfcn.h",  "poll.h",  "aio.h",    "ftw.h",     "syslog.h", "termios.h"};
  return StartsWith(path, "sys/") || StartsWith(path, "linux/") ||
         std::find(kNames.begin(), kNames.end(), path) != kNames.end();
}

bool IsStandard(std::string_view path) {
  return path.find_first_of("./") == std::string_view::npos;
}

std::string CheckAngled(const std::string& layer, std::string_view file, std::string_view path) {
  if (layer == "include" && !IsStandard(path)) {
    return "public headers include only the standard library and vdb/";
  }
  if (StartsWith(path, "rocksdb/") && !StartsWith(file, "storage/rocksdb/")) {
    return "RocksDB headers belong in storage/rocksdb/ only";
  }
  if (IsIntrinsics(path) && !StartsWith(file, "index/kernels/")) {
    return "intrinsics belong in index/kernels/ only";
  }
  // The kernels ask the system for registers that it hands out on request.
  if (IsSystem(path) && file != "storage/file_system_posix.cc" &&
      file != "index/kernels/kernels.cc" && layer != "tools") {
    return "system calls belong in storage/file_system_posix.cc only";
  }
  if (!LayerOfInclude(path).empty()) return "our own headers are included with quotes";
  return "";
}

// Where a literal or comment that starts at `i` ends (one past it), or `i` if none starts there.
size_t SkipBlanked(std::string_view text, size_t i) {
  const auto after = [&](size_t found, size_t size) {
    return found == std::string_view::npos ? text.size() : found + size;
  };
  const std::string_view rest = text.substr(i);
  if (StartsWith(rest, "//")) return std::min(text.find('\n', i), text.size());
  if (StartsWith(rest, "/*")) return after(text.find("*/", i + 2), 2);
  if (StartsWith(rest, "R\"") && (i == 0 || !IsWordByte(text[i - 1]))) {
    const size_t open = text.find('(', i);
    if (open == std::string_view::npos) return text.size();
    std::string close = ")";
    close += text.substr(i + 2, open - i - 2);
    close += '"';
    return after(text.find(close, open), close.size());
  }
  // An apostrophe after a digit separates digits: 1'000.
  const bool literal = text[i] == '"' || (text[i] == '\'' && (i == 0 || !IsWordByte(text[i - 1])));
  if (!literal) return i;
  size_t end = i + 1;
  while (end < text.size() && text[end] != text[i] && text[end] != '\n') {
    end += text[end] == '\\' ? 2 : 1;
  }
  return std::min(end + 1, text.size());
}

struct BannedWord {
  std::string_view word;
  bool only_as_call;  // followed by "("
  std::string_view why;
};

constexpr std::array<BannedWord, 13> kBanned = {{
    {"std::cout", false, "library code does not print"},
    {"std::cerr", false, "library code does not print"},
    {"std::clog", false, "library code does not print"},
    {"printf", true, "library code does not print"},
    {"fprintf", true, "library code does not print"},
    {"puts", true, "library code does not print"},
    {"fputs", true, "library code does not print"},
    {"perror", true, "library code does not print"},
    {"abort", true, "library code does not end the process"},
    {"exit", true, "library code does not end the process"},
    {"_exit", true, "library code does not end the process"},
    {"terminate", true, "library code does not end the process"},
    {"throw", false, "library code does not throw; return a Status"},
}};

bool HasCall(std::string_view line, std::string_view word) {
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    if (at > 0 && IsWordByte(line[at - 1])) continue;
    size_t next = at + word.size();
    while (next < line.size() && line[next] == ' ') ++next;
    if (next < line.size() && line[next] == '(') return true;
  }
  return false;
}

bool HasLooseTodo(std::string_view line) {
  constexpr std::string_view kTodo = "TO" "DO";  // in two, or this line would be one
  const size_t at = line.find(kTodo);
  if (at == std::string_view::npos || !HasWord(line, kTodo)) return false;
  const std::string_view rest = line.substr(at + kTodo.size());
  return !(StartsWith(rest, "(#") && rest.size() > 2 &&
           std::isdigit(static_cast<unsigned char>(rest[2])) != 0);
}

}  // namespace

bool HasWord(std::string_view text, std::string_view word) {
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !IsWordByte(text[at - 1])) && (end == text.size() || !IsWordByte(text[end]))) {
      return true;
    }
  }
  return false;
}

std::string CodeOnly(std::string_view text) {
  std::string code(text);
  for (size_t i = 0; i < text.size();) {
    const size_t end = SkipBlanked(text, i);
    for (size_t j = i; j < end; ++j) {
      if (code[j] != '\n') code[j] = ' ';
    }
    i = std::max(end, i + 1);
  }
  return code;
}

std::vector<Finding> CheckIncludes(const std::string& file, std::string_view text) {
  const std::string layer = FirstFolder(file);
  std::vector<Finding> findings;
  if (AllowedLayers().count(layer) == 0) return findings;
  ForEachLine(text, [&](size_t number, std::string_view line) {
    const auto include = ParseInclude(line);
    if (!include) return;
    const std::string problem = include->quoted ? CheckQuoted(layer, include->path)
                                                : CheckAngled(layer, file, include->path);
    if (!problem.empty()) findings.push_back({file, number, problem + ": " + include->path});
  });
  return findings;
}

std::vector<Finding> CheckCalls(const std::string& file, std::string_view text) {
  const std::string layer = FirstFolder(file);
  std::vector<Finding> findings;
  if (AllowedLayers().count(layer) == 0 || layer == "tools") return findings;
  ForEachLine(CodeOnly(text), [&](size_t number, std::string_view line) {
    // What containers do, too, and every public call catches.
    if (line.find("throw std::bad_alloc();") != std::string_view::npos) return;
    for (const auto& banned : kBanned) {
      if (banned.only_as_call ? HasCall(line, banned.word) : HasWord(line, banned.word)) {
        findings.push_back({file, number, std::string(banned.why)});
      }
    }
  });
  return findings;
}

std::vector<Finding> CheckText(const std::string& file, std::string_view text) {
  std::vector<Finding> findings;
  ForEachLine(text, [&](size_t number, std::string_view line) {
    if (line.size() > kColumnsMax) {
      findings.push_back({file, number, std::to_string(line.size()) + " columns; at most 100"});
    }
    if (std::any_of(line.begin(), line.end(), [](char c) { return c < 0; })) {
      findings.push_back({file, number, "not ASCII"});
    }
    if (HasLooseTodo(line)) {
      findings.push_back({file, number, "no issue number; write TODO(#12)"});
    }
  });
  return findings;
}

}  // namespace vdb::layers
