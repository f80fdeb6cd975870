#include "query/filter_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "format/timestamp.h"
#include "vdb/json_text.h"

namespace vdb::query {
namespace {

constexpr std::array<std::pair<std::string_view, FilterKeyword>, 14> kKeywords = {{
    {"and", FilterKeyword::kAnd},
    {"or", FilterKeyword::kOr},
    {"not", FilterKeyword::kNot},
    {"in", FilterKeyword::kIn},
    {"between", FilterKeyword::kBetween},
    {"exists", FilterKeyword::kExists},
    {"is", FilterKeyword::kIs},
    {"null", FilterKeyword::kNull},
    {"starts", FilterKeyword::kStarts},
    {"with", FilterKeyword::kWith},
    {"contains", FilterKeyword::kContains},
    {"true", FilterKeyword::kTrue},
    {"false", FilterKeyword::kFalse},
    {"timestamp", FilterKeyword::kTimestamp},
}};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// How tightly what stands around a filter binds: looser operators need parentheses there.
enum class Binding { kNone, kOr, kAnd, kNot };

class FilterPrinter {
 public:
  void Print(const FilterNode& node, Binding around) {
    if (node.is_predicate()) return PrintPredicate(node, false);
    if (node.op == FilterOp::kNot) return PrintNot(*node.children[0]);
    const bool is_and = node.op == FilterOp::kAnd;
    const Binding own = is_and ? Binding::kAnd : Binding::kOr;
    const bool parentheses = around >= own;
    if (parentheses) text_ += '(';
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i > 0) text_ += is_and ? " and " : " or ";
      Print(*node.children[i], own);
    }
    if (parentheses) text_ += ')';
  }

  std::string& text() { return text_; }

 private:
  void PrintNot(const FilterNode& child) {
    switch (child.op) {
      case FilterOp::kEqual:
      case FilterOp::kIn:
      case FilterOp::kBetween:
      case FilterOp::kIsNull: return PrintPredicate(child, true);
      default: break;
    }
    text_ += "not ";
    Print(child, Binding::kNot);
  }

  void PrintPredicate(const FilterNode& node, bool negated) {
    PrintPath(node.path);
    const auto binary = [&](const char* op) {
      text_ += op;
      PrintValue(node.values[0]);
    };
    switch (node.op) {
      case FilterOp::kEqual: return binary(negated ? " != " : " = ");
      case FilterOp::kLess: return binary(" < ");
      case FilterOp::kLessOrEqual: return binary(" <= ");
      case FilterOp::kGreater: return binary(" > ");
      case FilterOp::kGreaterOrEqual: return binary(" >= ");
      case FilterOp::kStartsWith: return binary(" starts with ");
      case FilterOp::kContains: return binary(" contains ");
      case FilterOp::kBetween:
        binary(negated ? " not between " : " between ");
        text_ += " and ";
        return PrintValue(node.values[1]);
      case FilterOp::kIn: return PrintList(node.values, negated);
      case FilterOp::kExists: text_ += " exists"; return;
      case FilterOp::kIsNull: text_ += negated ? " is not null" : " is null"; return;
      case FilterOp::kAnd:
      case FilterOp::kOr:
      case FilterOp::kNot: return;
    }
  }

  void PrintList(const std::vector<FilterValue>& values, bool negated) {
    text_ += negated ? " not in (" : " in (";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) text_ += ", ";
      PrintValue(values[i]);
    }
    text_ += ')';
  }

  // Only at the front is a keyword not known for a field.
  void PrintPath(const format::FieldPath& path) {
    const std::string text = format::FieldPathText(path);
    if (path.steps.empty() || !FilterKeywordOf(path.steps[0])) {
      text_ += text;
    } else {
      text_ += format::QuotedFieldStep(path.steps[0]) + text.substr(path.steps[0].size());
    }
  }

  template <typename T>
  void PrintNumber(T value) {
    char buffer[32];
    text_.append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
  }

  void PrintValue(const FilterValue& value) {
    const auto& variant = value.variant();
    if (const auto* flag = std::get_if<bool>(&variant)) {
      text_ += *flag ? "true" : "false";
    } else if (const auto* integer = std::get_if<int64_t>(&variant)) {
      PrintNumber(*integer);
    } else if (const auto* natural = std::get_if<uint64_t>(&variant)) {
      PrintNumber(*natural);
    } else if (const auto* real = std::get_if<double>(&variant)) {
      const size_t begin = text_.size();
      PrintNumber(*real);
      if (text_.find_first_of(".e", begin) == std::string::npos) text_ += ".0";
    } else if (const auto* string = std::get_if<std::string>(&variant)) {
      AppendJsonString(&text_, *string);
    } else if (const auto* time = std::get_if<Timestamp>(&variant)) {
      text_ += "timestamp \"" + format::TimestampText(*time) + "\"";
    }
  }

  std::string text_;
};

}  // namespace

std::optional<FilterKeyword> FilterKeywordOf(std::string_view word) {
  for (const auto& [name, keyword] : kKeywords) {
    if (std::equal(word.begin(), word.end(), name.begin(), name.end(),
                   [](char a, char b) { return Lower(a) == b; })) {
      return keyword;
    }
  }
  return std::nullopt;
}

const std::string& FilterText(const FilterNode& filter) {
  std::call_once(filter.text_made, [&filter] {
    FilterPrinter printer;
    printer.Print(filter, Binding::kNone);
    filter.text = std::move(printer.text());
  });
  return filter.text;
}

}  // namespace vdb::query
