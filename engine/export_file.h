// ExportSink: where an export writes. ExportOutput: a file that gets its name when it is whole.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "storage/file_system.h"
#include "vdb/export.h"

namespace vdb::engine {

class ExportSink {
 public:
  virtual ~ExportSink() = default;
  virtual Status Append(std::string_view bytes) = 0;
};

/// A caller's stream.
class ExportStreamSink final : public ExportSink {
 public:
  explicit ExportStreamSink(const WriteCallback& write) : write_(write) {}
  Status Append(std::string_view bytes) override {
    bytes_ += bytes.size();
    return write_(bytes);
  }
  uint64_t bytes() const { return bytes_; }

 private:
  const WriteCallback& write_;
  uint64_t bytes_ = 0;
};

/// Written beside its place; removed again unless Publish succeeds.
class ExportOutput final : public ExportSink {
 public:
  static StatusOr<std::unique_ptr<ExportOutput>> Create(const std::string& path);
  ~ExportOutput() override;

  Status Append(std::string_view bytes) override;
  /// Writes over the beginning, which has been appended.
  Status Patch(std::string_view bytes);
  /// Makes the bytes durable.
  Status Sync();
  /// Gives the file its name; the caller syncs the directory.
  Status Publish();

  const std::string& path() const { return path_; }
  uint64_t bytes() const { return written_ + buffer_.size(); }

 private:
  explicit ExportOutput(std::string path) : path_(std::move(path)) {}
  Status Flush();

  const std::string path_;
  std::string temporary_;
  std::unique_ptr<storage::File> file_;
  std::string buffer_;
  uint64_t written_ = 0;
  bool published_ = false;
};

/// The name that something at `path` has until it is whole.
std::string ExportTemporary(const std::string& path);
/// The directory that holds `path`.
std::string ParentOf(const std::string& path);

}  // namespace vdb::engine
