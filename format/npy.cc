#include "format/npy.h"

#include <charconv>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "format/status_macros.h"

namespace vdb::format {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

Status Refuse(std::string message) { return Status::InvalidArgument(".npy: " + message); }

// The little of Python that NumPy writes into a header: a dict of strings, booleans and a tuple of
// integers.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Status Parse() {
    VDB_RETURN_IF_ERROR(Expect('{'));
    while (!Take('}')) {
      std::string_view name;
      VDB_RETURN_IF_ERROR(ReadString(&name));
      VDB_RETURN_IF_ERROR(Expect(':'));
      VDB_RETURN_IF_ERROR(ReadField(name));
      if (Take(',')) continue;
      VDB_RETURN_IF_ERROR(Expect('}'));
      break;
    }
    SkipSpace();
    if (at_ != text_.size()) return Expected("the end of the header");
    for (const auto& [seen, name] : {std::pair(seen_descr_, "descr"),
                                     std::pair(seen_order_, "fortran_order"),
                                     std::pair(seen_shape_, "shape")}) {
      if (!seen) return Refuse(std::string("the header has no field '") + name + "'");
    }
    return Status::Ok();
  }

  std::string_view descr;
  bool fortran_order = false;
  std::vector<uint64_t> shape;

 private:
  Status Expected(std::string_view what) const {
    return Refuse("header text, byte " + std::to_string(at_) + ": expected " + std::string(what) +
                  (at_ < text_.size() ? ", found byte " +
                       std::to_string(static_cast<unsigned char>(text_[at_])) : ", found its end"));
  }
  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Status Expect(char c) {
    return Take(c) ? Status::Ok() : Expected(std::string("'") + c + "'");
  }

  Status ReadString(std::string_view* value) {
    SkipSpace();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return Expected("a string");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return Expected("a string with an end");
    *value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return Status::Ok();
  }

  Status ReadField(std::string_view name) {
    SkipSpace();
    if (name == "descr") {
      seen_descr_ = true;
      if (at_ < text_.size() && text_[at_] == '[') {
        return Refuse("the elements are records (a structured dtype); expected '<f4' or '<f8'");
      }
      return ReadString(&descr);
    }
    if (name == "fortran_order") {
      seen_order_ = true;
      return ReadBool();
    }
    if (name == "shape") {
      seen_shape_ = true;
      return ReadShape();
    }
    return Refuse("the header has an unknown field '" + std::string(name.substr(0, 40)) + "'");
  }

  Status ReadBool() {
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        fortran_order = word == "True";
        return Status::Ok();
      }
    }
    return Expected("True or False");
  }

  Status ReadShape() {
    shape.clear();
    VDB_RETURN_IF_ERROR(Expect('('));
    while (!Take(')')) {
      SkipSpace();
      uint64_t extent = 0;
      const char* end = text_.data() + text_.size();
      const auto done = std::from_chars(text_.data() + at_, end, extent);
      if (done.ec != std::errc()) return Expected("a number below 2^64");
      at_ = static_cast<size_t>(done.ptr - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // written by Python 2
      shape.push_back(extent);
      if (Take(',')) continue;
      VDB_RETURN_IF_ERROR(Expect(')'));
      break;
    }
    return Status::Ok();
  }

  std::string_view text_;
  size_t at_ = 0;
  bool seen_descr_ = false, seen_order_ = false, seen_shape_ = false;
};

// Where the header's text begins and how long it is.
StatusOr<std::string_view> HeaderText(std::string_view file) {
  if (!file.starts_with(kMagic)) {
    return Refuse("expected the magic \\x93NUMPY at its start, found something else");
  }
  if (file.size() < 10) return Refuse("expected a header, found the end of the file");
  const auto byte = [file](size_t at) { return size_t{static_cast<unsigned char>(file[at])}; };
  const size_t major = byte(6);
  if (major < 1 || major > 3 || byte(7) != 0) {
    return Refuse("expected version 1.0, 2.0 or 3.0, found " + std::to_string(major) + "." +
                  std::to_string(byte(7)));
  }
  const size_t begin = major == 1 ? 10 : 12;
  if (file.size() < begin) return Refuse("expected a header, found the end of the file");
  size_t size = byte(8) | byte(9) << 8;
  if (major > 1) size |= byte(10) << 16 | byte(11) << 24;
  if (size > file.size() - begin) {
    return Refuse("expected a header of " + std::to_string(size) + " bytes, found " +
                  std::to_string(file.size() - begin) + " before the end of the file");
  }
  return file.substr(begin, size);
}

}  // namespace

std::string NpyShapeText(const std::vector<uint64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

StatusOr<NpyDescription> DescribeNpy(std::string_view start) {
  VDB_ASSIGN_OR_RETURN(const std::string_view text, HeaderText(start));
  HeaderParser parser(text);
  VDB_RETURN_IF_ERROR(parser.Parse());
  NpyDescription description;
  description.data_offset = static_cast<uint64_t>(text.data() - start.data()) + text.size();
  description.descr = parser.descr;
  description.fortran_order = parser.fortran_order;
  description.shape = std::move(parser.shape);
  return description;
}

StatusOr<NpyHeader> ParseNpyHeader(std::string_view file, uint64_t file_bytes) {
  VDB_ASSIGN_OR_RETURN(const NpyDescription parser, DescribeNpy(file));
  if (parser.descr != "<f4" && parser.descr != "<f8") {
    return Refuse("expected elements '<f4' (float32) or '<f8' (float64), found '" +
                  parser.descr.substr(0, 40) +
                  "'; convert with array.astype('<f4')");
  }
  if (parser.shape.size() != 2) {
    return Refuse("expected two dimensions (rows, dimension), found shape " +
                  NpyShapeText(parser.shape) + "; convert with array.reshape(rows, dimension)");
  }
  if (parser.fortran_order) {
    return Refuse("expected C order, found Fortran order; convert with np.ascontiguousarray");
  }
  NpyHeader header;
  header.data_offset = parser.data_offset;
  header.rows = parser.shape[0];
  header.dimension = parser.shape[1];
  header.element_bytes = parser.descr == "<f4" ? 4 : 8;
  uint64_t elements = 0, bytes = 0, expected = 0;
  if (__builtin_mul_overflow(header.rows, header.dimension, &elements) ||
      __builtin_mul_overflow(elements, uint64_t{header.element_bytes}, &bytes) ||
      __builtin_add_overflow(bytes, header.data_offset, &expected) || expected != file_bytes) {
    return Refuse("shape " + NpyShapeText(parser.shape) + " of '" + parser.descr +
                  "' does not fit the file of " + std::to_string(file_bytes) + " bytes: expected " +
                  (expected != 0 ? std::to_string(expected) : "more than 2^64") +
                  "; is the file cut, or does it hold several arrays?");
  }
  return header;
}

}  // namespace vdb::format
