// ImportFile and ReadVectorFile, as an application calls them: progress, cancelling, and what their
// reports and refusals say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "tests/tools/tool_runner.h"
#include "vdb/database.h"
#include "vdb/import.h"

namespace vdb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImportApiTest : public tools::ToolTest {
 protected:
  void SetUp() override {
    ToolTest::SetUp();
    auto opened = Database::Open(db(), {.create_if_missing = true});
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    database_.emplace(std::move(*opened));
  }
  void TearDown() override {
    database_.reset();
    ToolTest::TearDown();
  }
  std::string Lines(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += "{\"id\": " + std::to_string(i) + ", \"vector\": [1, " + std::to_string(i) + "]}\n";
    }
    return WriteFile("lines.jsonl", text);
  }
  uint64_t Count(const std::string& collection) {
    const auto opened = database_->OpenCollection(collection);
    return opened.ok() ? *opened->Count() : 0;
  }

  std::optional<Database> database_;
};

TEST_F(ImportApiTest, ReportsProgressOnTheCallingThread) {
  const std::string file = Lines(1000);
  const uint64_t size = std::filesystem::file_size(file);
  const auto caller = std::this_thread::get_id();
  uint64_t last = 0;
  int calls = 0;
  ImportOptions options;
  options.batch_rows = 10;
  options.progress = [&](const Progress& progress) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(progress.total_count, size);
    EXPECT_GE(progress.done_count, last);
    last = progress.done_count;
    ++calls;
    return true;
  };
  const auto report = ImportFile(*database_, "c", file, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->document_count, 1000u);
  EXPECT_EQ(report->batch_count, 100u);
  EXPECT_EQ(report->bytes_read, size);
  EXPECT_EQ(last, size);
  EXPECT_GT(calls, 100);
  EXPECT_EQ(Count("c"), 1000u);
}

TEST_F(ImportApiTest, CancelledImportIsRunAgain) {
  std::vector<std::vector<float>> rows(1000, {1, 2});
  for (const std::string& file : {Lines(1000), WriteFile("x.fvecs", tools::Fvecs(rows))}) {
    ImportOptions options;
    options.batch_rows = 10;
    int calls = 0;
    options.progress = [&](const Progress&) { return ++calls < 20; };
    const auto cancelled = ImportFile(*database_, "c", file, options);
    EXPECT_EQ(cancelled.status().code(), StatusCode::kCancelled);
    EXPECT_GE(Count("c"), 150u);
    EXPECT_LE(Count("c"), 200u);
    options.progress = nullptr;
    const auto done = ImportFile(*database_, "c", file, options);
    ASSERT_TRUE(done.ok()) << done.status().ToString();
    EXPECT_EQ(Count("c"), 1000u);
    ASSERT_TRUE(database_->DropCollection("c").ok());
  }
}

TEST_F(ImportApiTest, RefusesOptions) {
  ImportOptions options;
  options.batch_rows = 0;
  EXPECT_THAT(ImportFile(*database_, "c", Lines(1), options).status().message(),
              HasSubstr("batch_rows"));
  options.batch_rows = 1;
  options.keys_path = "keys";
  EXPECT_THAT(ImportFile(*database_, "c", Lines(1), options).status().message(),
              HasSubstr("keys file"));
  EXPECT_THAT(ImportFile(*database_, "c", Path("missing.jsonl")).status().message(),
              HasSubstr("missing.jsonl"));
  EXPECT_EQ(ImportFile(*database_, "c", Path("a.txt")).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(database_->ListCollections()->empty());
}

TEST_F(ImportApiTest, AnEmptyFileMakesAnEmptyCollection) {
  const auto report = ImportFile(*database_, "c", WriteFile("none.jsonl", " \n\n"));
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->document_count, 0u);
  EXPECT_EQ(database_->ListCollections()->size(), 1u);
}

// A row of 1 MB and lines that cross every block boundary.
TEST_F(ImportApiTest, LinesOfAnyLength) {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += "{\"id\": " + std::to_string(i) + ", \"body\": \"" +
            std::string(static_cast<size_t>(i) * 77777, static_cast<char>('a' + i % 26)) + "\"}\n";
  }
  text.pop_back();  // the last newline may be missing
  const auto report = ImportFile(*database_, "c", WriteFile("long.jsonl", text));
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->document_count, 40u);
  const auto collection = database_->OpenCollection("c");
  for (int i = 0; i < 40; ++i) {
    const auto document = collection->Get(std::to_string(i));
    ASSERT_TRUE(document.ok());
    EXPECT_EQ(document->body->size(), static_cast<size_t>(i) * 77777);
  }
}

TEST_F(ImportApiTest, ReadsVectorFiles) {
  const auto fvecs = ReadVectorFile(WriteFile("x.fvecs", tools::Fvecs({{1, 2}, {3, 4}})));
  ASSERT_TRUE(fvecs.ok());
  EXPECT_EQ(fvecs->row_count, 2u);
  EXPECT_EQ(fvecs->dimension, 2u);
  EXPECT_THAT(fvecs->matrix().row(1), ElementsAre(3.0f, 4.0f));
  const auto lines = ParseVectorLines("[1, 2]\n\n[3, 4.5]");
  ASSERT_TRUE(lines.ok());
  EXPECT_THAT(lines->values, ElementsAre(1.0f, 2.0f, 3.0f, 4.5f));
  EXPECT_EQ(ParseVectorLines("")->row_count, 0u);
  EXPECT_THAT(ParseVectorLines("[1]\n[]").status().message(), HasSubstr("line 2"));
  EXPECT_THAT(ParseVectorLines("[[1]]").status().message(), HasSubstr("a number, found '['"));
  EXPECT_EQ(ReadVectorFile(Path("none.npy")).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace vdb
