// Text indexes: whatever is written, and whenever an index comes or goes, words find what a naive
// BM25 over all documents finds, in its order; verify finds postings and statistics exactly right.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "engine/database_impl.h"
#include "engine/filter_run.h"
#include "engine/text_search.h"
#include "format/document_record.h"
#include "format/text_entry.h"
#include "tests/engine/engine_fixture.h"
#include "tests/engine/planted_store.h"
#include "vdb/json_text.h"

namespace vdb::testing {
namespace {

constexpr uint64_t kSeed = 47;

using Tokens = std::vector<std::string>;

// Words as they are written, and the token each of them must become.
struct Word {
  const char* written;
  const char* token;
};
const Word kWords[] = {
    {"lemon", "lemon"}, {"Lemon", "lemon"}, {"tree", "tree"}, {"TREE", "tree"},
    {"can't", "can't"}, {"3.14", "3.14"}, {"rare", "rare"},
    {"Stra\xC3\x9F" "e", "strasse"}, {"STRASSE", "strasse"},
    {"\xC3\xA9t\xC3\xA9", "\xC3\xA9t\xC3\xA9"}, {"E\xCC\x81T\xC3\x89", "\xC3\xA9t\xC3\xA9"},
    {"\xE5\xA4\xA7\xE5\xAD\xA6", "\xE5\xA4\xA7\xE5\xAD\xA6"},
    {"\xE0\xB8\x84\xE0\xB8\xA3\xE0\xB8\xB1\xE0\xB8\x9A",
     "\xE0\xB8\x84\xE0\xB8\xA3\xE0\xB8\xB1\xE0\xB8\x9A"},
    {"\xCE\xA3\xCE\xA3", "\xCF\x83\xCF\x83"}, {"le", "le"}, {"l", "l"}};
const char* const kBetween[] = {" ", ", ", "\n", " \xF0\x9F\x98\x80 ", " ... ", "! "};
const char* const kFields[] = {"title", "author.notes", "$body"};

struct ModelDocument {
  std::map<std::string, Tokens> fields;  // by text field
  int64_t n = 0;
  uint64_t docno = 0;
};

struct NaiveHit {
  double score;
  uint64_t docno;
  std::string key;
};

class TextSearchTest : public EngineTest {
 protected:
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

  std::string RandomText(Tokens* tokens);
  std::string RandomMetadata(ModelDocument* document);
  void Step();
  void PutOne(const std::string& key);
  void Reindex();
  void ReadDocnos();
  std::vector<NaiveHit> Naive(const std::vector<std::string>& fields,
                              const std::set<std::string>& words, int64_t n_max) const;
  void Compare();

  uint64_t Random(uint64_t below) { return random_() % below; }

  std::shared_ptr<engine::DatabaseImpl> impl_;
  std::optional<Database> db_;
  std::optional<Collection> docs_;
  std::vector<std::string> indexed_;  // fields, by index id ascending
  std::map<std::string, ModelDocument> model_;
  std::mt19937_64 random_{kSeed};
};

std::string TextSearchTest::RandomText(Tokens* tokens) {
  std::string text;
  const uint64_t count = Random(8) == 0 ? Random(60) : Random(7);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t range = Random(3) == 0 ? std::size(kWords) : 6;
    const Word& word = kWords[Random(range)];
    text += word.written;
    text += kBetween[Random(std::size(kBetween))];
    tokens->push_back(word.token);
  }
  return text;
}

std::string TextSearchTest::RandomMetadata(ModelDocument* document) {
  document->n = static_cast<int64_t>(Random(100));
  std::string json = "{\"n\":" + std::to_string(document->n);
  Tokens& title = document->fields["title"];
  Tokens& notes = document->fields["author.notes"];
  title.clear();
  notes.clear();
  if (Random(6) == 0) {
    json += ",\"title\":17";
  } else if (Random(5) != 0) {
    json += ",\"title\":";
    AppendJsonString(&json, RandomText(&title));
  }
  if (Random(3) != 0) {
    json += ",\"author\":{\"notes\":[1,";
    for (int i = 0; i < 2; ++i) {
      AppendJsonString(&json, RandomText(&notes));
      json += i == 0 ? ",{}," : ",null]}";
    }
  }
  return json + "}";
}

void TextSearchTest::PutOne(const std::string& key) {
  ModelDocument document;
  const std::string metadata = RandomMetadata(&document);
  std::string body;
  DocumentView input = {.key = key, .metadata = metadata};
  if (Random(3) != 0) {
    body = RandomText(&document.fields["$body"]);
    input.body = body;
  }
  const std::vector<float> v = {float(Random(5)), 1};
  if (Random(2) == 0) input.vectors = {{"v", v}};
  VDB_ASSERT_OK(docs_->Put(input, {.sync = Random(10) == 0}));
  model_[key] = document;
}

void TextSearchTest::Reindex() {
  const std::string field = kFields[Random(std::size(kFields))];
  const auto found = std::find(indexed_.begin(), indexed_.end(), field);
  if (found == indexed_.end()) {
    VDB_ASSERT_OK(AddText(field));
    indexed_.push_back(field);
  } else if (Random(3) == 0) {
    VDB_ASSERT_OK(docs_->DropFieldIndex(field, FieldIndexKind::kText));
    indexed_.erase(found);
  }
}

void TextSearchTest::Step() {
  const std::string key = "key" + std::to_string(Random(60));
  const bool exists = model_.contains(key);
  switch (Random(20)) {
    case 0: return Reindex();
    case 1:
      CloseImpl();
      return OpenImpl(false);
    case 2: case 3: {  // several changes in one round, later ones superseding earlier ones
      WriteBatch batch;
      std::vector<std::string> metadata(4);
      for (size_t i = 0; i < metadata.size(); ++i) {
        const std::string one = Random(2) == 0 ? key : "key" + std::to_string(Random(60));
        ModelDocument document;
        metadata[i] = RandomMetadata(&document);
        if (Random(4) == 0) {
          batch.Delete(one);
          model_.erase(one);
        } else {
          batch.Put({.key = one, .metadata = metadata[i], .body = "Rare BODY"});
          document.fields["$body"] = {"rare", "body"};
          model_[one] = document;
        }
      }
      VDB_ASSERT_OK(docs_->Write(batch));
      return;
    }
    case 4: case 5: case 6: case 7:
      if (!exists) return;
      VDB_ASSERT_OK(docs_->SetMetadata(key, RandomMetadata(&model_[key])));
      return;
    case 8: case 9: {
      if (!exists) return;
      const std::vector<float> v = {float(Random(5)), 2};
      VDB_ASSERT_OK(docs_->SetVector(key, "v", VectorView(v)));
      return;
    }
    case 10: case 11:
      if (!exists) return;
      VDB_ASSERT_OK(docs_->Delete(key));
      model_.erase(key);
      return;
    default: return PutOne(key);
  }
}

// The only thing that documents do not tell.
void TextSearchTest::ReadDocnos() {
  const auto view = impl_->CurrentView();
  const auto& collection = *(*view)->manifest->FindCollection("docs");
  for (auto& [key, document] : model_) {
    const auto bytes = (*view)->store->Get(format::DocumentKey(collection.id, key),
                                           (*view)->snapshot.get());
    ASSERT_TRUE(bytes.ok() && bytes->has_value()) << key;
    document.docno = format::DecodeDocument(**bytes)->docno;
  }
}

std::vector<NaiveHit> TextSearchTest::Naive(const std::vector<std::string>& fields,
                                            const std::set<std::string>& words,
                                            int64_t n_max) const {
  std::map<std::string, double> scores;
  for (const std::string& field : indexed_) {
    if (std::find(fields.begin(), fields.end(), field) == fields.end()) continue;
    double documents = 0, tokens = 0;
    for (const auto& [key, document] : model_) {
      const auto text = document.fields.find(field);
      if (text == document.fields.end() || text->second.empty()) continue;
      documents += 1;
      tokens += static_cast<double>(text->second.size());
    }
    for (const std::string& word : words) {
      std::map<std::string, std::pair<double, double>> with;  // frequency, length
      for (const auto& [key, document] : model_) {
        const auto text = document.fields.find(field);
        if (text == document.fields.end()) continue;
        const auto count = std::count(text->second.begin(), text->second.end(), word);
        if (count > 0) with[key] = {double(count), double(text->second.size())};
      }
      const double n = static_cast<double>(with.size());
      const double idf = std::log(1 + (documents - n + 0.5) / (n + 0.5));
      for (const auto& [key, figures] : with) {
        const auto& [f, length] = figures;
        scores[key] += idf * (f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / (tokens / documents))));
      }
    }
  }
  std::vector<NaiveHit> hits;
  for (const auto& [key, score] : scores) {
    const ModelDocument& document = model_.at(key);
    if (document.n <= n_max) hits.push_back({score, document.docno, key});
  }
  std::sort(hits.begin(), hits.end(), [](const NaiveHit& a, const NaiveHit& b) {
    // Scores that differ by rounding only are those of equal figures.
    if (std::abs(a.score - b.score) > 1e-12 * a.score) return a.score > b.score;
    return a.docno < b.docno;
  });
  return hits;
}

void TextSearchTest::Compare() {
  if (indexed_.empty()) return;
  ReadDocnos();
  TextClause clause;
  std::set<std::string> words;
  for (uint64_t i = 1 + Random(4); i > 0; --i) {
    const Word& word = kWords[Random(std::size(kWords))];
    clause.words += std::string(word.written) + kBetween[Random(std::size(kBetween))];
    words.insert(word.token);
  }
  std::vector<std::string> fields = indexed_;
  if (Random(2) == 0) {
    fields = {indexed_[Random(indexed_.size())]};
    clause.fields = {fields[0], fields[0]};  // twice counts once
  }
  const bool filtered = Random(2) == 0;
  const int64_t n_max = filtered ? static_cast<int64_t>(Random(100)) : 1000;
  Filter filter;
  if (filtered) {
    filter = Random(2) == 0 ? Field("n").LessOrEqual(n_max)
                            : Filter::Not(Field("n").Greater(n_max));
  }
  const size_t k = Random(3) == 0 ? 1000 : Random(8);
  const auto found = Find(clause, k, filter);
  VDB_ASSERT_OK(found);
  const auto expected = Naive(fields, words, n_max);
  EXPECT_EQ(found->document_count, expected.size());
  ASSERT_EQ(found->hits.size(), std::min(k, expected.size())) << clause.words;
  for (size_t i = 0; i < found->hits.size(); ++i) {
    EXPECT_EQ(found->hits[i].key, expected[i].key) << "hit " << i << " of " << clause.words;
    EXPECT_EQ(found->hits[i].docno, expected[i].docno);
    EXPECT_NEAR(found->hits[i].score, expected[i].score, 1e-9 * expected[i].score);
  }
}

TEST_F(TextSearchTest, FindsWhatANaiveScorerFinds) {
  OpenImpl(true);
  VDB_ASSERT_OK(docs_->AddFieldIndex({.field = "n"}));  // `not` of it gives a complement
  for (int step = 0; step < 500 && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", step " + std::to_string(step));
    Step();
    for (int i = 0; i < 4; ++i) Compare();
    if (step % 50 == 49) ExpectClean(*db_);
  }
}

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
    Database db = Open(false);
    std::vector<std::string> messages;
    const auto report = db.Verify();
    EXPECT_TRUE(report.ok()) << Text(report);
    for (const auto& problem : report->problems) messages.push_back(problem.message);
    return messages;
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
