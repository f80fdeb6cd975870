// Files that people take for a JSON cache of vectors and that are none: told by their first bytes.
#include <cstring>

#include "format/legacy_json_detect.h"
#include "vdb/types.h"

namespace vdb::format {
namespace {

struct Signature {
  std::string_view bytes;
  std::string_view name;
  std::string_view next;
};

constexpr std::string_view kImport = "it is not migrated but imported: `vdbtool import DB FILE`";
constexpr std::string_view kUnpack = "unpack it first";
constexpr std::string_view kExport =
    "export its vectors as JSON lines with the program that wrote it, then run `vdbtool import`";

using namespace std::string_view_literals;
constexpr Signature kSignatures[] = {
    {"\x93NUMPY"sv, "a NumPy array (.npy)", kImport},
    {"\x89HDF\r\n\x1A\n"sv, "an HDF5 file", kImport},
    {"SQLite format 3\0"sv, "an SQLite database (Chroma, diskcache and others keep one)", kExport},
    {"\x28\xB5\x2F\xFD"sv, "compressed by zstd", kUnpack},
    {"\x1F\x8B"sv, "compressed by gzip", kUnpack},
    {"BZh"sv, "compressed by bzip2", kUnpack},
    {"\xFD" "7zXZ"sv, "compressed by xz", kUnpack},
    {"PK\x03\x04"sv, "a zip archive (.npz files are)", kUnpack},
    {"IxF"sv, "a FAISS index", kExport},
    {"IxM"sv, "a FAISS index", kExport},
    {"Iw"sv, "a FAISS index", kExport},
    {"IH"sv, "a FAISS index", kExport},
    {"PAR1"sv, "a Parquet file", kExport},
    {"ARROW1"sv, "an Arrow file", kExport},
    {"\x80\x02"sv, "a Python pickle", kExport},
    {"\x80\x03"sv, "a Python pickle", kExport},
    {"\x80\x04"sv, "a Python pickle", kExport},
    {"\x80\x05"sv, "a Python pickle", kExport},
};

// Rows of an int32 dimension and that many values of 4 bytes.
bool IsFvecs(std::string_view first, uint64_t file_bytes) {
  if (first.size() < 8) return false;
  uint32_t dimension = 0;
  std::memcpy(&dimension, first.data(), sizeof(dimension));
  return dimension >= 1 && dimension <= kDimensionMax &&
         file_bytes % (uint64_t{4} * (dimension + 1)) == 0;
}

// safetensors: the length of a JSON header, then the header.
bool IsSafetensors(std::string_view first, uint64_t file_bytes) {
  if (first.size() < 9 || first[8] != '{') return false;
  uint64_t header = 0;
  std::memcpy(&header, first.data(), sizeof(header));
  return header > 0 && header < file_bytes;
}

}  // namespace

std::string DescribeForeignFile(std::string_view first, uint64_t file_bytes) {
  const auto say = [](std::string_view name, std::string_view next) {
    return "expected JSON, found " + std::string(name) + "; " + std::string(next);
  };
  for (const Signature& signature : kSignatures) {
    if (first.starts_with(signature.bytes)) return say(signature.name, signature.next);
  }
  if (first.starts_with("\xFF\xFE") || first.starts_with("\xFE\xFF")) {
    return say("text in UTF-16", "convert it to UTF-8 first");
  }
  if (IsSafetensors(first, file_bytes)) return say("a safetensors file", kExport);
  // A zero byte is in no JSON text.
  if (first.find('\0') == std::string_view::npos) return "";
  if (IsFvecs(first, file_bytes)) return say("rows of vectors (.fvecs or the like)", kImport);
  return say("a binary file", kExport);
}

}  // namespace vdb::format
