#include "engine/export_header.h"

#include <charconv>

#include "format/json_reader.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

using format::JsonReader;

constexpr std::string_view kKindNames[] = {"", "ordered", "text"};

class HeaderReader {
 public:
  explicit HeaderReader(std::string_view line) : reader_(line, 8) {}

  StatusOr<ExportHeader> Read() {
    ForFields([&](std::string_view name) {
      return name == "vdb_collection" ? ReadCollection() : reader_.SkipValue();
    });
    if (!reader_.Finish()) return reader_.status();
    return std::move(header_);
  }

 private:
  // Calls `read` at each field's value; false ends it.
  template <typename ReadField>
  bool ForFields(const ReadField& read) {
    if (!reader_.EnterObject()) return false;
    std::string scratch;
    std::string_view name;
    while (reader_.NextField(&scratch, &name)) {
      if (!read(name)) return false;
    }
    return reader_.ok();
  }
  template <typename ReadElement>
  bool ForElements(const ReadElement& read) {
    if (!reader_.EnterArray()) return false;
    while (reader_.NextElement()) {
      if (!read()) return false;
    }
    return reader_.ok();
  }
  bool ReadText(std::string* text) {
    std::string scratch;
    std::string_view value;
    if (!reader_.ReadString(&scratch, &value)) return false;
    *text = value;
    return true;
  }

  bool ReadCollection() {
    return ForFields([&](std::string_view name) {
      if (name == "name") return ReadText(&header_.collection);
      if (name == "columns") return ForElements([&] { return ReadColumn(); });
      if (name == "field_indexes") return ForElements([&] { return ReadIndex(); });
      return reader_.SkipValue();
    });
  }

  bool ReadColumn() {
    ColumnInfo column;
    const size_t offset = reader_.offset();
    std::string metric;
    const bool read = ForFields([&](std::string_view name) {
      if (name == "name") return ReadText(&column.name);
      if (name == "model") return ReadText(&column.model);
      if (name == "metric") return ReadText(&metric);
      if (name == "default") return reader_.ReadBool(&column.is_default);
      if (name == "dimension") return ReadDimension(&column.dimension);
      return reader_.SkipValue();
    });
    if (!read) return false;
    if (column.dimension == 0) return reader_.Fail(offset, "a column with a dimension", "none");
    for (const Metric known : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
      if (metric != MetricName(known)) continue;
      column.metric = known;
      header_.columns.push_back(std::move(column));
      return true;
    }
    return reader_.Fail(offset, "a metric: cosine, dot or l2", "'" + metric.substr(0, 40) + "'");
  }

  bool ReadDimension(uint32_t* dimension) {
    format::JsonNumber number;
    if (!reader_.ReadNumber(&number)) return false;
    const char* end = number.text.data() + number.text.size();
    const auto done = std::from_chars(number.text.data(), end, *dimension);
    if (done.ec == std::errc() && done.ptr == end && *dimension >= 1 &&
        *dimension <= kDimensionMax) {
      return true;
    }
    return reader_.Fail(number.offset, "a dimension of 1 to " + std::to_string(kDimensionMax),
                        number.text.substr(0, 40));
  }

  bool ReadIndex() {
    FieldIndexInfo index;
    const size_t offset = reader_.offset();
    std::string kind;
    const bool read = ForFields([&](std::string_view name) {
      if (name == "field") return ReadText(&index.field);
      if (name == "kind") return ReadText(&kind);
      return reader_.SkipValue();
    });
    if (!read) return false;
    if (kind != kKindNames[1] && kind != kKindNames[2]) {
      return reader_.Fail(offset, "a kind: ordered or text", "'" + kind.substr(0, 40) + "'");
    }
    index.kind = kind == kKindNames[2] ? FieldIndexKind::kText : FieldIndexKind::kOrdered;
    header_.field_indexes.push_back(std::move(index));
    return true;
  }

  JsonReader reader_;
  ExportHeader header_;
};

void AppendField(std::string_view name, std::string_view value, std::string* out) {
  AppendJsonString(out, name);
  *out += ": ";
  AppendJsonString(out, value);
}

}  // namespace

std::string ExportHeaderLine(const ExportHeader& header) {
  std::string line(kExportHeaderStart);
  line += " {";
  AppendField("name", header.collection, &line);
  line += ", \"columns\": [";
  for (size_t i = 0; i < header.columns.size(); ++i) {
    const ColumnInfo& column = header.columns[i];
    line += i > 0 ? ", {" : "{";
    AppendField("name", column.name, &line);
    line += ", \"dimension\": " + std::to_string(column.dimension) + ", ";
    AppendField("metric", MetricName(column.metric), &line);
    line += ", ";
    AppendField("model", column.model, &line);
    line += column.is_default ? ", \"default\": true}" : ", \"default\": false}";
  }
  line += "], \"field_indexes\": [";
  for (size_t i = 0; i < header.field_indexes.size(); ++i) {
    line += i > 0 ? ", {" : "{";
    AppendField("field", header.field_indexes[i].field, &line);
    line += ", ";
    AppendField("kind", kKindNames[static_cast<size_t>(header.field_indexes[i].kind)], &line);
    line += "}";
  }
  return line + "]}}";
}

StatusOr<ExportHeader> ParseExportHeader(std::string_view line) {
  return HeaderReader(line).Read();
}

}  // namespace vdb::engine
