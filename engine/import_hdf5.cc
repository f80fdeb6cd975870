// Import of HDF5 in the layout of ann-benchmarks: a two-dimensional dataset of numbers, a row a
// vector. libhdf5 does not take calls from two threads at once, so all of them stand under one
// mutex; it reads the file itself. It is told not to print, and not to load plugins that a file
// asks for.
#include <hdf5.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "engine/import_row_batch.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

std::mutex& HdfMutex() {
  static std::mutex mutex;
  return mutex;
}

// One of libhdf5's handles. Made and closed under HdfMutex.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() { Reset(); }
  void Reset() {
    if (id_ >= 0) close_(id_);
    id_ = -1;
  }
  bool ok() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

class Hdf5Source final : public ImportSource {
 public:
  Hdf5Source(const std::string& path, const ImportOptions& options, const ChunkLimits& limits)
      : path_(path), column_(ColumnOf(options)), dataset_name_(options.dataset), limits_(limits) {}
  ~Hdf5Source() override {
    const std::lock_guard lock(HdfMutex());
    space_.Reset();
    dataset_.Reset();
    file_.Reset();
  }

  Status Open(uint64_t file_bytes, const std::string& keys_path) {
    file_bytes_ = file_bytes;
    {
      const std::lock_guard lock(HdfMutex());
      VDB_RETURN_IF_ERROR(OpenDataset());
    }
    VDB_ASSIGN_OR_RETURN(keys_, ImportKeys::Open(keys_path, path_, *layout_.rows));
    return Status::Ok();
  }

  StatusOr<bool> Next(ImportChunk* chunk) override {
    const uint64_t float_bytes = uint64_t{layout_.dimension} * sizeof(float);
    const uint64_t rows = std::min({limits_.rows, *layout_.rows - row_,
                                    std::max<uint64_t>(1, limits_.vector_bytes / float_bytes)});
    if (rows == 0) return false;
    chunk->bytes.resize(rows * layout_.row_bytes);
    VDB_RETURN_IF_ERROR(ReadRows(rows, chunk->bytes.data()));
    chunk->row_count = rows;
    chunk->file_bytes = file_bytes_ / *layout_.rows * rows;
    chunk->begin = {row_, row_, row_};
    row_ += rows;
    chunk->end = {row_, row_, row_};
    return true;
  }

  Status Convert(const ImportChunk& chunk, ImportBatch* batch) const override {
    return ConvertRows(chunk, layout_, keys_, column_, path_, batch);
  }

  Status Resume(const ImportPosition& position) override {
    row_ = std::min(position.place, *layout_.rows);
    return Status::Ok();
  }

  uint64_t total_bytes() const override { return file_bytes_; }
  std::string_view place_word() const override { return "row"; }

 private:
  Status Fail(const std::string& what) const {
    return Status::InvalidArgument("'" + path_ + "': HDF5: " + what);
  }

  Status OpenDataset() {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    H5PLset_loading_state(0);
    file_ = Handle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (!file_.ok()) return Fail("expected an HDF5 file, found none, or a damaged one");
    dataset_ = Handle(H5Dopen2(file_.get(), dataset_name_.c_str(), H5P_DEFAULT), H5Dclose);
    if (!dataset_.ok()) {
      return Fail("expected a dataset '" + dataset_name_ + "', found " + Names());
    }
    space_ = Handle(H5Dget_space(dataset_.get()), H5Sclose);
    const Handle type(H5Dget_type(dataset_.get()), H5Tclose);
    hsize_t extents[2] = {};
    if (!space_.ok() || !type.ok() || H5Sget_simple_extent_ndims(space_.get()) != 2 ||
        H5Sget_simple_extent_dims(space_.get(), extents, nullptr) != 2) {
      return Fail("dataset '" + dataset_name_ + "': expected two dimensions, rows and numbers");
    }
    const H5T_class_t kind = H5Tget_class(type.get());
    if (kind != H5T_FLOAT && kind != H5T_INTEGER) {
      return Fail("dataset '" + dataset_name_ + "': expected numbers, found another type");
    }
    if (extents[1] < 1 || extents[1] > kDimensionMax) {
      return Fail("dataset '" + dataset_name_ + "': expected 1 to " +
                  std::to_string(kDimensionMax) + " numbers a row, found " +
                  std::to_string(extents[1]));
    }
    VDB_RETURN_IF_ERROR(CheckStorage(extents[0], extents[1], H5Tget_size(type.get())));
    const bool is_float = kind == H5T_FLOAT && H5Tget_size(type.get()) <= sizeof(float);
    layout_.element = is_float ? format::ElementKind::kFloat32 : format::ElementKind::kFloat64;
    layout_.dimension = static_cast<uint32_t>(extents[1]);
    layout_.row_bytes = extents[1] * format::ElementBytes(layout_.element);
    layout_.rows = extents[0];
    return Status::Ok();
  }

  // libhdf5 1.10 trusts damaged headers: it reads past what is stored where that is less than
  // announced, and past its own buffers in chunks. The first is looked for, the second refused.
  Status CheckStorage(uint64_t rows, uint64_t numbers, uint64_t number_bytes) const {
    const Handle properties(H5Dget_create_plist(dataset_.get()), H5Pclose);
    const H5D_layout_t layout = H5Pget_layout(properties.get());
    if (layout == H5D_CHUNKED) {
      return Fail("dataset '" + dataset_name_ + "': expected contiguous rows, found chunks "
                  "(perhaps compressed); `h5repack -l CONTI -f NONE` of hdf5-tools makes a file "
                  "that is read");
    }
    const bool here = (layout == H5D_CONTIGUOUS || layout == H5D_COMPACT) &&
                      H5Pget_external_count(properties.get()) == 0;
    if (!here) {
      return Fail("dataset '" + dataset_name_ + "': expected its rows in the file itself, found "
                  "them in others");
    }
    uint64_t row_bytes = 0, bytes = 0;
    if (!__builtin_mul_overflow(numbers, number_bytes, &row_bytes) &&
        !__builtin_mul_overflow(rows, row_bytes, &bytes) &&
        H5Dget_storage_size(dataset_.get()) == bytes) {
      return Status::Ok();
    }
    return Fail("dataset '" + dataset_name_ + "': expected " + std::to_string(rows) + " rows of " +
                std::to_string(row_bytes) + " bytes, found " +
                std::to_string(H5Dget_storage_size(dataset_.get())) +
                " bytes; is the file cut or damaged?");
  }

  // What there is at the top of the file instead.
  std::string Names() const {
    std::string text;
    H5G_info_t info;
    if (H5Gget_info(file_.get(), &info) < 0) return "none";
    for (hsize_t i = 0; i < std::min<hsize_t>(info.nlinks, 20); ++i) {
      char name[80];
      if (H5Lget_name_by_idx(file_.get(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof(name),
                             H5P_DEFAULT) > 0) {
        text += (text.empty() ? "'" : ", '") + std::string(name) + "'";
      }
    }
    return text.empty() ? "none" : text;
  }

  Status ReadRows(uint64_t rows, char* out) {
    const std::lock_guard lock(HdfMutex());
    const hsize_t start[2] = {row_, 0}, count[2] = {rows, layout_.dimension};
    const Handle memory(H5Screate_simple(2, count, nullptr), H5Sclose);
    const hid_t type = layout_.element == format::ElementKind::kFloat32 ? H5T_NATIVE_FLOAT
                                                                        : H5T_NATIVE_DOUBLE;
    if (memory.ok() &&
        H5Sselect_hyperslab(space_.get(), H5S_SELECT_SET, start, nullptr, count, nullptr) >= 0 &&
        H5Dread(dataset_.get(), type, memory.get(), space_.get(), H5P_DEFAULT, out) >= 0) {
      return Status::Ok();
    }
    return Fail("dataset '" + dataset_name_ + "', rows " + std::to_string(row_) + " to " +
                std::to_string(row_ + rows - 1) + ": cannot be read; is the file cut or damaged?");
  }

  const std::string path_, column_, dataset_name_;
  const ChunkLimits limits_;
  uint64_t file_bytes_ = 0;
  Handle file_, dataset_, space_;
  format::RowLayout layout_;
  ImportKeys keys_;
  uint64_t row_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<ImportSource>> NewHdf5Source(const std::string& path, uint64_t file_bytes,
                                                      const ImportOptions& options,
                                                      const ChunkLimits& limits) {
  auto source = std::make_unique<Hdf5Source>(path, options, limits);
  VDB_RETURN_IF_ERROR(source->Open(file_bytes, options.keys_path));
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace vdb::engine
