// What the engine's tests share: a database in a scratch directory, and short ways to say things.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/engine_options.h"
#include "tests/support/scratch_dir.h"
#include "vdb/database.h"

namespace vdb {

// Shows in GoogleTest's messages.
inline void PrintTo(const Status& status, std::ostream* out) { *out << status.ToString(); }

namespace testing {

#define VDB_ASSERT_OK(expr)                                             \
  do {                                                                  \
    const auto& vdb_value_ = (expr);                                    \
    ASSERT_TRUE(vdb_value_.ok()) << ::vdb::testing::Text(vdb_value_);   \
  } while (0)
#define VDB_EXPECT_OK(expr)                                             \
  do {                                                                  \
    const auto& vdb_value_ = (expr);                                    \
    EXPECT_TRUE(vdb_value_.ok()) << ::vdb::testing::Text(vdb_value_);   \
  } while (0)

inline std::string Text(const Status& status) { return status.ToString(); }
template <typename T>
std::string Text(const StatusOr<T>& value) { return value.status().ToString(); }

class EngineTest : public ::testing::Test {
 protected:
  std::string Path() const { return scratch_.path() + "/db"; }

  Database Open(bool create = true) {
    engine::EngineOptions options = options_;
    options.user.create_if_missing = create;
    auto db = engine::OpenDatabase(Path(), options);
    EXPECT_TRUE(db.ok()) << Text(db);
    return std::move(db).value();
  }

  StatusOr<Database> OpenReadOnly() {
    engine::EngineOptions options = options_;
    options.user.read_only = true;
    options.user.create_if_missing = false;
    return engine::OpenDatabase(Path(), options);
  }

  // A collection "docs" with one column "v" of dimension 2, metric L2.
  Collection MakeDocs(Database& db, Metric metric = Metric::kL2) {
    auto docs = db.CreateCollection("docs");
    EXPECT_TRUE(docs.ok()) << Text(docs);
    const Status added = docs->AddColumn("v", {.dimension = 2, .metric = metric});
    EXPECT_TRUE(added.ok()) << Text(added);
    return *docs;
  }

  static Status Put(Collection& docs, const std::string& key, std::vector<float> v,
                    const std::string& metadata = "") {
    return docs.Put({.key = key, .metadata = metadata, .vectors = {{"v", v}}}).status();
  }

  static std::vector<std::string> Keys(const Answer& answer) {
    std::vector<std::string> keys;
    for (const Hit& hit : answer.hits) keys.push_back(hit.key);
    return keys;
  }

  static std::vector<std::string> Nearest(Collection& docs, std::vector<float> query, size_t k,
                                          const std::string& column = "") {
    auto result = docs.Search(VectorView(query), {.k = k, .column = column});
    EXPECT_TRUE(result.ok()) << Text(result);
    return result.ok() ? Keys(result->answers[0]) : std::vector<std::string>();
  }

  static void ExpectClean(Database& db) {
    auto report = db.Verify();
    ASSERT_TRUE(report.ok()) << Text(report);
    for (const auto& problem : report->problems) {
      ADD_FAILURE() << problem.file << " " << problem.where << ": " << problem.message;
    }
    EXPECT_EQ(report->problem_count, 0u);
  }

  // What verify says.
  static std::vector<std::string> ProblemsOf(const Database& db) {
    std::vector<std::string> messages;
    const auto report = db.Verify();
    EXPECT_TRUE(report.ok()) << Text(report);
    if (!report.ok()) return messages;
    for (const auto& problem : report->problems) messages.push_back(problem.message);
    return messages;
  }

  ScratchDir scratch_;
  engine::EngineOptions options_;
};

}  // namespace testing
}  // namespace vdb
