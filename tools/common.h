// What the commands share: opening a database, exit codes, output, progress.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "vdb/database.h"
#include "vdb/filter.h"
#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb::tools {

/// Exit codes. Scripts rely on them.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // failed, or not found
inline constexpr int kUsage = 2;

/// DatabaseOptions that every command takes, from the command line; 0: none.
struct Limits {
  uint64_t memory_bytes = 0;
  uint64_t disk_bytes = 0;
};
Limits& GlobalLimits();

/// Opens for reading: takes no lock, writes nothing.
StatusOr<Database> OpenForReading(const std::string& path, const std::string& as_of = {});
StatusOr<Database> OpenForWriting(const std::string& path);

/// "cosine", "dot" or "l2"; anything else was refused by the command line.
Metric MetricFromName(std::string_view name);

/// `status` with the key it is about in front; a long key is cut.
Status AboutKey(std::string_view key, const Status& status);

/// One line on stderr: "vdbtool: " and the message, its control characters escaped.
void PrintError(std::string_view message);

/// Whether at most one of the goals of a search was given; if not, says so on stderr.
bool IsOneGoal(bool recall, bool nprobe, bool exact);

/// The text of --filter. None: it is malformed; which column of it, has been said on stderr.
std::optional<Filter> ParseFilter(const std::string& text);

/// To stderr, as it is: what is said about an answer, and is no part of it.
void PrintNote(const std::string& text);

/// To stdout, as it is. main() finds out whether all of it could be written.
void Print(std::string_view text);

/// For text output: `bytes` as they are if they are valid UTF-8 without control characters, else as
/// a JSON string, so that nothing a document holds can steer the terminal.
std::string Printable(std::string_view bytes);

/// `text`, filled up with spaces to `width` bytes.
std::string Padded(std::string text, size_t width);

/// A line that grows on stderr, on a terminal only.
class ProgressLine {
 public:
  /// `unit_bytes`: the counts are bytes, shown as MB and MB/s.
  explicit ProgressLine(bool unit_bytes);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// To hand to the library; empty where there is no terminal. Refers to this object.
  ProgressCallback Callback();

 private:
  void Show(const Progress& progress);

  using Clock = std::chrono::steady_clock;
  bool is_terminal_;
  bool unit_bytes_;
  bool is_shown_ = false;
  std::string stage_;
  Clock::time_point begin_ = Clock::now();  // of the stage
  Clock::time_point last_ = Clock::now();
};

}  // namespace vdb::tools
