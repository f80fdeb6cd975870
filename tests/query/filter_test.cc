// Filters on documents: the evaluator and the ranges of encodings agree with a naive evaluation on
// values of the test's own (filter_oracle.h); text and builder make the same filter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "format/metadata.h"
#include "query/filter_ranges.h"
#include "query/filter_tree.h"
#include "tests/query/filter_oracle.h"
#include "vdb/filter.h"

namespace vdb::query {
namespace {

using ::testing::HasSubstr;

bool MatchesOf(const Filter& filter, const std::string& key, const std::string& metadata) {
  const auto matches = Matches(*filter.root(), key, metadata);
  EXPECT_TRUE(matches.ok()) << filter.ToString();
  return matches.ok() && *matches;
}

// What an index of the predicate's field comes to. `looks` counts documents it had to look at.
bool MatchesByRanges(const FilterNode& predicate, const std::string& key,
                     const std::string& metadata, int* looks) {
  const auto ranges = RangesOf(predicate);
  for (size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_LT(ranges[i].first, ranges[i].past);
    EXPECT_TRUE(i == 0 || ranges[i - 1].past <= ranges[i].first);
  }
  bool yes = false, look = false;
  const auto entries = format::FieldEntriesOf(predicate.path, key, metadata);
  EXPECT_TRUE(entries.ok());
  for (const format::FieldEntry& entry : *entries) {
    const EntryVerdict verdict = EntryMatches(predicate, entry.value, entry.cut);
    EXPECT_TRUE(entry.cut || verdict != EntryVerdict::kLook);
    bool in_range = false;
    for (const FieldRange& range : ranges) {
      if (entry.value < range.first || entry.value >= range.past) continue;
      in_range = true;
      EXPECT_TRUE(range.test || entry.cut || verdict == EntryVerdict::kYes);
      yes = yes || verdict == EntryVerdict::kYes;
      look = look || verdict == EntryVerdict::kLook;
    }
    EXPECT_TRUE(in_range || entry.cut || verdict == EntryVerdict::kNo);
    EXPECT_TRUE(in_range || verdict != EntryVerdict::kYes);
  }
  if (yes || !look) return yes;
  ++*looks;
  return *Matches(predicate, key, metadata);
}

// All predicates of a tree, those under negated forms as what they negate.
void CollectPredicates(const FilterNode& node, std::vector<const FilterNode*>* predicates) {
  if (node.is_predicate()) predicates->push_back(&node);
  for (const auto& child : node.children) CollectPredicates(*child, predicates);
}

TEST(Filter, AgreesWithANaiveEvaluation) {
  OracleMaker maker(1);
  struct Document {
    std::string key;
    OracleValue value;
    std::string metadata;
  };
  std::vector<Document> documents;
  for (int i = 0; i < 100; ++i) {
    Document document{maker.Key(), maker.Document(), ""};
    const auto metadata = format::MetadataFromJson(document.value.text);
    ASSERT_TRUE(metadata.ok()) << document.value.text << metadata.status().message();
    document.metadata = *metadata;
    documents.push_back(std::move(document));
  }
  int pairs = 0, matching = 0, looks = 0, predicate_pairs = 0, predicate_matches = 0;
  for (int round = 0; round < 300; ++round) {
    const OracleFilter oracle = maker.AnyFilter(round % 4);
    const auto filter = Filter::Parse(oracle.Text());
    ASSERT_TRUE(filter.ok()) << oracle.Text() << filter.status().message();
    const std::string text = filter->ToString();
    const Filter built = oracle.Build();
    ASSERT_TRUE(built.status().ok()) << built.status().message();
    ASSERT_EQ(built.ToString(), text) << oracle.Text();
    const auto again = Filter::Parse(text);
    ASSERT_TRUE(again.ok()) << text << again.status().message();
    ASSERT_EQ(again->ToString(), text);
    std::vector<const FilterNode*> predicates;
    CollectPredicates(*built.root(), &predicates);
    for (const Document& document : documents) {
      const bool expected = oracle.Matches(document.key, document.value);
      ASSERT_EQ(MatchesOf(built, document.key, document.metadata), expected)
          << text << "\n" << document.value.text;
      ASSERT_EQ(MatchesOf(*again, document.key, document.metadata), expected) << text;
      ++pairs;
      matching += expected;
      for (const FilterNode* predicate : predicates) {
        const bool holds = *Matches(*predicate, document.key, document.metadata);
        ASSERT_EQ(MatchesByRanges(*predicate, document.key, document.metadata, &looks), holds)
            << text << "\n" << document.value.text;
        ++predicate_pairs;
        predicate_matches += holds;
      }
    }
  }
  // Neither side of anything is rare.
  EXPECT_GE(pairs, 10000);
  EXPECT_GT(matching, pairs / 10);
  EXPECT_LT(matching, pairs - pairs / 10);
  EXPECT_GT(predicate_matches, predicate_pairs / 20);
  EXPECT_GT(looks, 50);
}

// Single predicates, so that every operator meets every type of value.
TEST(Filter, PredicatesAgreeOnEveryType) {
  OracleMaker maker(2);
  int looks = 0;
  for (int round = 0; round < 10000; ++round) {
    const OracleFilter oracle = maker.AnyFilter(0);
    const std::string key = maker.Key();
    const OracleValue document = maker.Document();
    const std::string metadata = *format::MetadataFromJson(document.text);
    const Filter filter = oracle.Build();
    ASSERT_TRUE(filter.status().ok()) << filter.status().message();
    const bool expected = oracle.Matches(key, document);
    ASSERT_EQ(MatchesOf(filter, key, metadata), expected)
        << filter.ToString() << "\n" << document.text;
    std::vector<const FilterNode*> predicates;
    CollectPredicates(*filter.root(), &predicates);
    const bool negated = !filter.root()->is_predicate();
    ASSERT_EQ(MatchesByRanges(*predicates[0], key, metadata, &looks), expected != negated)
        << filter.ToString() << "\n" << document.text;
  }
}

bool TextMatches(const char* text, const char* json) {
  const auto filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status().message();
  return filter.ok() && MatchesOf(*filter, "the key", *format::MetadataFromJson(json));
}

// The examples of docs/filters.md.
TEST(Filter, MeansWhatTheDocumentationSays) {
  const struct {
    const char* filter;
    const char* document;
    bool matches;
  } kCases[] = {
      {"year = 2020", R"({"year":2020.0})", true},
      {"year = 2020", R"({"year":"2020"})", false},
      {"year != 2020", R"({})", true},
      {"year < 2020", R"({})", false},
      {"not year < 2020", R"({})", true},
      {"year < 2020", R"({"year":null})", false},
      {"year exists", R"({"year":null})", true},
      {"year is null", R"({"year":null})", true},
      {"year is null", R"({})", false},
      {"year is not null", R"({})", true},
      {"year exists and year is not null", R"({"year":1})", true},
      {"tag = \"a\"", R"({"tag":["a","b"]})", true},
      {"tag != \"a\"", R"({"tag":["a","b"]})", false},
      {"not tag = \"a\"", R"({"tag":["b","c"]})", true},
      {"n > 1 and n < 3", R"({"n":[0,4]})", true},
      {"n between 1 and 3", R"({"n":[0,4]})", false},
      {"n between 3 and 1", R"({"n":2})", false},
      {"tag exists", R"({"tag":[]})", true},
      {"tag is null", R"({"tag":[]})", false},
      {"m = 1", R"({"m":[[1]]})", false},
      {"m exists", R"({"m":{}})", true},
      {"author.name = \"x\"", R"({"author":[{"name":"y"},{"name":["z","x"]}]})", true},
      {"author.name = \"x\"", R"({"author":[[{"name":"x"}]]})", false},
      {"big = 9007199254740993", R"({"big":9007199254740993})", true},
      {"big = 9007199254740993", R"({"big":9007199254740992.0})", false},
      {"big > 18446744073709551614", R"({"big":18446744073709551615})", true},
      {"zero = -0.0", R"({"zero":0})", true},
      {"t = timestamp \"2020-01-01T00:00:00Z\"", R"({"t":"2020-01-01T01:00:00+01:00"})", true},
      {"t = \"2020-01-01T00:00:00Z\"", R"({"t":"2020-01-01T01:00:00+01:00"})", false},
      {"t >= timestamp \"2020-01-01T00:00:00Z\"", R"({"t":"yesterday"})", false},
      {"x in (1, \"a\", true)", R"({"x":[null,true]})", true},
      {"x not in (1, \"a\", true)", R"({})", true},
      {"s contains \"\"", R"({"s":"any"})", true},
      {"s contains \"\"", R"({"s":1})", false},
      {"s starts with \"an\"", R"({"s":[1,"any"]})", true},
      {"flag > false", R"({"flag":true})", true},
      {"flag > 0", R"({"flag":true})", false},
      {"$key = \"the key\"", R"({})", true},
      {"$key exists", R"({})", true},
      {"$key is null or $key > 1", R"({})", false},
      {"`$key` exists", R"({})", false},
      {"`in` = 1 and a.in = 1", R"({"in":1,"a":{"in":1}})", true},
  };
  for (const auto& c : kCases) EXPECT_EQ(TextMatches(c.filter, c.document), c.matches) << c.filter;
}

TEST(Filter, OfNothingAndEverything) {
  EXPECT_TRUE(Filter().matches_all());
  EXPECT_TRUE(Filter::And({}).matches_all());
  EXPECT_TRUE(Filter::And({Filter(), Filter()}).matches_all());
  EXPECT_TRUE(Filter::Or({Field("a").Exists(), Filter()}).matches_all());
  EXPECT_EQ(Filter().ToString(), "");
  EXPECT_TRUE(Filter::Parse(" \t\r\n")->matches_all());
  for (const Filter& none : {Filter::Or({}), Filter::Not(Filter()), Filter::Not(Filter::And({}))}) {
    EXPECT_FALSE(none.matches_all());
    EXPECT_FALSE(MatchesOf(none, "", ""));
    EXPECT_EQ(none.ToString(), "not $key exists");
  }
  EXPECT_EQ(Filter::And({Filter(), Field("a").Exists()}).ToString(), "a exists");
}

TEST(Filter, BuilderRefusesWhatHasNoText) {
  const auto message = [](const Filter& filter) {
    EXPECT_EQ(filter.status().code(), StatusCode::kInvalidArgument);
    EXPECT_FALSE(filter.matches_all());
    EXPECT_EQ(filter.root(), nullptr);
    return filter.status().message();
  };
  const double infinite = std::numeric_limits<double>::infinity();
  const Filter bad = Field("a b").Exists();
  EXPECT_THAT(message(bad), HasSubstr("filter: field path: at byte 1"));
  EXPECT_EQ(message(Filter::And({Filter(), bad})), message(bad));
  EXPECT_EQ(message(Filter::Or({bad, Filter()})), message(bad));
  EXPECT_EQ(message(Filter::Not(bad)), message(bad));
  EXPECT_THAT(message(Field("$body").Contains("x")), HasSubstr("found $body"));
  EXPECT_THAT(message(Field("a").Less(infinite)), HasSubstr("finite"));
  EXPECT_THAT(message(Field("a").Equals(std::numeric_limits<double>::quiet_NaN())),
              HasSubstr("finite"));
  EXPECT_THAT(message(Field("a").Between(1, "x")), HasSubstr("one type"));
  EXPECT_THAT(message(Field("a").In({})), HasSubstr("found none"));
  EXPECT_THAT(message(Field("a").Equals(Timestamp{INT64_MAX, 0})), HasSubstr("9999"));
  EXPECT_THAT(message(Field("a").Equals(Timestamp{0, 1'000'000'000})), HasSubstr("nanosec"));
}

TEST(Filter, BuilderLimits) {
  // Junctions of the same kind are flat, however they were put together.
  Filter filter = Field("a").Exists();
  for (int i = 0; i < 1000; ++i) filter = Filter::And({filter, Field("b").Equals(i)});
  EXPECT_TRUE(filter.status().ok());
  filter = Field("a").Exists();
  for (size_t i = 0; i < kFilterDepthMax; ++i) {
    ASSERT_TRUE(filter.status().ok());
    filter = i % 3 == 0   ? Filter::Not(filter)
             : i % 3 == 1 ? Filter::Or({filter, Field("b").Exists()})
                          : Filter::And({Field("c").Exists(), filter});
  }
  ASSERT_TRUE(filter.status().ok());
  const auto again = Filter::Parse(filter.ToString());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->ToString(), filter.ToString());
  EXPECT_THAT(Filter::Not(filter).status().message(), HasSubstr("64 deep"));

  std::vector<FilterValue> values;
  for (size_t i = 1; i < kFilterNodesMax; ++i) values.push_back(i);
  EXPECT_TRUE(Field("a").In(values).status().ok());
  EXPECT_TRUE(MatchesOf(Field("a").In(values), "", *format::MetadataFromJson(R"({"a":9999})")));
  EXPECT_FALSE(MatchesOf(Field("a").In(values), "", *format::MetadataFromJson(R"({"a":10000})")));
  values.push_back("one more");
  EXPECT_THAT(Field("a").In(values).status().message(), HasSubstr("found 10001"));
}

TEST(Filter, DamagedMetadataIsCorruption) {
  const std::string metadata = *format::MetadataFromJson(R"({"a":"text","b":[1,2]})");
  const auto filter = *Filter::Parse("not (a = \"x\" or b > 3)");
  int corrupt = 0;
  for (size_t at = 0; at < metadata.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string damaged = metadata;
      damaged[at] = static_cast<char>(value);
      const auto matches = Matches(*filter.root(), "k", damaged);
      if (matches.ok()) continue;
      EXPECT_EQ(matches.status().code(), StatusCode::kCorruption);
      ++corrupt;
    }
  }
  EXPECT_GT(corrupt, 100);
}

}  // namespace
}  // namespace vdb::query
