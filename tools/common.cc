#include "tools/common.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

void PrintToStderr(const std::string& line) { fwrite(line.data(), 1, line.size(), stderr); }

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

DatabaseOptions WithLogger() {
  DatabaseOptions options;
  options.memory_limit_bytes = GlobalLimits().memory_bytes;
  options.disk_limit_bytes = GlobalLimits().disk_bytes;
  options.logger = [](LogLevel level, std::string_view line) {
    if (level == LogLevel::kWarning) PrintError("warning: " + std::string(line));
    if (level == LogLevel::kError) PrintError(line);
  };
  return options;
}

}  // namespace

Limits& GlobalLimits() {
  static Limits limits;
  return limits;
}

StatusOr<Database> OpenForReading(const std::string& path, const std::string& as_of) {
  DatabaseOptions options = WithLogger();
  options.as_of = as_of;
  options.read_only = true;
  return Database::Open(path, options);
}

StatusOr<Database> OpenForWriting(const std::string& path) {
  return Database::Open(path, WithLogger());
}

Metric MetricFromName(std::string_view name) {
  if (name == MetricName(Metric::kDot)) return Metric::kDot;
  if (name == MetricName(Metric::kL2)) return Metric::kL2;
  return Metric::kCosine;
}

Status AboutKey(std::string_view key, const Status& status) {
  constexpr size_t kShownBytesMax = 100;
  std::string text = Printable(key.substr(0, kShownBytesMax));
  if (key.size() > kShownBytesMax) text += "...";
  return {status.code(), "key " + text + ": " + status.message()};
}

void PrintError(std::string_view message) {
  std::string line = "vdbtool: ";
  for (const char c : message) {
    if (!IsControl(c)) {
      line += c;
      continue;
    }
    std::string escaped;
    AppendJsonString(&escaped, {&c, 1});
    line += c == 0x7F ? "\\u007f" : escaped.substr(1, escaped.size() - 2);
  }
  PrintToStderr(line + '\n');
}

bool IsOneGoal(bool recall, bool nprobe, bool exact) {
  if (static_cast<int>(recall) + static_cast<int>(nprobe) + static_cast<int>(exact) <= 1) {
    return true;
  }
  std::string given;
  for (const char* name : {recall ? "--recall" : "", nprobe ? "--nprobe" : "",
                           exact ? "--exact" : ""}) {
    if (*name != 0) given += (given.empty() ? "" : " and ") + std::string(name);
  }
  PrintError(given + " exclude one another; give the one that you want");
  return false;
}

std::optional<Filter> ParseFilter(const std::string& text) {
  auto filter = Filter::Parse(text);
  if (filter.ok()) return std::move(*filter);
  PrintError("--filter: " + filter.status().message());
  return std::nullopt;
}

void PrintNote(const std::string& text) { PrintToStderr(text); }

void Print(std::string_view text) { fwrite(text.data(), 1, text.size(), stdout); }

std::string Printable(std::string_view bytes) {
  bool plain = IsValidUtf8(bytes);
  for (size_t i = 0; plain && i < bytes.size(); ++i) plain = !IsControl(bytes[i]);
  if (plain) return std::string(bytes);
  std::string text;
  AppendJsonString(&text, bytes);
  return text;
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

ProgressLine::ProgressLine(bool unit_bytes)
    : is_terminal_(isatty(STDERR_FILENO) != 0), unit_bytes_(unit_bytes) {}

ProgressLine::~ProgressLine() {
  if (is_shown_) PrintToStderr("\r\033[K");
}

ProgressCallback ProgressLine::Callback() {
  if (!is_terminal_) return {};
  return [this](const Progress& progress) {
    Show(progress);
    return true;
  };
}

void ProgressLine::Show(const Progress& progress) {
  const Clock::time_point now = Clock::now();
  if (progress.stage != stage_) {
    if (!stage_.empty()) begin_ = now;
    stage_ = progress.stage;
  }
  if (is_shown_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  is_shown_ = true;
  const double seconds = std::max(std::chrono::duration<double>(now - begin_).count(), 1e-3);
  const double unit = unit_bytes_ ? 1e6 : 1;
  const char* name = unit_bytes_ ? " MB" : "";
  const double done = static_cast<double>(progress.done_count) / unit;
  const double total = static_cast<double>(progress.total_count) / unit;
  char figures[128];
  if (progress.total_count > 0) {
    const double left = done > 0 ? seconds * (total - done) / done : 0;
    snprintf(figures, sizeof(figures), ": %3.0f %%  %.0f of %.0f%s  %.0f%s/s  %.0f s left",
             100 * done / total, done, total, name, done / seconds, name, left);
  } else {
    snprintf(figures, sizeof(figures), ": %.0f%s  %.0f%s/s", done, name, done / seconds, name);
  }
  PrintToStderr("\r\033[K" + std::string(progress.stage) + figures);
}

}  // namespace vdb::tools
