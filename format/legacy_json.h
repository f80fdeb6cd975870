// JsonCache: a cache in one JSON file whose shape is known. Holds an index of its entries (48 bytes
// each) and reads them block by block.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/legacy_cache.h"
#include "format/legacy_json_outline.h"
#include "format/legacy_json_record.h"
#include "format/legacy_json_shape.h"

namespace vdb::format {

/// Any JSON file opened by name: a vemb cache, or what the detector makes of it.
StatusOr<std::unique_ptr<const LegacyCache>> OpenJson(const LegacySources& sources,
                                                      const LegacyOptions& options,
                                                      const LegacyProgress& progress);

class JsonCache : public LegacyCache {
 public:
  Status ReadEntries(uint64_t first, uint64_t count,
                     const std::function<Status(LegacyEntry&)>& take) const override;

 protected:
  JsonCache(std::string name, std::shared_ptr<const ByteSource> source)
      : name_(std::move(name)), source_(std::move(source)) {}

  /// The first pass. False: refused.
  StatusOr<bool> Outline(const LegacyOptions& options, const LegacyProgress& progress,
                         const JsonFileListener& on_file);
  /// Columns, counts and warnings of an outline that is not refused.
  Status Settle();
  void Refuse(LegacyReason reason, std::string why);
  /// Members of metadata that documents of this cache have by themselves.
  virtual std::vector<std::string_view> ReservedMembers() const { return {}; }
  /// Key, metadata, flags. The vectors are in place, `entry->reason` is theirs.
  virtual Status Finish(uint64_t index, JsonRecord* record, LegacyEntry* entry) const;
  /// Whether an entry must have its vector, or may do without.
  virtual bool needs_vector() const { return false; }
  /// Vectors from elsewhere: a matrix.
  virtual Status AddVectors(uint64_t /*index*/, JsonRecord* /*record*/,
                            LegacyEntry* /*entry*/) const {
    return Status::Ok();
  }
  StatusOr<std::string> ReadKey(uint64_t index) const;
  /// True: nothing wrong. Else sets the entry's verdict.
  static bool Accept(LegacyEntry* entry, LegacyReason reason, std::string detail);
  void TakeVector(uint32_t column, std::vector<double>* values, LegacyEntry* entry) const;

  std::string name_;
  std::shared_ptr<const ByteSource> source_;
  JsonShape shape_;
  JsonOutline outline_;
  std::vector<uint64_t> renamed_;  // entries whose key gets "#number", ascending
  std::map<uint64_t, std::string> suffixes_;  // of entries whose key another one has

 private:
  struct Block {  // bytes of the source
    uint64_t offset = 0;
    std::string bytes;
    bool Has(uint64_t from, uint64_t size) const {
      return from >= offset && size <= bytes.size() && from - offset <= bytes.size() - size;
    }
    std::string_view View(uint64_t from, uint64_t size) const {
      return std::string_view(bytes).substr(from - offset, size);
    }
  };

  void NameColumns();
  // Keys that we made (row numbers, parts, "#number") and another entry has of its own.
  Status SeparateMadeKeys();
  Status Load(uint64_t index, uint64_t end, Block* block) const;
  Status ConvertKey(uint64_t index, const Block& block, LegacyEntry* entry) const;
  Status Convert(uint64_t index, const Block& block, uint64_t* parsed, JsonRecord* record,
                 LegacyEntry* entry) const;
  void TakeVectors(const JsonPlace& place, JsonRecord* record, LegacyEntry* entry) const;
  void RefuseWithoutColumn(size_t count, LegacyEntry* entry) const;
  int ColumnOf(uint32_t field, std::string_view label) const;
  std::string EntryKind(const JsonRecord& record) const;
};

}  // namespace vdb::format
