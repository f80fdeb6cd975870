#include "tools/index_text.h"

#include <array>
#include <cstdarg>
#include <cstdio>

#include "tools/common.h"
#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

constexpr std::string_view kPlainBytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+:,@%=";

bool IsSlow(uint64_t rows, uint32_t dimension) {
  return rows > kBruteForceRowsMax || rows * dimension * sizeof(float) > kBruteForceBytesMax;
}

}  // namespace

std::string ShellWord(std::string_view bytes) {
  if (!bytes.empty() && bytes.find_first_not_of(kPlainBytes) == std::string_view::npos) {
    return std::string(bytes);
  }
  if (Printable(bytes) != bytes) {
    std::string word = "$'";
    for (const char c : bytes) word += Format("\\x%02x", static_cast<unsigned char>(c));
    return word + "'";
  }
  std::string word = "'";
  for (const char c : bytes) c == '\'' ? word += "'\\''" : word += c;
  return word + "'";
}

std::string CommandLine(const std::string& command, const ColumnPlace& place,
                        const std::string& flags) {
  std::string options;
  if (!place.column.empty()) options += " --column=" + ShellWord(place.column);
  if (!flags.empty()) options += " " + flags;
  const bool dashed = place.database.starts_with('-') || place.collection.starts_with('-');
  const std::string names = ShellWord(place.database) + " " + ShellWord(place.collection);
  return "vdbtool " + command + (dashed ? options + " -- " + names : " " + names + options);
}

std::string NextCommand(const std::string& database, const std::string& collection,
                        const ColumnStats& column) {
  const ColumnPlace place{database, collection,
                          column.info.is_default ? "" : column.info.name};
  const uint32_t dimension = column.info.dimension;
  if (!column.index) {
    return IsSlow(column.vector_count, dimension) ? CommandLine("index build", place) : "";
  }
  const IndexStats& index = *column.index;
  // Where there is nothing to take in or to replace, only training anew can be meant.
  if (index.stale && index.damaged_segment_count == 0 && index.unindexed_row_count == 0) {
    return CommandLine("index build", place, "--retrain");
  }
  const bool build = index.stale || index.damaged_segment_count > 0 ||
                     IsSlow(index.unindexed_row_count, dimension);
  return build ? CommandLine("index build", place) : "";
}

void AddIndex(const ColumnStats& column, JsonOut* out) {
  if (!column.index) {
    out->Null();
    return;
  }
  const IndexStats& index = *column.index;
  out->BeginObject().Key("epoch").Uint(index.epoch_id).Key("lists").Uint(index.list_count);
  out->Key("indexed_rows").Uint(index.indexed_row_count);
  out->Key("unindexed_rows").Uint(index.unindexed_row_count);
  out->Key("trained_rows").Uint(index.trained_row_count);
  out->Key("index_bytes").Uint(index.index_bytes);
  out->Key("damaged_segments").Uint(index.damaged_segment_count);
  out->Key("imbalance_ratio").Double(index.imbalance_ratio);
  out->Key("residual_ratio").Double(index.residual_ratio);
  AddRecalls(index.recalls_proven, out);
  out->Key("calibration_queries").Uint(index.calibration_query_count);
  out->Key("stale").Bool(index.stale).Key("advice").String(index.advice);
  out->Key("shadow_queries").Uint(index.shadow_query_count);
  out->Key("shadow_recall").Double(index.shadow_recall).EndObject();
}

std::string IndexSummary(const IndexStats& index) {
  std::string text = "epoch " + std::to_string(index.epoch_id) + ", " +
                     std::to_string(index.list_count) + " lists, " +
                     std::to_string(index.indexed_row_count) + " rows indexed, " +
                     std::to_string(index.unindexed_row_count) + " not, " +
                     std::to_string(index.index_bytes) + " bytes";
  if (index.damaged_segment_count > 0) {
    text += ", " + std::to_string(index.damaged_segment_count) + " segments damaged";
  }
  if (index.stale) text += ", stale";
  return text;
}

void AddNext(const std::vector<std::string>& commands, JsonOut* out) {
  out->Key("next").BeginArray();
  for (const std::string& command : commands) out->String(command);
  out->EndArray();
}

std::string NextText(const std::vector<std::string>& commands) {
  std::string text;
  for (const std::string& command : commands) text += "next: " + command + "\n";
  return text;
}

std::string RecallsText(const std::vector<double>& recalls) {
  if (recalls.empty()) return "none";
  std::string text;
  for (const double recall : recalls) {
    text += (text.empty() ? "" : ", ") + Format("%g", recall);
  }
  return text;
}

void AddRecalls(const std::vector<double>& recalls, JsonOut* out) {
  out->Key("recalls_proven").BeginArray();
  for (const double recall : recalls) out->Double(recall);
  out->EndArray();
}

std::string Format(const char* format, ...) {
  std::array<char, 256> text{};
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text.data(), text.size(), format, arguments);
  va_end(arguments);
  return text.data();
}

std::string BytesText(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return std::to_string(bytes) + " B";
  return bytes < 1'000'000 ? Format("%.1f kB", value / 1e3) : Format("%.1f MB", value / 1e6);
}

}  // namespace vdb::tools
