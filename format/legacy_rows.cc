#include "format/legacy_rows.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "format/legacy_columns.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::format {
namespace {

constexpr uint64_t kEntriesMax = uint64_t{1} << 25;
constexpr uint64_t kShortBytesMax = 4096;
constexpr uint64_t kReadAheadBytes = 256 * 1024;

uint64_t HashOf(std::string_view text) { return std::hash<std::string_view>()(text) | 1; }

uint32_t CheckOf(std::string_view text) { return static_cast<uint32_t>(HashOf(text)); }

}  // namespace

void LegacyRows::ForgetEntries() {
  entries_.clear();
  key_hashes_.clear();
}

void LegacyRows::RefuseSource(LegacyReason reason, std::string why) {
  if (refused_ != LegacyReason::kNone) return;
  refused_ = reason;
  refusal_ = (name_.empty() ? "" : name_ + ": ") + std::move(why);
  ForgetEntries();
  torn_ = false;
}

Status LegacyRows::CheckEnd(const JsonScanner& scanner, const LegacyOptions& options) {
  if (scanner.status().ok()) return Status::Ok();
  if (scanner.status().code() != StatusCode::kInvalidArgument) return scanner.status();
  const std::string where = text_name_ + ": at byte " + std::to_string(scanner.error_offset()) +
                            ": " + scanner.error_detail();
  const std::string count = std::to_string(entries_.size());
  if (options.salvage && !entries_.empty()) {
    torn_ = true;
    warnings_.push_back(where + "; took the " + count + " complete entries before it");
    return Status::Ok();
  }
  RefuseSource(scanner.torn() ? LegacyReason::kTruncated : LegacyReason::kNotJson,
               entries_.empty() ? where
                                : where + "; --salvage takes the " + count +
                                      " complete entries before it");
  return Status::Ok();
}

StatusOr<std::string> LegacyRows::ShortToken(const JsonScanner& scanner,
                                             const JsonToken& token) const {
  if (token.end - token.offset > kShortBytesMax) return std::string();
  std::string scratch;
  VDB_ASSIGN_OR_RETURN(const std::string_view text,
                       scanner.Bytes(token.offset, token.end, &scratch));
  return std::string(text);
}

StatusOr<std::string> LegacyRows::TakeString(JsonScanner* scanner) const {
  const JsonToken token = scanner->Next();
  scanner->Skip(token);
  if (token.event != JsonEvent::kString) return std::string();
  VDB_ASSIGN_OR_RETURN(const std::string text, ShortToken(*scanner, token));
  auto value = ParseJsonString(text);
  return value.ok() ? std::move(*value) : std::string();
}

StatusOr<std::string> LegacyRows::TakeNumber(JsonScanner* scanner) const {
  const JsonToken token = scanner->Next();
  scanner->Skip(token);
  return token.event == JsonEvent::kNumber ? ShortToken(*scanner, token) : std::string();
}

Status LegacyRows::ScanObject(JsonScanner* scanner,
                              const std::function<Status(const std::string&)>& read_field) {
  JsonToken token = scanner->Next();
  if (token.event == JsonEvent::kError) return Status::Ok();
  if (token.event == JsonEvent::kEnd) {
    RefuseSource(LegacyReason::kTruncated, text_name_ + " is empty");
    return Status::Ok();
  }
  if (token.event != JsonEvent::kBeginObject) {
    RefuseSource(LegacyReason::kWrongShape, text_name_ + ": expected an object at its root");
    return Status::Ok();
  }
  while ((token = scanner->Next()).event == JsonEvent::kKey) {
    VDB_ASSIGN_OR_RETURN(const std::string name, ShortToken(*scanner, token));
    VDB_RETURN_IF_ERROR(read_field(name));
    if (refused_ != LegacyReason::kNone || !scanner->status().ok()) return Status::Ok();
  }
  if (token.event == JsonEvent::kEndObject) token = scanner->Next();
  if (token.event != JsonEvent::kEnd && token.event != JsonEvent::kError) {
    RefuseSource(LegacyReason::kNotJson, text_name_ + ": at byte " +
                                             std::to_string(token.offset) +
                                             ": expected its end, found more");
  }
  return Status::Ok();
}

Status LegacyRows::AddEntry(const JsonScanner& scanner, uint64_t offset, uint64_t end,
                            uint64_t row) {
  Entry entry;
  entry.offset = offset;
  entry.row = row;
  entry.text_bytes = static_cast<uint32_t>(std::min<uint64_t>(end - offset, UINT32_MAX));
  uint64_t key_hash = 0;
  if (entry.text_bytes <= text_bytes_max_) {
    VDB_ASSIGN_OR_RETURN(const std::string_view text, scanner.Bytes(offset, end, &scratch_));
    const auto key = KeyOf(text);
    if (!key.ok()) {
      RefuseSource(LegacyReason::kNotJson, text_name_ + ": at byte " + std::to_string(offset) +
                                               ": " + key.status().message());
      return Status::Ok();
    }
    entry.check = CheckOf(text);
    if (!key->empty()) key_hash = HashOf(*key);
  }
  entries_.push_back(entry);
  key_hashes_.push_back(key_hash);
  if (entries_.size() > kEntriesMax) {
    RefuseSource(LegacyReason::kTooLarge, text_name_ + ": expected at most " +
                                              std::to_string(kEntriesMax) +
                                              " entries, found more");
  }
  return Status::Ok();
}

Status LegacyRows::OpenMatrix(std::shared_ptr<const ByteSource> source, const char* name) {
  matrix_name_ = name;
  const std::string& file = matrix_name_;
  if (source == nullptr) {
    RefuseSource(LegacyReason::kTruncated, file + " is missing; " + text_name_ +
                                               " alone holds no vectors");
    return Status::Ok();
  }
  LegacyReason refused = LegacyReason::kNone;
  std::string refusal;
  VDB_RETURN_IF_ERROR(matrix_.Open(std::move(source), &refused, &refusal));
  if (refused != LegacyReason::kNone) {
    RefuseSource(refused, file + ": " + refusal);
    return Status::Ok();
  }
  if (matrix_.complete_rows() < matrix_.rows()) {
    warnings_.push_back(file + " is cut: its header says " + std::to_string(matrix_.rows()) +
                        " rows, " + std::to_string(matrix_.complete_rows()) +
                        " are there whole; entries of the others are refused");
  }
  if (matrix_.surplus_bytes() > 0) {
    warnings_.push_back(file + " has " + std::to_string(matrix_.surplus_bytes()) +
                        " bytes after the rows that its header says; they are left out");
  }
  return Status::Ok();
}

Status LegacyRows::DropReplaced() {
  std::vector<std::pair<uint64_t, uint64_t>> by_hash;
  for (uint64_t i = 0; i < entries_.size(); ++i) {
    if (key_hashes_[i] != 0) by_hash.emplace_back(key_hashes_[i], i);
  }
  key_hashes_ = {};
  std::sort(by_hash.begin(), by_hash.end());
  std::vector<uint64_t> dropped;
  TextWindow window;
  for (auto run = by_hash.begin(); run != by_hash.end();) {
    auto end = run + 1;
    while (end != by_hash.end() && end->first == run->first) ++end;
    // From the last one back; the hash may lie, so that a run may hold several keys.
    std::vector<std::string> seen;
    for (auto at = end; end - run > 1 && at-- != run;) {
      std::string_view text;
      VDB_RETURN_IF_ERROR(ReadText(entries_[at->second], 0, &window, &text));
      VDB_ASSIGN_OR_RETURN(std::string key, KeyOf(text));
      if (std::find(seen.begin(), seen.end(), key) == seen.end()) {
        seen.push_back(std::move(key));
      } else {
        dropped.push_back(at->second);
      }
    }
    run = end;
  }
  std::sort(dropped.begin(), dropped.end());
  uint64_t kept = 0;
  auto next = dropped.begin();
  for (uint64_t i = 0; i < entries_.size(); ++i) {
    if (next != dropped.end() && *next == i) {
      ++next;
    } else {
      entries_[kept++] = entries_[i];
    }
  }
  entries_.resize(kept);
  replaced_count_ = dropped.size();
  return Status::Ok();
}

void LegacyRows::MakeColumn(std::string_view model) {
  entry_count_ = entries_.size();
  const auto with_row = std::count_if(entries_.begin(), entries_.end(), [this](const Entry& entry) {
    return entry.row < matrix_.complete_rows();
  });
  if (with_row > 0 && matrix_.dimension() > 0) {
    LegacyColumnOf(model, matrix_.dimension(), &columns_);
    vector_bytes_ = static_cast<uint64_t>(with_row) * matrix_.dimension() * sizeof(float);
  }
  const auto out_of_range = std::count_if(
      entries_.begin(), entries_.end(),
      [this](const Entry& entry) { return entry.row != kNoRow && entry.row >= matrix_.rows(); });
  if (out_of_range > 0) {
    warnings_.push_back(std::to_string(out_of_range) + " entries of " + text_name_ +
                        " have no row in " + matrix_name_ + ", which has " +
                        std::to_string(matrix_.rows()) + ": the two are not of the same time");
  }
}

void LegacyRows::CompareDimension(const char* field, uint64_t declared) {
  if (declared == 0 || matrix_.dimension() == 0 || declared == matrix_.dimension()) return;
  warnings_.push_back(text_name_ + " says " + field + " " + std::to_string(declared) +
                      ", its vectors have " + std::to_string(matrix_.dimension()));
}

Status LegacyRows::ReadText(const Entry& entry, uint64_t ahead_end, TextWindow* window,
                            std::string_view* text) const {
  const uint64_t end = entry.offset + entry.text_bytes;
  if (entry.offset < window->offset || end > window->offset + window->bytes.size()) {
    window->offset = entry.offset;
    window->bytes.resize(
        std::max(end, std::min(ahead_end, entry.offset + kReadAheadBytes)) - entry.offset);
    VDB_RETURN_IF_ERROR(text_source_->ReadAt(entry.offset, window->bytes));
  }
  *text = std::string_view(window->bytes).substr(entry.offset - window->offset, entry.text_bytes);
  if (CheckOf(*text) == entry.check) return Status::Ok();
  return Status::Corruption(text_name_ + ": at byte " + std::to_string(entry.offset) +
                            ": expected what stood there before, found other bytes: the file "
                            "changed meanwhile; try again");
}

Status LegacyRows::ReadEntries(uint64_t first, uint64_t count,
                               const std::function<Status(LegacyEntry&)>& take) const {
  if (first > entry_count_ || count > entry_count_ - first) {
    return Status::InvalidArgument("entries " + std::to_string(first) + " to " +
                                   std::to_string(first + count) + " of " +
                                   std::to_string(entry_count_));
  }
  const uint64_t end = first + count;
  TextWindow texts;
  RowWindow rows;
  for (uint64_t i = first; i < end; ++i) {
    const Entry& at = entries_[i];
    LegacyEntry entry;
    entry.source_offset = at.offset;
    if (at.text_bytes > text_bytes_max_) {
      entry.reason = LegacyReason::kTooLarge;
      entry.detail = DescribeLong(at);
    } else {
      std::string_view text;
      VDB_RETURN_IF_ERROR(ReadText(at, entries_[end - 1].offset, &texts, &text));
      VDB_RETURN_IF_ERROR(ReadEntry(i, end, text, &rows, &entry));
    }
    VDB_RETURN_IF_ERROR(take(entry));
  }
  return Status::Ok();
}

Status LegacyRows::ReadEntry(uint64_t index, uint64_t end, std::string_view text, RowWindow* window,
                             LegacyEntry* entry) const {
  const Entry& at = entries_[index];
  VDB_RETURN_IF_ERROR(Convert(index, text, entry));
  if (!entry->migrates() || RefuseRow(at.row, entry)) return Status::Ok();
  if (at.row < window->first || at.row - window->first >= window->count) {
    const uint64_t most = std::min(matrix_.RowsAtOnce(), matrix_.complete_rows() - at.row);
    uint64_t count = 1;
    while (count < most && index + count < end && entries_[index + count].row == at.row + count) {
      ++count;
    }
    window->first = at.row;
    window->count = count;
    VDB_RETURN_IF_ERROR(matrix_.ReadRows(at.row, count, &window->values));
  }
  TakeVector(window->values.data() + (at.row - window->first) * matrix_.dimension(), entry);
  return Status::Ok();
}

bool LegacyRows::RefuseRow(uint64_t row, LegacyEntry* entry) const {
  const std::string rows = std::to_string(matrix_.rows());
  const std::string found = row == kFarRow ? "a negative number or one above 64 bits"
                                           : std::to_string(row);
  if (row == kNoRow) {
    entry->reason = LegacyReason::kWrongType;
    entry->detail = "expected the number of a row, found something else";
  } else if (row >= matrix_.rows()) {
    entry->reason = LegacyReason::kRowOutOfRange;
    entry->detail = "expected a row below " + rows + ", found " + found;
  } else if (row >= matrix_.complete_rows()) {
    entry->reason = LegacyReason::kTruncated;
    entry->detail = "row " + found + " of " + rows + " is cut off; the file holds " +
                    std::to_string(matrix_.complete_rows()) + " whole ones";
  } else if (matrix_.dimension() == 0) {
    entry->reason = LegacyReason::kWrongLength;
    entry->detail = "row " + found + " has no values";
  }
  return entry->reason != LegacyReason::kNone;
}

void LegacyRows::TakeVector(const double* values, LegacyEntry* entry) const {
  const double* end = values + matrix_.dimension();
  const double* bad =
      std::find_if(values, end, [](double value) { return !std::isfinite(value); });
  if (bad != end) {
    entry->reason = LegacyReason::kNonFinite;
    entry->detail = "value " + std::to_string(bad - values) + " is " +
                    (std::isnan(*bad) ? "NaN" : "infinite");
    return;
  }
  if (std::all_of(values, end, [](double value) { return value == 0; })) {
    entry->reason = LegacyReason::kZeroNorm;
    entry->detail = "all values are zero; the document is kept without its vector";
    return;
  }
  entry->vectors.push_back({0, std::vector<double>(values, end)});
}

}  // namespace vdb::format
