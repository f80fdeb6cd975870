// Filters as the engine runs them: which plan is chosen, what it reads, and what a budget that ends
// leaves of its matches.
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/filter_reader.h"
#include "engine/filter_run.h"
#include "tests/engine/field_index_fixture.h"
#include "tests/engine/planted_store.h"

namespace vdb::testing {
namespace {

// Plans and budgets, on documents that the engine wrote: the store is read as the engine does.
class FilterRunTest : public FieldIndexTest {
 protected:
  static constexpr int kDocuments = 4000;

  FilterRunTest() {
    Database db = Open();
    Collection docs = *db.CreateCollection("docs");
    for (const char* field : {"n", "m", "all"}) {
      EXPECT_TRUE(docs.AddFieldIndex({.field = field}).ok());
    }
    WriteBatch batch;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string key = "key" + std::to_string(i);
      const std::string metadata = "{\"n\":" + std::to_string(i) + ",\"m\":" +
                                   std::to_string(i % 100) + ",\"u\":" + std::to_string(i % 7) +
                                   ",\"all\":true}";
      batch.Put({.key = key, .metadata = metadata});
    }
    EXPECT_TRUE(docs.Write(batch).ok());
    EXPECT_TRUE(db.Close().ok());
    planted_ = std::make_unique<PlantedStore>(Path());
    auto manifest = std::make_shared<format::Manifest>();
    format::CollectionEntry collection = {1, "docs", 0, {}, {}};
    uint32_t id = 0;
    for (const char* field : {"n", "m", "all"}) {
      collection.field_indexes.push_back({++id, {{field}}, FieldIndexKind::kOrdered, true});
    }
    manifest->collections.push_back(collection);
    view_.manifest = manifest;
    view_.store = std::shared_ptr<storage::DocumentStore>(&planted_->store(), [](auto*) {});
  }

  engine::FilterMatches Run(std::string_view text, query::Budget* budget) {
    auto matches = engine::RunFilter(view_, view_.manifest->collections[0], Parse(text), budget);
    EXPECT_TRUE(matches.ok()) << Text(matches);
    return std::move(matches).value();
  }
  engine::FilterMatches Run(std::string_view text) {
    query::Budget unlimited;
    return Run(text, &unlimited);
  }

  std::unique_ptr<PlantedStore> planted_;
  engine::View view_;
};

TEST_F(FilterRunTest, IndexesAloneReadNoMetadata) {
  for (const auto& [text, count] : std::map<std::string, uint64_t>{
           {"n < 400", 400},
           {"n < 400 and m = 7", 4},
           {"not n < 400", 3600},
           {"n < 10 or m = 99 or $key = \"key11\"", 51},
           {"not (n < 400 or m != 7)", 36}}) {
    const auto matches = Run(text);
    EXPECT_EQ(matches.match_count, count) << text;
    EXPECT_EQ(matches.explain.plan, "indexes") << text;
    EXPECT_EQ(matches.explain.metadata_bytes, 0u) << text;
    EXPECT_EQ(matches.explain.document_count, uint64_t{kDocuments});
  }
  const auto matches = Run("n < 400");
  ASSERT_EQ(matches.explain.predicates.size(), 1u);
  EXPECT_EQ(matches.explain.predicates[0].index, "n");
  EXPECT_EQ(matches.explain.predicates[0].entries_read, 400u);
  EXPECT_NEAR(double(matches.explain.predicates[0].estimated_count), 400, 200);
}

TEST_F(FilterRunTest, AFewCandidatesAreLookedAt) {
  const auto matches = Run("n < 70 and u = 3");
  EXPECT_EQ(matches.match_count, 10u);
  EXPECT_EQ(matches.explain.plan, "indexes, then documents");
  EXPECT_EQ(matches.explain.documents_read, 70u);
  EXPECT_GT(matches.explain.metadata_bytes, 0u);
}

TEST_F(FilterRunTest, ManyCandidatesAreScanned) {
  const auto matches = Run("n < 3900 and u = 3");
  EXPECT_EQ(matches.match_count, 557u);
  EXPECT_EQ(matches.explain.plan, "documents");
  EXPECT_EQ(Run("u = 3").explain.plan, "documents");
  EXPECT_EQ(Run("u = 3 or n = 1").match_count, 572u);
}

TEST_F(FilterRunTest, AHugeConditionIsNotReadForAFewCandidates) {
  const auto matches = Run("n < 5 and all = true");
  EXPECT_EQ(matches.match_count, 5u);
  EXPECT_EQ(matches.explain.plan, "indexes, then documents") << matches.explain.reason;
  EXPECT_EQ(matches.explain.documents_read, 5u);
  EXPECT_EQ(matches.explain.predicates[1].entries_read, 0u);
}

// Stopped after each possible block: what is there is right, and not everything is.
TEST_F(FilterRunTest, AStoppedFilterHasNoWrongMatches) {
  for (const std::string text : {"n < 3000", "not n < 1000", "n >= 0 and not m = 5", "u = 3",
                                 "n < 100 and u = 3", "$key contains \"1\"",
                                 "n < 3000 or m < 90"}) {
    const auto whole = Run(text);
    const auto holds = [&whole](uint64_t docno) {
      return whole.docnos.Contains(docno) != whole.complement;
    };
    bool finished = false;
    for (int asked = 0; asked < 40 && !finished; ++asked) {
      int64_t now = 0;
      int calls = 0;
      query::Budget budget({.deadline_ms = 1}, [&] {
        if (calls++ > asked) now += 1'000'000'000;
        return now;
      });
      const auto part = Run(text, &budget);
      finished = part.stopped == StopReason::kNone;
      EXPECT_EQ(part.stopped, finished ? StopReason::kNone : StopReason::kDeadline);
      if (finished) {
        EXPECT_EQ(part.match_count, whole.match_count);
      }
      if (part.complement) {
        EXPECT_TRUE(finished);
        continue;
      }
      for (const uint64_t docno : part.docnos.ToVector()) EXPECT_TRUE(holds(docno)) << text;
    }
    EXPECT_TRUE(finished) << text;
  }
}

TEST_F(FilterRunTest, MemoryIsBounded) {
  query::Budget budget({.memory_bytes = 10'000});
  EXPECT_EQ(Run("n >= 0", &budget).stopped, StopReason::kMemory);
  query::Budget enough({.memory_bytes = 1'000'000});
  EXPECT_EQ(Run("n >= 0", &enough).stopped, StopReason::kNone);
}

}  // namespace
}  // namespace vdb::testing
