// Text indexes: built beside writers, kept up by every write, gone after a drop; verify finds
// postings and statistics exactly right, and names what is not.
#include <atomic>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "format/document_record.h"
#include "format/text_entry.h"
#include "tests/engine/planted_store.h"
#include "tests/engine/text_search_fixture.h"

namespace vdb::testing {
namespace {

TEST_F(TextSearchTest, WritersGoOnDuringABuild) {
  options_.field_chunk_documents = 200;
  OpenImpl(true);
  WriteBatch batch;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = "word" + std::to_string(i % 7);
    const std::string metadata = "{\"t\":\"" + text + "\"}";
    batch.Put({.key = "k" + std::to_string(i), .metadata = metadata, .body = "stays"});
  }
  VDB_ASSERT_OK(docs_->Write(batch));
  std::atomic<bool> stop{false};
  std::atomic<int> written{0};
  std::thread writer([&] {
    Collection mine = *docs_;
    std::mt19937_64 random(kSeed);
    while (!stop) {
      const std::string key = "k" + std::to_string(random() % 3500);
      const std::string metadata = "{\"t\":\"word" + std::to_string(random() % 9) + " x\"}";
      const std::vector<float> v = {1, 2};
      Status done;
      switch (random() % 4) {
        case 0: done = mine.Delete(key, {.sync = false}).status(); break;
        case 1: done = mine.SetMetadata(key, metadata, {.sync = false}).status(); break;
        case 2: done = mine.SetVector(key, "v", VectorView(v), {.sync = false}).status(); break;
        default: done = mine.Put({.key = key, .metadata = metadata}, {.sync = false}).status();
      }
      EXPECT_TRUE(done.ok() || done.code() == StatusCode::kNotFound) << done.ToString();
      ++written;
    }
  });
  for (const char* field : {"t", "$body"}) {
    int seen = written, calls = 0;
    const auto report = docs_->AddFieldIndex(
        {.field = field, .kind = FieldIndexKind::kText, .progress = [&](const Progress&) {
           while (written < seen + 3) std::this_thread::yield();  // it gets its turn
           seen = written;
           return ++calls != 4;
         }});
    EXPECT_EQ(report.status().code(), StatusCode::kCancelled);
    ExpectClean(*db_);  // half built
    VDB_EXPECT_OK(docs_->AddFieldIndex({.field = field, .kind = FieldIndexKind::kText}));
    ExpectClean(*db_);
  }
  stop = true;
  writer.join();
  ExpectClean(*db_);
  CloseImpl();
  OpenImpl(false);
  ExpectClean(*db_);
}

TEST_F(TextSearchTest, AMetadataUpdateDoesNotReadTheBody) {
  OpenImpl(true);
  VDB_ASSERT_OK(AddText("$body"));
  VDB_ASSERT_OK(docs_->Put({.key = "a", .body = "before"}));
  CloseImpl();
  PlantedStore(Path()).Write(
      [](storage::StoreBatch* batch) { batch->Put(format::BodyKey(1, "a"), "after"); });
  OpenImpl(false);
  VDB_ASSERT_OK(docs_->SetMetadata("a", "{\"x\":1}"));
  EXPECT_EQ(Found("before").size(), 1u);
  EXPECT_EQ(Found("after").size(), 0u);
}

TEST_F(TextSearchTest, DropsLeaveNothing) {
  OpenImpl(true);
  VDB_ASSERT_OK(AddText("t"));
  VDB_ASSERT_OK(docs_->Put({.key = "a", .metadata = "{\"t\":\"x\"}"}));
  VDB_ASSERT_OK(docs_->DropFieldIndex("t", FieldIndexKind::kText));
  VDB_ASSERT_OK(AddText("t"));  // id 2
  VDB_ASSERT_OK(db_->DropCollection("docs"));
  CloseImpl();
  const auto is_empty = [](PlantedStore& store) {
    return !(*store.store().NewCursor("X"))->Valid();
  };
  {
    PlantedStore store(Path());
    EXPECT_TRUE(is_empty(store));
    store.Write([](storage::StoreBatch* batch) {  // as of a drop that a crash cut short
      batch->Put(format::PostingKey(77, "x", 1), format::PostingValue(1, 1, "a"));
      batch->Put(format::TextStatisticsKey(77), format::EncodeTextStatistics({1, 1}));
    });
    EXPECT_FALSE(is_empty(store));
  }
  {
    Database db = Open(false);
    VDB_EXPECT_OK(db.Close());
  }
  PlantedStore store(Path());
  EXPECT_TRUE(is_empty(store));
}

class PlantedTextTest : public TextSearchTest {
 protected:
  PlantedTextTest() {
    OpenImpl(true);
    VDB_EXPECT_OK(AddText("t"));
    for (const std::string key : {"a", "b", "c"}) {
      VDB_EXPECT_OK(docs_->Put({.key = key, .metadata = "{\"t\":\"every " + key + "\"}"}));
    }
    CloseImpl();
  }
  // What verify says after `fill`.
  std::vector<std::string> Problems(const std::function<void(storage::StoreBatch*)>& fill) {
    PlantedStore(Path()).Write(fill);
    return ProblemsOf(Open(false));
  }
};

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(PlantedTextTest, NothingPlantedNothingFound) {
  EXPECT_THAT(Problems([](storage::StoreBatch* batch) {
                batch->Put(format::PostingKey(1, "every", 2), format::PostingValue(1, 2, "b"));
                batch->Put(format::TextStatisticsKey(1), format::EncodeTextStatistics({3, 6}));
              }),
              ::testing::IsEmpty());
}

TEST_F(PlantedTextTest, VerifyFindsAMissingPosting) {
  EXPECT_THAT(Problems([](storage::StoreBatch* batch) {
                batch->Delete(format::PostingKey(1, "every", 2));
              }),
              ElementsAre(HasSubstr("a posting is missing")));
}

TEST_F(PlantedTextTest, VerifyFindsSurplusPostings) {
  EXPECT_THAT(Problems([](storage::StoreBatch* batch) {
                batch->Put(format::PostingKey(1, "every", 9), format::PostingValue(1, 2, "b"));
                batch->Put(format::PostingKey(1, "other", 2), format::PostingValue(1, 2, "b"));
                batch->Put(format::PostingKey(1, "some", 7), format::PostingValue(1, 2, "z"));
              }),
              ElementsAre(HasSubstr("no document has the posting"), HasSubstr("other"),
                          HasSubstr("some")));
}

TEST_F(PlantedTextTest, VerifyFindsWrongPostings) {
  for (const std::string& wrong :
       {format::PostingValue(2, 2, "b"), format::PostingValue(1, 3, "b"),
        format::PostingValue(1, 2, "c"), std::string("\1")}) {
    EXPECT_THAT(Problems([&wrong](storage::StoreBatch* batch) {
                  batch->Put(format::PostingKey(1, "every", 2), wrong);
                }),
                ElementsAre(HasSubstr("other figures or another key")));
  }
}

TEST_F(PlantedTextTest, VerifyFindsWrongStatistics) {
  for (const format::TextStatistics& wrong :
       {format::TextStatistics{2, 6}, format::TextStatistics{3, 7}}) {
    EXPECT_THAT(Problems([&wrong](storage::StoreBatch* batch) {
                  batch->Put(format::TextStatisticsKey(1), format::EncodeTextStatistics(wrong));
                }),
                ElementsAre(HasSubstr("its statistics are")));
  }
  EXPECT_THAT(Problems([](storage::StoreBatch* batch) {
                batch->Delete(format::TextStatisticsKey(1));
              }),
              ElementsAre(HasSubstr("its statistics are 0 documents")));
  EXPECT_THAT(Problems([](storage::StoreBatch* batch) {
                batch->Put(format::TextStatisticsKey(1), "x");
              }),
              ElementsAre(HasSubstr("do not decode")));
}

TEST_F(PlantedTextTest, DamagedEntriesAreErrorsNotAnswers) {
  PlantedStore(Path()).Write([](storage::StoreBatch* batch) {
    batch->Put(format::PostingKey(1, "every", 2), "x");
  });
  OpenImpl(false);
  EXPECT_EQ(Find({.words = "every"}, 5).status().code(), StatusCode::kCorruption);
  EXPECT_EQ(Found("a").size(), 1u);
  CloseImpl();
  PlantedStore(Path()).Write([](storage::StoreBatch* batch) {
    batch->Put(format::TextStatisticsKey(1), "x");
  });
  OpenImpl(false);
  EXPECT_EQ(Find({.words = "a"}, 5).status().code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace vdb::testing
