// Searches by words: scores by hand, errors, and limits that end a search and say so.
#include <memory>
#include <string>

#include "tests/engine/text_search_fixture.h"

namespace vdb::testing {
namespace {

TEST_F(TextSearchTest, ScoresByHand) {
  OpenImpl(true);
  VDB_ASSERT_OK(AddText("title"));
  VDB_ASSERT_OK(AddText("$body"));
  VDB_ASSERT_OK(docs_->Put({.key = "a", .metadata = R"({"title":"lemon tree"})"}));
  VDB_ASSERT_OK(docs_->Put({.key = "b", .metadata = R"({"title":"Lemon, lemon; apple pie"})"}));
  VDB_ASSERT_OK(docs_->Put({.key = "c", .metadata = R"({"title":"..."})", .body = "a lemon"}));
  VDB_ASSERT_OK(docs_->Put({.key = "d"}));
  // title: N 2, n 2, mean length 3: idf = ln 1.2; a: 2.2 / (1 + 1.2 * 0.75); b: 4.4 / (2 + 1.5).
  // $body: N 1, n 1: idf = ln(4 / 3), weight 1.
  const auto found = Find({.words = "lemon LEMON"}, 10);
  VDB_ASSERT_OK(found);
  ASSERT_EQ(found->hits.size(), 3u);
  EXPECT_EQ(found->hits[0].key, "c");
  EXPECT_NEAR(found->hits[0].score, 0.2876820724517809, 1e-12);
  EXPECT_EQ(found->hits[1].key, "b");
  EXPECT_NEAR(found->hits[1].score, 0.182321556793955 * 4.4 / 3.5, 1e-12);
  EXPECT_EQ(found->hits[2].key, "a");
  EXPECT_NEAR(found->hits[2].score, 0.182321556793955 * 2.2 / 1.9, 1e-12);
  EXPECT_EQ(found->postings_read, 3u);
  EXPECT_EQ(Find({.words = "lemon"}, 0)->hits.size(), 0u);
  EXPECT_TRUE(Found("... !").empty());
  EXPECT_TRUE(Found("").empty());
  EXPECT_TRUE(Found("nowhere").empty());
}

TEST_F(TextSearchTest, Errors) {
  OpenImpl(true);
  const auto none = Find({.words = "x"}, 5);
  EXPECT_EQ(none.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(none.status().message(),
              ::testing::HasSubstr("vdbtool field-index add DB docs FIELD --text"));
  VDB_ASSERT_OK(docs_->AddFieldIndex({.field = "title"}));  // of the other kind
  EXPECT_EQ(Find({.words = "x"}, 5).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Find({.words = "x", .fields = {"title"}}, 5).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Find({.words = "x", .fields = {"a..b"}}, 5).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(AddText("$key").code(), StatusCode::kInvalidArgument);
  VDB_ASSERT_OK(AddText("title"));
  EXPECT_EQ(AddText("`title`").code(), StatusCode::kAlreadyExists);
  VDB_EXPECT_OK(Find({.words = "x", .fields = {"`title`"}}, 5));
  EXPECT_EQ(docs_->DropFieldIndex("$body", FieldIndexKind::kText).code(), StatusCode::kNotFound);
}

TEST_F(TextSearchTest, LimitsEndASearchAndSaySo) {
  OpenImpl(true);
  VDB_ASSERT_OK(AddText("t"));
  WriteBatch batch;
  for (int i = 0; i < 3000; ++i) {
    batch.Put({.key = "k" + std::to_string(i), .metadata = R"({"t":"a b"})"});
  }
  VDB_ASSERT_OK(docs_->Write(batch));
  const auto all = Find({.words = "a b"}, 3000);
  VDB_ASSERT_OK(all);
  EXPECT_EQ(all->hits.size(), 3000u);
  EXPECT_EQ(all->stopped, StopReason::kNone);
  const auto little = Find({.words = "a b"}, 5000, {}, {.memory_bytes = 1000});
  VDB_ASSERT_OK(little);
  EXPECT_EQ(little->stopped, StopReason::kMemory);
  EXPECT_TRUE(little->hits.empty());
  // Enough for the first word and not for the second.
  const auto half = Find({.words = "a b"}, 5000, {}, {.memory_bytes = 190'000});
  VDB_ASSERT_OK(half);
  EXPECT_EQ(half->stopped, StopReason::kMemory);
  EXPECT_EQ(half->document_count, 3000u);
  EXPECT_EQ(half->hits.size(), 1024u);
  EXPECT_LT(half->hits[0].score, all->hits[0].score);
  auto cancel = std::make_shared<CancelToken>();
  cancel->Cancel();
  const auto cancelled = Find({.words = "a"}, 5, {}, {.cancel = cancel});
  VDB_ASSERT_OK(cancelled);
  EXPECT_EQ(cancelled->stopped, StopReason::kCancelled);
  EXPECT_EQ(cancelled->postings_read, 0u);
}

// The clock passes the deadline when it is asked for the `last` time and one more.
TEST_F(TextSearchTest, WordsWithoutPostingsAndKeysAskTheClock) {
  OpenImpl(true);
  VDB_ASSERT_OK(AddText("t"));
  WriteBatch batch;
  for (int i = 0; i < 3000; ++i) {
    batch.Put({.key = "k" + std::to_string(i), .metadata = R"({"t":"a b"})"});
  }
  VDB_ASSERT_OK(docs_->Write(batch));
  const auto view = impl_->CurrentView();
  VDB_ASSERT_OK(view);
  const auto& collection = *(*view)->manifest->FindCollection("docs");
  int asked = 0;
  const auto find = [&](const std::string& words, int last) {
    asked = 0;
    query::Budget budget({.deadline_ms = 1}, [&asked, last] {
      return ++asked <= last ? int64_t{0} : int64_t{1'000'000};
    });
    const auto found = engine::SearchText(**view, collection, {.words = words}, nullptr, 5000,
                                          &budget);
    EXPECT_TRUE(found.ok()) << Text(found);
    return *found;
  };
  std::string unknown;
  for (int i = 0; i < 1000; ++i) unknown += "u" + std::to_string(i) + " ";
  EXPECT_EQ(find(unknown, 1 << 20).stopped, StopReason::kNone);
  EXPECT_GT(asked, 1000);
  EXPECT_EQ(find(unknown, 10).stopped, StopReason::kDeadline);
  EXPECT_EQ(asked, 11);
  EXPECT_EQ(find("a", 1 << 20).hits.size(), 3000u);
  const auto some = find("a", asked - 11);  // 12 times for the keys
  EXPECT_EQ(some.stopped, StopReason::kDeadline);
  EXPECT_EQ(some.document_count, 3000u);
  EXPECT_EQ(some.hits.size(), 256u + 1024u);
}

TEST_F(TextSearchTest, MoreWordsThanAQueryMayHave) {
  OpenImpl(true);
  VDB_ASSERT_OK(AddText("t"));
  std::string words;
  for (size_t i = 0; i < kTextWordsMax; ++i) words += "u" + std::to_string(i) + " ";
  VDB_EXPECT_OK(Find({.words = words + words}, 5));
  const auto many = Find({.words = words + "v"}, 5);
  EXPECT_EQ(many.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(many.status().message(), ::testing::HasSubstr("1000"));
  words = std::string(kTextWordsBytesMax, ' ');
  VDB_EXPECT_OK(Find({.words = words}, 5));
  const auto big = Find({.words = words + " "}, 5);
  EXPECT_EQ(big.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(big.status().message(), ::testing::HasSubstr("65536"));
}

}  // namespace
}  // namespace vdb::testing
