// LegacyRows: a legacy cache whose vectors are the rows of a .npy file and whose keys stand in a
// JSON file beside it. Knows where each entry stands; what it says is its subclass's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/json_scan.h"
#include "format/legacy_cache.h"
#include "format/npy_matrix.h"

namespace vdb::format {

class LegacyRows : public LegacyCache {
 public:
  Status ReadEntries(uint64_t first, uint64_t count,
                     const std::function<Status(LegacyEntry&)>& take) const override;

 protected:
  static constexpr uint64_t kNoRow = ~uint64_t{0};       // the entry names none
  static constexpr uint64_t kFarRow = ~uint64_t{0} - 1;  // negative, or above 64 bits

  struct Entry {
    uint64_t offset = 0;      // of its text in the JSON file
    uint64_t row = kNoRow;    // in the matrix
    uint32_t text_bytes = 0;  // or the largest number, if it is longer
    uint32_t check = 0;       // of its text: whether the file is still the same
  };
  // What was read last of the JSON file.
  struct TextWindow {
    uint64_t offset = 0;
    std::string bytes;
  };

  /// One entry's text: key, metadata and flags, or why not.
  virtual Status Convert(uint64_t index, std::string_view text, LegacyEntry* entry) const = 0;
  /// Of entries whose text is longer than `text_bytes_max_`, and is not read.
  virtual std::string DescribeLong(const Entry& entry) const = 0;
  /// An entry's key, or an empty one if it has none.
  virtual StatusOr<std::string> KeyOf(std::string_view text) const = 0;

  // For the first pass.
  void RefuseSource(LegacyReason reason, std::string why);
  /// Once the scan is through: OK unless the source failed; a torn text is refused or, by option,
  /// taken as far as it goes.
  Status CheckEnd(const JsonScanner& scanner, const LegacyOptions& options);
  /// What a scan of these files is about: an object at the root, whose fields `read_field` takes,
  /// the next event being the value. Refuses other roots and what comes after it.
  Status ScanObject(JsonScanner* scanner,
                    const std::function<Status(const std::string& name)>& read_field);
  /// The bytes of a key, string or number as they stand; empty if they are many.
  StatusOr<std::string> ShortToken(const JsonScanner& scanner, const JsonToken& token) const;
  /// The value that is next, if it is a string; leaves it behind. Empty if it is something else.
  StatusOr<std::string> TakeString(JsonScanner* scanner) const;
  /// The value that is next, if it is a number, as it stands.
  StatusOr<std::string> TakeNumber(JsonScanner* scanner) const;
  /// Adds the text [offset, end) of the JSON file as an entry.
  Status AddEntry(const JsonScanner& scanner, uint64_t offset, uint64_t end, uint64_t row);
  void ForgetEntries();
  Status OpenMatrix(std::shared_ptr<const ByteSource> source, const char* name);
  /// Of entries of the same key the last one stays.
  Status DropReplaced();
  /// One column for all, if any entry has a row of the matrix.
  void MakeColumn(std::string_view model);
  /// A dimension that the JSON file declares is compared, not trusted.
  void CompareDimension(const char* field, uint64_t declared);

  /// The text of an entry, read through `window`, which reads ahead up to `ahead_end`.
  Status ReadText(const Entry& entry, uint64_t ahead_end, TextWindow* window,
                  std::string_view* text) const;

  std::shared_ptr<const ByteSource> text_source_;
  std::string name_;       // of the cache, for messages
  std::string text_name_;  // of the JSON file
  std::string matrix_name_;
  uint32_t text_bytes_max_ = 0;
  std::vector<Entry> entries_;
  NpyMatrix matrix_;

 private:
  struct RowWindow {  // consecutive rows, read at once
    uint64_t first = 0, count = 0;
    std::vector<double> values;
  };

  Status ReadEntry(uint64_t index, uint64_t end, std::string_view text, RowWindow* window,
                   LegacyEntry* entry) const;
  bool RefuseRow(uint64_t row, LegacyEntry* entry) const;
  void TakeVector(const double* values, LegacyEntry* entry) const;

  std::vector<uint64_t> key_hashes_;  // of entries_, 0 for none; during the first pass only
  std::string scratch_;
};

}  // namespace vdb::format
