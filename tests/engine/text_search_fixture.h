// What the tests of text search share: a database opened with its insides, and searches by words
// that go straight to the engine's scorer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/database_impl.h"
#include "engine/filter_run.h"
#include "engine/text_search.h"
#include "tests/engine/engine_fixture.h"

namespace vdb::testing {

class TextSearchTest : public EngineTest {
 protected:
  static constexpr uint64_t kSeed = 47;

  TextSearchTest() { options_.write_buffer_bytes = 64 << 10; }
  ~TextSearchTest() override {
    if (impl_ != nullptr) VDB_EXPECT_OK(db_->Close());
  }

  void OpenImpl(bool create) {
    engine::EngineOptions options = options_;
    options.user.create_if_missing = create;
    auto impl = engine::DatabaseImpl::Open(Path(), options);
    ASSERT_TRUE(impl.ok()) << Text(impl);
    impl_ = *impl;
    db_ = engine::DatabaseImpl::Wrap(impl_);
    if (create) {
      docs_ = MakeDocs(*db_);
    } else {
      docs_ = *db_->OpenCollection("docs");
    }
  }
  void CloseImpl() {
    impl_ = nullptr;
    docs_.reset();
    VDB_EXPECT_OK(db_->Close());
    db_.reset();
  }

  Status AddText(const std::string& field) {
    const auto added = docs_->AddFieldIndex({.field = field, .kind = FieldIndexKind::kText});
    return added.status();
  }

  StatusOr<engine::TextMatches> Find(const TextClause& clause, size_t k, const Filter& filter = {},
                                     const QueryLimits& limits = {}) {
    const auto view = impl_->CurrentView();
    EXPECT_TRUE(view.ok());
    const auto& collection = *(*view)->manifest->FindCollection("docs");
    query::Budget budget(limits);
    if (filter.matches_all()) {
      return engine::SearchText(**view, collection, clause, nullptr, k, &budget);
    }
    query::Budget unlimited;
    const auto matches = engine::RunFilter(**view, collection, filter, &unlimited);
    EXPECT_TRUE(matches.ok()) << Text(matches);
    return engine::SearchText(**view, collection, clause, &*matches, k, &budget);
  }

  std::vector<std::string> Found(const std::string& words, size_t k = 100) {
    const auto found = Find({.words = words}, k);
    EXPECT_TRUE(found.ok()) << Text(found);
    std::vector<std::string> keys;
    if (found.ok()) {
      for (const auto& hit : found->hits) keys.push_back(hit.key);
    }
    return keys;
  }

  std::shared_ptr<engine::DatabaseImpl> impl_;
  std::optional<Database> db_;
  std::optional<Collection> docs_;
};

}  // namespace vdb::testing
