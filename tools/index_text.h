// What several commands say about a column's vector index: its figures, and what to run next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/json_out.h"
#include "vdb/collection.h"

namespace vdb::tools {

/// Brute force is slow from here on: a column beyond either is worth an index, and an index with
/// as many rows outside it a build.
inline constexpr uint64_t kBruteForceRowsMax = 20'000;
inline constexpr uint64_t kBruteForceBytesMax = 32u << 20;

/// Where a column is, for a command line that names it.
struct ColumnPlace {
  std::string database;
  std::string collection;
  std::string column;  ///< empty: the default column
};

/// `bytes` as one word of a bash command line, on one line and safe for a terminal.
std::string ShellWord(std::string_view bytes);

/// A command line for a shell: `command`, the place, then `flags`.
std::string CommandLine(const std::string& command, const ColumnPlace& place,
                        const std::string& flags = "");

/// The command that would make searches of the column faster or safer; empty if there is none.
std::string NextCommand(const std::string& database, const std::string& collection,
                        const ColumnStats& column);

/// The figures as a JSON object; null if there is no index.
void AddIndex(const ColumnStats& column, JsonOut* out);

/// One line: "epoch 3, 512 lists, 250000 rows indexed, ...".
std::string IndexSummary(const IndexStats& index);

/// "next": an array of command lines.
void AddNext(const std::vector<std::string>& commands, JsonOut* out);
/// "next: COMMAND", a line each.
std::string NextText(const std::vector<std::string>& commands);

/// "0.8, 0.9, 0.95"; "none" if there is none.
std::string RecallsText(const std::vector<double>& recalls);
void AddRecalls(const std::vector<double>& recalls, JsonOut* out);

/// As printf; for short figures.
[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...);

/// `bytes` as "123 B", "12.3 kB", "45.6 MB".
std::string BytesText(uint64_t bytes);

}  // namespace vdb::tools
