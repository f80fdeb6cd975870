#include "engine/import_input.h"

#include <algorithm>
#include <utility>

#include "format/status_macros.h"

namespace vdb::engine {

StatusOr<std::unique_ptr<ImportInput>> ImportInput::OpenFile(const std::string& path) {
  std::unique_ptr<ImportInput> input(new ImportInput);
  input->name_ = path;
  VDB_ASSIGN_OR_RETURN(input->file_,
                       storage::PosixFileSystem()->Open(path, storage::OpenMode::kRead));
  VDB_ASSIGN_OR_RETURN(input->size_, input->file_->Size());
  return input;
}

std::unique_ptr<ImportInput> ImportInput::FromStream(ReadCallback read, std::string name) {
  std::unique_ptr<ImportInput> input(new ImportInput);
  input->name_ = std::move(name);
  input->read_ = std::move(read);
  return input;
}

StatusOr<size_t> ImportInput::ReadMore(uint64_t offset, char* out, size_t size) {
  if (file_ != nullptr) return file_->ReadAt(offset, out, size);
  size_t done = 0;
  while (done < size && !at_end_) {
    VDB_ASSIGN_OR_RETURN(const size_t got, read_(out + done, size - done));
    if (got > size - done) return Status::IoError("'" + name_ + "': read more than was asked for");
    at_end_ = got == 0;
    done += got;
  }
  return done;
}

StatusOr<size_t> ImportInput::Read(char* out, size_t size) {
  size_t done = 0;
  if (offset_ < head_.size()) {
    done = head_.copy(out, size, offset_);
    offset_ += done;
    if (offset_ == head_.size()) std::string().swap(head_);
    if (done == size) return done;
  }
  VDB_ASSIGN_OR_RETURN(const size_t got, ReadMore(offset_, out + done, size - done));
  offset_ += got;
  return done + got;
}

StatusOr<std::string_view> ImportInput::Head(size_t size) {
  if (offset_ != 0) return Status::FailedPrecondition("'" + name_ + "': read before its head");
  const size_t have = head_.size();
  if (have < size) {
    head_.resize(size);
    auto got = ReadMore(have, head_.data() + have, size - have);
    head_.resize(have + (got.ok() ? *got : 0));
    VDB_RETURN_IF_ERROR(got.status());
  }
  return std::string_view(head_).substr(0, size);
}

Status ImportInput::SeekTo(uint64_t offset) {
  if (file_ == nullptr) {
    return Status::FailedPrecondition("'" + name_ + "': a stream has no places");
  }
  head_.clear();
  offset_ = offset;
  return Status::Ok();
}

}  // namespace vdb::engine
