// Any bytes as a filter: they parse, or are refused with a column; what parses prints as text that
// parses to the same, and can be evaluated. A libFuzzer entry; tests/query/filter_fuzz_test.cc also
// runs it on mutations of a corpus. With clang, in a build directory of its own:
//   cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DVDB_SANITIZE=address,undefined
//   ninja -C build-fuzz vdb
//   clang++ -std=c++20 -g -fsanitize=fuzzer,address,undefined -I. -Iinclude
//     tests/fuzz/filter_fuzz.cc build-fuzz/libvdb.a -o filter_fuzz   (on one line)
//   cut -d' ' -f2- tests/query/malformed_filters.txt | split -l 1 - corpus/ ; ./filter_fuzz corpus
#include <cstdint>
#include <string>
#include <string_view>

#include "format/metadata.h"
#include "query/filter_ranges.h"
#include "query/filter_tree.h"
#include "vdb/filter.h"

namespace {

using namespace vdb;  // NOLINT: a program of its own

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

const std::string& SomeDocument() {
  static const auto* const metadata = new std::string(*format::MetadataFromJson(
      R"({"a":[1,-2.5,"text",null,true,{"b":"x\u0000\udcff"}],"b":"2020-02-29T12:00:00Z",)"
      R"("year":2020,"tag":["a","b",[]],"author":{"name":"xyz"},"and":18446744073709551615})"));
  return *metadata;
}

// An index would come to the same answer as the document itself.
void RequireRangesAgree(const query::FilterNode& node) {
  for (const auto& child : node.children) RequireRangesAgree(*child);
  if (!node.is_predicate()) return;
  const auto matches = query::Matches(node, "key", SomeDocument());
  Require(matches.ok());
  bool indexed = false;
  const auto ranges = query::RangesOf(node);
  const auto entries = format::FieldEntriesOf(node.path, "key", SomeDocument());
  Require(entries.ok());
  for (const auto& entry : *entries) {
    for (const auto& range : ranges) {
      if (entry.value < range.first || entry.value >= range.past) continue;
      indexed = indexed || !range.test ||
                query::EntryMatches(node, entry.value, false) == query::EntryVerdict::kYes;
    }
  }
  Require(indexed == *matches);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = Filter::Parse(text);
  if (!filter.ok()) {
    Require(filter.status().code() == StatusCode::kInvalidArgument &&
            filter.status().message().starts_with("filter, column "));
    return 0;
  }
  Require(filter->status().ok());
  const std::string printed = filter->ToString();
  const auto again = Filter::Parse(printed);
  Require(again.ok() && again->ToString() == printed);
  if (filter->matches_all()) return 0;
  const auto matches = query::Matches(*filter->root(), "key", SomeDocument());
  const auto same = query::Matches(*again->root(), "key", SomeDocument());
  Require(matches.ok() && same.ok() && *matches == *same);
  RequireRangesAgree(*filter->root());
  return 0;
}
