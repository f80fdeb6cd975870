// Stores of others that vdb recognises and does not read: what they are, and the way out.
#include <array>

#include "engine/migrate_source.h"
#include "format/file_names.h"

namespace vdb::engine {
namespace {

constexpr char kExport[] = "; export it to JSON lines with its own program, then `vdbtool import`";
constexpr char kImport[] = "; that is an import: `vdbtool import DB COLLECTION FILE`";

constexpr char kUnpack[] = "; unpack it first";

struct Kind {
  std::string_view mark;  // an ending, the first bytes, or a name in a folder
  std::string_view what;
  const char* advice;
};

constexpr std::array<Kind, 11> kEndings = {{
    {".hhg", "a .hhg store", kExport},
    {".og", "an .og store", kExport},
    {".omen", "an .omen store", kExport},
    {".faiss", "a FAISS index", kExport},
    {".npy", "a NumPy matrix", kImport},
    {".fvecs", "a file of vectors", kImport},
    {".ivecs", "a file of vectors", kImport},
    {".bvecs", "a file of vectors", kImport},
    {".hdf5", "an HDF5 file", kImport},
    {".h5", "an HDF5 file", kImport},
    {".csv", "a table of text", kImport},
}};

constexpr std::array<Kind, 10> kMagics = {{
    {"SQLite format 3", "an SQLite database (Chroma and diskcache are such)", kExport},
    {"IxF", "a FAISS index", kExport},
    {"IxI", "a FAISS index", kExport},
    {"IwF", "a FAISS index", kExport},
    {"IHN", "a FAISS index", kExport},
    {"\x93NUMPY", "a NumPy matrix", kImport},
    {"\x89HDF\r\n", "an HDF5 file", kImport},
    {"\x28\xB5\x2F\xFD", "compressed with zstd", kUnpack},
    {"\x1F\x8B", "compressed with gzip", kUnpack},
    {"PK\x03\x04", "a zip archive", kUnpack},
}};

constexpr std::array<Kind, 4> kInFolders = {{
    {"chroma.sqlite3", "a Chroma store", kExport},
    {"cache.db", "a diskcache folder", kExport},
    {"index.faiss", "a FAISS index", kExport},
    {"data.mdb", "an LMDB environment", kExport},
}};

std::string Say(const Kind& kind) {
  return std::string(kind.what) + ", which vdb knows and does not open" + kind.advice;
}

}  // namespace

std::string ForeignStore(storage::FileSystem& fs, const std::string& path) {
  const auto is_dir = fs.IsDir(path);
  if (!is_dir.ok()) return "";
  if (!*is_dir) {
    for (const Kind& kind : kEndings) {
      if (path.ends_with(kind.mark)) return Say(kind);
    }
  }
  if (*is_dir) {
    for (const Kind& kind : kInFolders) {
      const auto there = fs.Exists(format::JoinPath(path, kind.mark));
      if (there.ok() && *there) return Say(kind);
    }
    return "";
  }
  const auto file = fs.Open(path, storage::OpenMode::kRead);
  if (!file.ok()) return "";
  std::string head(32, '\0');
  const auto read = (*file)->ReadAt(0, head.data(), head.size());
  head.resize(read.ok() ? *read : 0);
  for (const Kind& kind : kMagics) {
    if (head.starts_with(kind.mark)) return Say(kind);
  }
  return "";
}

}  // namespace vdb::engine
