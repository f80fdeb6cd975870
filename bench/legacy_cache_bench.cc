// The two passes over a vemb v1 cache: the outline (which converts nothing), then the conversion of
// every entry, by one thread. The cache is made first where it is not there yet.
//
//   legacy_cache_bench FOLDER [ROWSxDIMENSION]      default 5000x3072: about 340 MB in
//                                                   FOLDER/.vemb/cache.json
//
// Checked before a time is printed: every entry converts, and its numbers sum up to those written.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "format/legacy_cache.h"

namespace {

namespace fs = std::filesystem;
using vdb::Status;

class PreadSource : public vdb::format::ByteSource {
 public:
  explicit PreadSource(const fs::path& path)
      : file_(::open(path.c_str(), O_RDONLY)), size_(fs::file_size(path)) {}
  ~PreadSource() override { ::close(file_); }
  uint64_t size() const override { return size_; }
  Status ReadAt(uint64_t offset, std::span<char> out) const override {
    for (size_t done = 0; done < out.size();) {
      const ssize_t n = ::pread(file_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
      if (n <= 0) return Status::IoError("pread");
      done += static_cast<size_t>(n);
    }
    return Status::Ok();
  }

 private:
  int file_;
  uint64_t size_;
};

// Numbers of a normal distribution, written shortest: 16 to 18 digits, as Python writes them. Rows
// are slices of one long sequence, so that making them does not take longer than measuring.
class Numbers {
 public:
  Numbers() {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal(0, 0.02);
    for (size_t i = 0; i < kCount; ++i) {
      values_.push_back(normal(random));
      char text[32];
      begins_.push_back(text_.size());
      text_.append(text, std::to_chars(text, text + sizeof(text), values_.back()).ptr);
      text_ += ", ";
    }
    begins_.push_back(text_.size());
  }
  size_t FirstOf(size_t row, size_t dimension) const { return row * 7919 % (kCount - dimension); }
  std::string_view Text(size_t first, size_t count) const {
    return std::string_view(text_).substr(begins_[first],
                                          begins_[first + count] - begins_[first] - 2);
  }
  double Sum(size_t first, size_t count) const {
    double sum = 0;
    for (size_t i = first; i < first + count; ++i) sum += values_[i];
    return sum;
  }

 private:
  static constexpr size_t kCount = 400000;
  std::vector<double> values_;
  std::vector<size_t> begins_;
  std::string text_;
};

void Make(const fs::path& path, size_t rows, size_t dimension, const Numbers& numbers) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << R"({"version": 1, "model": "gemini-embedding-2-preview", "dim": null, "entries": {)";
  for (size_t row = 0; row < rows; ++row) {
    const std::string file = std::to_string(row / 1000) + "/" + std::to_string(row) + ".png";
    out << (row > 0 ? ", \"" : "\"") << file << ":" << 1000 + row << ":"
        << 1773900000000000000 + row << R"(": {"file": "photos/)" << file << R"(", "values": [)"
        << numbers.Text(numbers.FirstOf(row, dimension), dimension) << "]}";
  }
  out << "}}";
}

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

std::unique_ptr<const vdb::format::LegacyCache> Open(const fs::path& path) {
  vdb::format::LegacySources sources;
  sources.name = path;
  sources.vemb_cache = std::make_shared<PreadSource>(path);
  auto cache = vdb::format::LegacyCache::Open(sources, {});
  if (!cache.ok()) Die(cache.status().ToString());
  if (!(*cache)->refusal().empty()) Die((*cache)->refusal());
  return std::move(cache).value();
}

double ReadEntries(const vdb::format::LegacyCache& cache) {
  double sum = 0;
  const Status status =
      cache.ReadEntries(0, cache.entry_count(), [&sum](vdb::format::LegacyEntry& entry) {
        if (entry.vectors.size() != 1) return Status::Corruption(entry.key + " " + entry.detail);
        for (const double value : entry.vectors[0].values) sum += value;
        return Status::Ok();
      });
  if (!status.ok()) Die(status.ToString());
  return sum;
}

void Print(const char* what, double bytes, double wall_ms, double cpu_s) {
  std::printf("%-10s %7.0f ms wall, %6.0f ms CPU: %.2f GB/s by wall, %.2f by CPU\n", what, wall_ms,
              cpu_s * 1e3, bytes / wall_ms / 1e6, bytes / cpu_s / 1e9);
}

}  // namespace

int main(int argc, char** argv) {
  size_t rows = 5000, dimension = 3072;
  if (argc < 2 || (argc > 2 && std::sscanf(argv[2], "%zux%zu", &rows, &dimension) != 2)) {
    Die("usage: legacy_cache_bench FOLDER [ROWSxDIMENSION]");
  }
  const fs::path path = fs::path(argv[1]) / ".vemb" / "cache.json";
  double expected = 0;
  {
    const Numbers numbers;
    if (!fs::exists(path)) Make(path, rows, dimension, numbers);
    for (size_t row = 0; row < rows; ++row) {
      expected += numbers.Sum(numbers.FirstOf(row, dimension), dimension);
    }
  }
  const auto bytes = static_cast<double>(fs::file_size(path));
  std::printf("%s: %zu x %zu, %.0f MB\n", path.c_str(), rows, dimension, bytes / 1e6);
  for (int round = 0; round < 3; ++round) {
    std::unique_ptr<const vdb::format::LegacyCache> cache;
    double cpu = vdb::bench::CpuSeconds();
    double wall = vdb::bench::MillisecondsOf([&] { cache = Open(path); });
    Print("outline", bytes, wall, vdb::bench::CpuSeconds() - cpu);
    double sum = 0;
    cpu = vdb::bench::CpuSeconds();
    wall = vdb::bench::MillisecondsOf([&] { sum = ReadEntries(*cache); });
    cpu = vdb::bench::CpuSeconds() - cpu;
    if (cache->entry_count() != rows || std::fabs(sum - expected) > 1e-6) {
      Die("the entries are not those that were written; remove the folder and try again");
    }
    Print("conversion", bytes, wall, cpu);
  }
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("peak RSS %.0f MiB, with what made the cache\n",
              static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}
