#include "engine/export_file.h"

#include <span>

#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr size_t kBufferBytes = 1u << 20;

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::string ExportTemporary(const std::string& path) {
  const std::string bare = path.substr(0, path.find_last_not_of('/') + 1);
  return bare + ".vdb-export-" + std::to_string(storage::ProcessId());
}

std::string ParentOf(const std::string& path) {
  const std::string bare = path.substr(0, path.find_last_not_of('/') + 1);
  const size_t slash = bare.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : bare.substr(0, slash);
}

StatusOr<std::unique_ptr<ExportOutput>> ExportOutput::Create(const std::string& path) {
  std::unique_ptr<ExportOutput> output(new ExportOutput(path));
  const std::string temporary = ExportTemporary(path);
  VDB_ASSIGN_OR_RETURN(output->file_, storage::PosixFileSystem()->Open(
                                          temporary, storage::OpenMode::kCreate));
  output->temporary_ = temporary;
  return output;
}

ExportOutput::~ExportOutput() {
  if (published_ || temporary_.empty()) return;
  storage::PosixFileSystem()->Remove(temporary_).IgnoreError("nothing refers to it");
}

Status ExportOutput::Flush() {
  VDB_RETURN_IF_ERROR(file_->WriteAt(written_, AsBytes(buffer_)));
  written_ += buffer_.size();
  buffer_.clear();
  return Status::Ok();
}

Status ExportOutput::Append(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kBufferBytes ? Status::Ok() : Flush();
}

Status ExportOutput::Patch(std::string_view bytes) {
  VDB_RETURN_IF_ERROR(Flush());
  return file_->WriteAt(0, AsBytes(bytes));
}

Status ExportOutput::Sync() {
  VDB_RETURN_IF_ERROR(Flush());
  return file_->Sync();
}

Status ExportOutput::Publish() {
  VDB_RETURN_IF_ERROR(storage::PosixFileSystem()->Rename(temporary_, path_));
  published_ = true;
  return Status::Ok();
}

}  // namespace vdb::engine
