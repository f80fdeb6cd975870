#include "tests/format/legacy_support.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace vdb::format {
namespace {

class OwnedSource : public ByteSource {
 public:
  explicit OwnedSource(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(uint64_t offset, std::span<char> out) const override {
    return MemorySource(bytes_).ReadAt(offset, out);
  }

 private:
  std::string bytes_;
};

class PlainParser {
 public:
  explicit PlainParser(std::string_view text) : text_(text) {}

  PlainJson Value() {
    Space();
    PlainJson value;
    const char c = text_.at(at_);
    if (c == '{' || c == '[') {
      Container(c, &value);
    } else if (c == '"') {
      value.kind = 's';
      value.string = String();
    } else if (text_.substr(at_, 4) == "true" || text_.substr(at_, 5) == "false") {
      value.kind = 'b';
      value.number = c == 't';
      at_ += c == 't' ? 4 : 5;
    } else if (text_.substr(at_, 4) == "null") {
      at_ += 4;
    } else {
      Number(&value);
    }
    return value;
  }

 private:
  void Space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  void Number(PlainJson* value) {
    const std::string rest(text_.substr(at_, 400));
    char* end = nullptr;
    value->kind = 'n';
    value->number = std::strtod(rest.c_str(), &end);  // knows NaN and Infinity
    value->string = rest.substr(0, static_cast<size_t>(end - rest.c_str()));
    at_ += value->string.empty() ? 1 : value->string.size();
  }
  void Container(char open, PlainJson* value) {
    value->kind = open;
    for (++at_;;) {
      Space();
      if (text_.at(at_) == ',') {
        ++at_;
        continue;
      }
      if (text_.at(at_) == '}' || text_.at(at_) == ']') break;
      if (open == '[') {
        value->items.push_back(Value());
        continue;
      }
      std::string name = String();
      Space();
      ++at_;  // the colon
      value->members.emplace_back(std::move(name), Value());
    }
    ++at_;
  }
  unsigned Hex() {
    const unsigned unit =
        static_cast<unsigned>(std::stoul(std::string(text_.substr(at_, 4)), nullptr, 16));
    at_ += 4;
    return unit;
  }
  void Escape(std::string* out) {
    const char c = text_.at(at_++);
    if (c != 'u') {
      const size_t known = std::string_view("bfnrt").find(c);
      out->push_back(known == std::string_view::npos ? c : "\b\f\n\r\t"[known]);
      return;
    }
    unsigned code = Hex();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      code = 0x10000 + ((code - 0xD800) << 10) + (Hex() - 0xDC00);
    }
    const auto push = [out](unsigned byte) { out->push_back(static_cast<char>(byte)); };
    if (code < 0x80 || (code >= 0xDC80 && code <= 0xDCFF)) {
      push(code & 0xFF);
    } else if (code < 0x800) {
      push(0xC0 | code >> 6), push(0x80 | (code & 63));
    } else if (code < 0x10000) {
      push(0xE0 | code >> 12), push(0x80 | (code >> 6 & 63)), push(0x80 | (code & 63));
    } else {
      push(0xF0 | code >> 18), push(0x80 | (code >> 12 & 63));
      push(0x80 | (code >> 6 & 63)), push(0x80 | (code & 63));
    }
  }
  std::string String() {
    std::string out;
    for (++at_; text_.at(at_) != '"';) {
      if (text_[at_] == '\\') {
        ++at_;
        Escape(&out);
      } else {
        out.push_back(text_[at_++]);
      }
    }
    ++at_;
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::shared_ptr<const ByteSource> SourceOf(std::string bytes) {
  return std::make_shared<OwnedSource>(std::move(bytes));
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    ADD_FAILURE() << "cannot read " << path;
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

LegacySources SourcesOfFolder(const std::string& folder) {
  LegacySources sources;
  sources.name = folder;
  const auto open = [&folder](const char* name) -> std::shared_ptr<const ByteSource> {
    const std::string path = folder + "/" + name;
    return std::filesystem::exists(path) ? SourceOf(ReadTestFile(path)) : nullptr;
  };
  sources.vemb_cache = open(".vemb/cache.json");
  sources.vemb_manifest = open(".vemb/manifest.json");
  sources.vemb_vectors = open(".vemb/vectors.npy");
  sources.nndex_metadata = open(".nndex/metadata.json");
  sources.nndex_embeddings = open(".nndex/embeddings.npy");
  return sources;
}

std::string NpyFile(std::string_view shape, std::string_view data, std::string_view descr,
                    bool fortran_order, int version, size_t header_bytes) {
  std::string header = "{'descr': " + std::string(descr) + ", 'fortran_order': " +
                       (fortran_order ? "True" : "False") + ", 'shape': " + std::string(shape) +
                       ", }";
  if (header.size() + 1 < header_bytes) header.resize(header_bytes - 1, ' ');
  header += '\n';
  std::string file = "\x93NUMPY";
  file.push_back(static_cast<char>(version));
  file.push_back('\0');
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    file.push_back(static_cast<char>(header.size() >> (8 * i)));
  }
  return file + header + std::string(data);
}

std::string FloatBytes(const std::vector<double>& values) {
  std::string bytes;
  for (const double value : values) {
    const auto narrow = static_cast<float>(value);
    bytes.append(reinterpret_cast<const char*>(&narrow), sizeof(narrow));
  }
  return bytes;
}

std::string DoubleBytes(const std::vector<double>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)};
}

std::unique_ptr<const LegacyCache> OpenLegacy(const LegacySources& sources,
                                              const LegacyOptions& options) {
  auto cache = LegacyCache::Open(sources, options);
  EXPECT_TRUE(cache.ok()) << cache.status().ToString();
  return cache.ok() ? std::move(*cache) : nullptr;
}

std::vector<LegacyEntry> ReadAll(const LegacyCache& cache, uint64_t piece) {
  std::vector<LegacyEntry> entries;
  for (uint64_t first = 0; first < cache.entry_count();) {
    const uint64_t count = std::min(piece, cache.entry_count() - first);
    const Status status = cache.ReadEntries(first, count, [&](LegacyEntry& entry) {
      entries.push_back(std::move(entry));
      return Status::Ok();
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
    first += count;
  }
  EXPECT_EQ(entries.size(), cache.entry_count());
  return entries;
}

LegacyVerdict VerdictOf(const LegacyCache& cache) {
  LegacyVerdict verdict;
  verdict.format = cache.format();
  if (cache.refused() != LegacyReason::kNone) {
    verdict.exit_code = 4;
    const bool torn = cache.refused() == LegacyReason::kTruncated ||
                      cache.refused() == LegacyReason::kNotJson;
    if (!torn) verdict.refused[std::string(LegacyReasonCode(cache.refused()))] = 1;
    EXPECT_NE(cache.refusal(), "");
    EXPECT_EQ(cache.entry_count(), 0u);
    return verdict;
  }
  for (const LegacyEntry& entry : ReadAll(cache)) {
    if (!entry.migrates()) {
      ++verdict.refused[std::string(LegacyReasonCode(entry.reason))];
      EXPECT_NE(entry.detail, "");
      continue;
    }
    ++verdict.migrated;
    if (entry.vectors.empty()) ++verdict.without_vector;
  }
  if (!verdict.refused.empty() || cache.torn()) verdict.exit_code = 3;
  return verdict;
}

PlainJson PlainJson::Parse(std::string_view text) { return PlainParser(text).Value(); }

const PlainJson& PlainJson::operator[](std::string_view name) const {
  static const auto* const none = new PlainJson;
  const PlainJson* found = none;
  for (const auto& [member, value] : members) {
    if (member == name) found = &value;
  }
  return *found;
}

std::vector<double> Normalised(std::vector<double> values) {
  double largest = 0, sum = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  if (largest == 0) return values;
  for (double& value : values) value /= largest;
  for (const double value : values) sum += value * value;
  for (double& value : values) value /= std::sqrt(sum);
  return values;
}

}  // namespace vdb::format
