// Text indexes: whatever is written, and whenever an index comes or goes, words find what a naive
// BM25 over all documents finds, in its order.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "format/document_record.h"
#include "tests/engine/text_search_fixture.h"
#include "vdb/json_text.h"

namespace vdb::testing {
namespace {

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

class TextModelTest : public TextSearchTest {
 protected:
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

  std::vector<std::string> indexed_;  // fields, by index id ascending
  std::map<std::string, ModelDocument> model_;
  std::mt19937_64 random_{kSeed};
};

std::string TextModelTest::RandomText(Tokens* tokens) {
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

std::string TextModelTest::RandomMetadata(ModelDocument* document) {
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

void TextModelTest::PutOne(const std::string& key) {
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

void TextModelTest::Reindex() {
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

void TextModelTest::Step() {
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
void TextModelTest::ReadDocnos() {
  const auto view = impl_->CurrentView();
  const auto& collection = *(*view)->manifest->FindCollection("docs");
  for (auto& [key, document] : model_) {
    const auto bytes = (*view)->store->Get(format::DocumentKey(collection.id, key),
                                           (*view)->snapshot.get());
    ASSERT_TRUE(bytes.ok() && bytes->has_value()) << key;
    document.docno = format::DecodeDocument(collection, key, **bytes)->docno;
  }
}

std::vector<NaiveHit> TextModelTest::Naive(const std::vector<std::string>& fields,
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

void TextModelTest::Compare() {
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

TEST_F(TextModelTest, FindsWhatANaiveScorerFinds) {
  OpenImpl(true);
  VDB_ASSERT_OK(docs_->AddFieldIndex({.field = "n"}));  // `not` of it gives a complement
  for (int step = 0; step < 500 && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", step " + std::to_string(step));
    Step();
    for (int i = 0; i < 4; ++i) Compare();
    if (step % 50 == 49) ExpectClean(*db_);
  }
}

}  // namespace
}  // namespace vdb::testing
