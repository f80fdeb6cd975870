// Vectors of a file or of text, all at once: queries, not imports.
#include <algorithm>
#include <cctype>
#include <optional>

#include "engine/no_throw.h"
#include "format/json_reader.h"
#include "format/jsonl.h"
#include "format/status_macros.h"
#include "format/vector_rows.h"
#include "storage/file_system.h"
#include "vdb/import.h"

namespace vdb {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{16} << 30;

Status Prefixed(const std::string& prefix, const Status& status) {
  return {status.code(), prefix + status.message()};
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::string EndingOf(const std::string& path) {
  const size_t dot = path.find_last_of("./");
  std::string ending = dot == std::string::npos || path[dot] == '/' ? "" : path.substr(dot + 1);
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending;
}

std::optional<format::VectorFormat> FormatOf(std::string_view ending) {
  if (ending == "npy") return format::VectorFormat::kNpy;
  if (ending == "fvecs") return format::VectorFormat::kFvecs;
  if (ending == "ivecs") return format::VectorFormat::kIvecs;
  if (ending == "bvecs") return format::VectorFormat::kBvecs;
  return std::nullopt;
}

StatusOr<VectorFile> CopyRows(const format::VectorRows& rows) {
  VectorFile file;
  file.row_count = rows.rows();
  file.dimension = rows.dimension();
  file.values.reserve(rows.rows() * rows.dimension());
  std::vector<float> scratch;
  for (uint64_t i = 0; i < rows.rows(); ++i) {
    const auto row = rows.Row(i, &scratch);
    if (!row.ok()) return Prefixed("row " + std::to_string(i) + ": ", row.status());
    file.values.insert(file.values.end(), row->begin(), row->end());
  }
  return file;
}

Status ParseLine(std::string_view line, VectorFile* file) {
  format::JsonReader reader(line, 1);
  const size_t before = file->values.size();
  format::ReadFloats(&reader, &file->values);
  reader.Finish();
  VDB_RETURN_IF_ERROR(reader.status());
  const size_t dimension = file->values.size() - before;
  if (file->row_count++ == 0) file->dimension = dimension;
  if (dimension >= 1 && dimension == file->dimension) return Status::Ok();
  return Status::InvalidArgument(
      "expected " + (dimension == 0 ? "at least one" : std::to_string(file->dimension)) +
      " numbers, found " + std::to_string(dimension));
}

StatusOr<VectorFile> ParseLines(std::string_view text) {
  VectorFile file;
  uint64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (IsBlank(line)) continue;
    if (const Status status = ParseLine(line, &file); !status.ok()) {
      return Prefixed("line " + std::to_string(number) + ": ", status);
    }
  }
  return file;
}

StatusOr<VectorFile> ReadBytes(const std::string& path, std::string_view bytes) {
  const auto format = FormatOf(EndingOf(path));
  if (!format) return ParseLines(bytes);
  VDB_ASSIGN_OR_RETURN(const auto rows, format::VectorRows::Parse(*format, bytes));
  return CopyRows(rows);
}

StatusOr<VectorFile> ReadVectors(const std::string& path) {
  const std::string ending = EndingOf(path);
  if (ending != "jsonl" && ending != "ndjson" && !FormatOf(ending)) {
    return Status::InvalidArgument("'" + path + "': expected a name that ends in .jsonl, .ndjson, "
                                   ".npy, .fvecs, .ivecs or .bvecs");
  }
  VDB_ASSIGN_OR_RETURN(const auto file,
                       storage::PosixFileSystem()->Open(path, storage::OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > kFileBytesMax) {
    return Status::ResourceExhausted("'" + path + "': expected at most " +
                                     std::to_string(kFileBytesMax) + " bytes, found " +
                                     std::to_string(size));
  }
  std::unique_ptr<storage::Mapping> mapping;
  std::string_view bytes;
  if (size > 0) {
    VDB_ASSIGN_OR_RETURN(mapping, file->Map(size));
    bytes = {reinterpret_cast<const char*>(mapping->data()), size};
  }
  auto vectors = ReadBytes(path, bytes);
  if (!vectors.ok()) return Prefixed("'" + path + "': ", vectors.status());
  return vectors;
}

}  // namespace

StatusOr<VectorFile> ReadVectorFile(const std::string& path) {
  return engine::NoThrow([&] { return ReadVectors(path); });
}

StatusOr<VectorFile> ParseVectorLines(std::string_view text) {
  return engine::NoThrow([&] { return ParseLines(text); });
}

}  // namespace vdb
