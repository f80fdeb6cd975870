// Import of CSV: a header line, then a document a record. The vector is text in one field.
#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "engine/import_records.h"
#include "engine/import_source.h"
#include "format/csv.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kLookedAtMax = 100;  // records, for the shape of fields

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

class CsvSource final : public ImportSource {
 public:
  CsvSource(std::unique_ptr<ImportInput> input, const ImportOptions& options,
            const ChunkLimits& limits)
      : input_(std::move(input)), options_(options), records_(input_.get(), limits, true) {
    if (Lower(input_->name()).ends_with(".tsv")) delimiter_ = '\t';
  }

  Status Open() {
    VDB_ASSIGN_OR_RETURN(has_first_, records_.Next(&first_));
    std::string_view text = first_.bytes;
    if (text.starts_with(kByteOrderMark)) header_bytes_ = kByteOrderMark.size();
    size_t lines = 0;
    const size_t size = CsvRecord(text, header_bytes_, &lines);
    if (!has_first_ || size == 0) {
      return Status::InvalidArgument("'" + input_->name() +
                                     "': expected a header line, found an empty file");
    }
    const Status parsed =
        format::ParseCsvRecord(text.substr(header_bytes_, size), delimiter_, &names_);
    if (!parsed.ok()) return Prefixed("'" + input_->name() + "', line 1: ", parsed);
    header_bytes_ += size;
    header_lines_ = std::max<size_t>(lines, 1);
    VDB_RETURN_IF_ERROR(CheckNames());
    VDB_RETURN_IF_ERROR(FindKey());
    return FindVector();
  }

  StatusOr<bool> Next(ImportChunk* chunk) override {
    if (!has_first_) return records_.Next(chunk);
    has_first_ = false;
    *chunk = std::move(first_);
    return true;
  }

  Status Convert(const ImportChunk& chunk, ImportBatch* batch) const override {
    const std::string_view text = chunk.bytes;
    const bool has_header = chunk.begin.offset == 0;
    size_t at = has_header ? header_bytes_ : 0;
    uint64_t line = chunk.begin.place + (has_header ? header_lines_ : 0);
    uint64_t row = chunk.begin.rows - (has_header ? 0 : 1);  // the header was one
    RowText fields;
    while (at < text.size()) {
      size_t lines = 0;
      const size_t size = CsvRecord(text, at, &lines);
      const std::string_view record = text.substr(at, size);
      if (record.find_first_not_of("\r\n") != record.npos) {
        if (const Status good = AddRecord(record, line, row, &fields, batch); !good.ok()) {
          std::string content;
          AppendJsonString(&content, record);
          batch->Reject(line, good.message(), std::move(content));
        }
      }
      ++row;
      at += size;
      line += lines;
    }
    return Status::Ok();
  }

  Status Resume(const ImportPosition& position) override {
    has_first_ = false;
    return records_.Resume(position);
  }

  uint64_t total_bytes() const override { return input_->size().value_or(0); }
  std::string_view place_word() const override { return "line"; }

 private:
  struct RowText {
    std::vector<std::string> fields;
    std::string key, metadata;
    std::vector<float> values;
  };

  static size_t CsvRecord(std::string_view text, size_t at, size_t* lines) {
    return format::CsvRecordBytes(text, at, lines);
  }

  Status Fail(const std::string& what) const {
    return Status::InvalidArgument("'" + input_->name() + "': " + what);
  }
  std::string Names() const {
    std::string text;
    for (const std::string& name : names_) text += (text.empty() ? "'" : ", '") + name + "'";
    return text;
  }

  Status CheckNames() {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (names_[i].empty()) names_[i] = "column " + std::to_string(i + 1);
      if (names_[i].find('\0') != std::string::npos) return Fail("a column's name with NUL in it");
      if (std::find(names_.begin(), names_.begin() + static_cast<ptrdiff_t>(i), names_[i]) !=
          names_.begin() + static_cast<ptrdiff_t>(i)) {
        return Fail("expected each column once, found '" + names_[i] + "' twice");
      }
    }
    return Status::Ok();
  }

  StatusOr<size_t> IndexOf(const std::string& name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<size_t>(found - names_.begin());
    return Fail("expected a column '" + name + "', found " + Names());
  }

  Status FindKey() {
    if (!options_.key_field.empty()) {
      VDB_ASSIGN_OR_RETURN(key_, IndexOf(options_.key_field));
    }
    for (const char* usual : {"id", "key"}) {
      for (size_t i = 0; i < names_.size() && !key_; ++i) {
        if (Lower(names_[i]) == usual) key_ = i;
      }
    }
    taken_ = key_ ? "key: '" + names_[*key_] + "'" : "key: the row's number";
    return Status::Ok();
  }

  // By the name that was given, else the one column whose values look like vectors.
  Status FindVector() {
    if (!options_.vector_field.empty()) {
      VDB_ASSIGN_OR_RETURN(vector_, IndexOf(options_.vector_field));
    } else {
      for (const auto look : {format::VectorLook::kBrackets, format::VectorLook::kNumbers}) {
        const std::vector<size_t> found = ColumnsThatLook(look);
        if (found.size() > 1) {
          return Fail("several columns hold vectors, '" + names_[found[0]] + "' and '" +
                      names_[found[1]] + "' among them; name one (--vector-field)");
        }
        if (found.size() == 1) vector_ = found[0];
        if (vector_) break;
      }
    }
    taken_ += vector_ ? "; vector: '" + names_[*vector_] + "'" : "; no vector";
    return Status::Ok();
  }

  // Columns whose first value that is not empty looks like that.
  std::vector<size_t> ColumnsThatLook(format::VectorLook look) const {
    std::vector<size_t> found;
    std::vector<bool> seen(names_.size());
    std::vector<std::string> fields;
    const std::string_view text = first_.bytes;
    size_t at = header_bytes_, lines = 0;
    for (size_t i = 0; i < kLookedAtMax && at < text.size(); ++i) {
      const size_t size = CsvRecord(text, at, &lines);
      if (format::ParseCsvRecord(text.substr(at, size), delimiter_, &fields).ok() &&
          fields.size() == names_.size()) {
        for (size_t j = 0; j < fields.size(); ++j) {
          if (seen[j] || fields[j].empty() || key_ == j) continue;
          seen[j] = true;
          if (format::LookOfVector(fields[j]) == look) found.push_back(j);
        }
      }
      at += size;
    }
    return found;
  }

  Status AddRecord(std::string_view record, uint64_t line, uint64_t row, RowText* text,
                   ImportBatch* batch) const {
    VDB_RETURN_IF_ERROR(format::ParseCsvRecord(record, delimiter_, &text->fields));
    if (text->fields.size() != names_.size()) {
      return Status::InvalidArgument("expected " + std::to_string(names_.size()) +
                                     " fields, found " + std::to_string(text->fields.size()));
    }
    DocumentView document;
    text->key = key_ ? text->fields[*key_] : std::to_string(row);
    document.key = text->key;
    MakeMetadata(text);
    document.metadata = text->metadata;
    const std::string column = ColumnOf(options_);
    if (vector_ && !text->fields[*vector_].empty()) {
      text->values.clear();
      const Status parsed = format::ParseVectorText(text->fields[*vector_], &text->values);
      if (!parsed.ok()) return Prefixed("column '" + names_[*vector_] + "': ", parsed);
      document.vectors.push_back({column, text->values});
    }
    batch->Put(document, line);
    return Status::Ok();
  }

  // Empty fields are left out.
  void MakeMetadata(RowText* text) const {
    text->metadata = "{";
    for (size_t j = 0; j < names_.size(); ++j) {
      if (key_ == j || vector_ == j || text->fields[j].empty()) continue;
      if (text->metadata.size() > 1) text->metadata += ", ";
      AppendJsonString(&text->metadata, names_[j]);
      text->metadata += ": ";
      format::AppendTypedJson(text->fields[j], &text->metadata);
    }
    text->metadata += "}";
  }

  std::unique_ptr<ImportInput> input_;
  const ImportOptions options_;
  RecordReader records_;
  ImportChunk first_;  // read by Open, not given out yet
  bool has_first_ = false;
  char delimiter_ = ',';
  size_t header_bytes_ = 0, header_lines_ = 0;
  std::vector<std::string> names_;
  std::optional<size_t> key_, vector_;
};

}  // namespace

StatusOr<std::unique_ptr<ImportSource>> NewCsvSource(std::unique_ptr<ImportInput> input,
                                                     const ImportOptions& options,
                                                     const ChunkLimits& limits) {
  if (!options.keys_path.empty()) {
    return Status::InvalidArgument("a keys file goes with files of vectors; name the column of the "
                                   "keys in '" + input->name() + "' instead");
  }
  auto source = std::make_unique<CsvSource>(std::move(input), options, limits);
  VDB_RETURN_IF_ERROR(source->Open());
  return std::unique_ptr<ImportSource>(std::move(source));
}

}  // namespace vdb::engine
