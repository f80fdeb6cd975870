// JSON caches by shape: every shape that was seen in the wild, with what must come of it;
// look-alikes and files of other kinds, refused with a reason; keys, repeats and deletes; torn
// files.
#include "format/legacy_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "tests/format/legacy_support.h"

namespace vdb::format {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

LegacySources Of(std::string json, const std::string& npy = "") {
  LegacySources sources;
  sources.name = "folder/cache.json";
  sources.json = SourceOf(std::move(json));
  if (!npy.empty()) sources.json_matrix = SourceOf(npy);
  return sources;
}

// One line per entry: "KEY column=[numbers] ... METADATA", or "KEY !reason".
std::vector<std::string> LinesOf(const LegacyCache& cache) {
  std::vector<std::string> lines;
  for (const LegacyEntry& entry : ReadAll(cache, 2)) {
    std::string line = entry.key;
    if (entry.reason != LegacyReason::kNone) {
      line += " !" + std::string(LegacyReasonCode(entry.reason));
    }
    for (const LegacyVector& vector : entry.vectors) {
      const LegacyColumn& column = cache.columns()[vector.column];
      EXPECT_EQ(column.dimension, vector.values.size());
      line += " " + column.name + "=";
      for (const double value : vector.values) {
        char text[32];
        std::snprintf(text, sizeof(text), "%.6g,", value);
        line += text;
      }
      line.pop_back();
    }
    if (entry.migrates()) line += " " + entry.metadata;
    lines.push_back(std::move(line));
  }
  return lines;
}

struct Sample {
  const char* json;
  const char* format;
  std::vector<std::string> lines;
};

// Real dimensions are larger, but names decide here. Numbers as in the notes on the shapes.
const std::vector<Sample>& Samples() {
  static const std::vector<Sample> samples = {
      // A map of key to array.
      {R"({"cat.webp": [0.1, -0.2], "a9f0\u00e9": [0.3, 0.4]})", "json-map",
       {"cat.webp vector=0.1,-0.2 {}", "a9f0\xC3\xA9 vector=0.3,0.4 {}"}},
      {R"({"model": "Xenova/all-MiniLM-L6-v2", "dimensions": 2, "generated": "2026-01-01",
           "embeddings": {"k": [0.1, 0.2]}})", "json-map",
       {"k Xenova/all-MiniLM-L6-v2=0.1,0.2 {}"}},
      {R"({"embedding_dict": {"u1": [0.1, 0.2], "u2": [1, 2]},
           "text_id_to_ref_doc_id": {"u2": "d2", "u1": "d1"},
           "metadata_dict": {"u1": {"file_name": "x.txt"}}})", "json-map",
       {R"(u1 vector=0.1,0.2 {"ref_doc_id":"d1","metadata":{"file_name": "x.txt"}})",
        R"(u2 vector=1,2 {"ref_doc_id":"d2"})"}},
      {R"({"vector_store": {"data": {"embedding_dict": {"u1": [0.1, 0.2]}}}})", "json-map",
       {"u1 vector=0.1,0.2 {}"}},
      // A map of key to record.
      {R"({"doc_0.txt": {"embedding": [0.1, 0.2], "hash": "9c", "updated_at": "2025"}})",
       "json-map", {R"(doc_0.txt vector=0.1,0.2 {"hash":"9c","updated_at":"2025"})"}},
      {R"({"vectors": {"hello?": {"text": "hello?", "embedding": [0.1, 0.2],
           "metadata": {"intent": "hi"}}}, "last_updated": 1.7e9})", "json-map",
       {R"(hello? vector=0.1,0.2 {"text":"hello?","metadata":{"intent": "hi"}})"}},
      {R"({"u1": {"id": "u1", "content": "t", "metadata": {"source": "x.txt"},
           "embedding": [0.1, 0.2], "media": []}})", "json-map",
       {R"(u1 vector=0.1,0.2 {"id":"u1","content":"t","metadata":{"source": )"
           R"("x.txt"},"media":[]})"}},
      {R"({"d1": {"ID": "d1", "Text": "t", "Vector": [0, 0.5], "Metadata": {}}})", "json-map",
       {R"(d1 vector=0,0.5 {"ID":"d1","Text":"t","Metadata":{}})"}},
      {R"({"ee9b": {"vec": [0.1, 0.2], "meta": {"mtime": 1, "path": "A.md"}}})", "json-map",
       {R"(ee9b vector=0.1,0.2 {"meta":{"mtime": 1, "path": "A.md"}})"}},
      {R"({"vectors": {"a": {"id": "a", "values": [0.1, 0.2],
           "sparseValues": {"indices": [1], "values": [0.5]}, "metadata": {}}},
           "namespace": ""})", "json-map",
       {R"(a vector=0.1,0.2 {"id":"a","sparseValues":{"indices": [1], "values": )"
           R"([0.5]},"metadata":{}})"}},
      // Logs.
      {"\"smart_blocks:A.md#H\": {\"path\": null, \"embeddings\": {\"T/bge\": {\"vec\": [0.1, "
           "0.2], "
       "\"last_embed\": {\"hash\": \"x\"}}}, \"lines\": [1, 4]},\n"
       "\"smart_sources:A.md\": {\"embeddings\": {}},\n",
       "ajson",
       {R"(smart_blocks:A.md#H T/bge=0.1,0.2 )"
           R"({"path":null,"embeddings":{"T/bge":{"last_embed":{"hash": "x"}}},"lines":[1, 4]})",
        R"(smart_sources:A.md {"embeddings":{}})"}},
      // Lists of records.
      {R"([{"content": "t", "metadata": {"book": "GEN"}, "embedding": [0.1, 0.2]}])",
       "json-records", {R"(0 vector=0.1,0.2 {"content":"t","metadata":{"book": "GEN"}})"}},
      {R"([{"Id": 1, "Price": 9.5, "embedding_ada002": [0.1, 0.2], "embedding_3l": [1, 2, 3]}])",
       "json-records",
       {R"(1 embedding_ada002=0.1,0.2 embedding_3l=1,2,3 {"Id":1,"Price":9.5})"}},
      {R"({"chunks": [{"id": "u1", "content": "t", "embedding": [0.1, 0.2]}],
           "metadata": {"embeddingModel": "m", "totalChunks": 1}})", "json-records",
       {R"(u1 m=0.1,0.2 {"id":"u1","content":"t"})"}},
      {R"({"documents": [{"id": "p1", "page": 1, "vector": [0.1, 0.2]}], "model_name": "m"})",
       "json-records", {R"(p1 m=0.1,0.2 {"id":"p1","page":1})"}},
      {R"({"version": 1, "metadata_config": {"indexed": []}, "items": [{"id": "u1",
           "metadata": {}, "vector": [0.1, 0.2], "norm": 0.22}]})", "json-records",
       {R"(u1 vector=0.1,0.2 {"id":"u1","metadata":{},"norm":0.22})"}},
      {R"({"entries": [{"id": "u1", "embedding": {"vector": [0.1, 0.2]}, "embedded": null}]})",
       "json-records", {R"(u1 vector=0.1,0.2 {"id":"u1","embedded":null})"}},
      {R"([[{"id": "u1", "values": [0.1, 0.2]}], [{"id": "u2", "values": [3, 4]}]])",
       "json-records", {R"(u1 vector=0.1,0.2 {"id":"u1"})", R"(u2 vector=3,4 {"id":"u2"})"}},
      {R"({"vectors": [{"id": "a", "values": [0.1, 0.2]}], "namespace": "n"})", "json-records",
       {R"(a vector=0.1,0.2 {"id":"a"})"}},
      {R"({"result": {"points": [{"id": 1, "vector": {"text": [0.1, 0.2], "image": [1, 2, 3]},
           "payload": {}}]}})", "json-records",
       {R"(1 text=0.1,0.2 image=1,2,3 {"id":1,"payload":{}})"}},
      {R"([{"class": "Doc", "id": "u1", "properties": {}, "vectors": {"a": [0.1, 0.2]}}])",
       "json-records", {R"(u1 a=0.1,0.2 {"class":"Doc","id":"u1","properties":{}})"}},
      {R"([{"label": "x", "descriptors": [[0.1, 0.2], [0.3, 0.4]]}])", "json-records",
       {R"(x#0 vector=0.1,0.2 {"label":"x"})", R"(x#1 vector=0.3,0.4 {"label":"x"})"}},
      // Parallel arrays.
      {R"({"ids": ["a", "b"], "embeddings": [[0.1, 0.2], [3, 4]], "documents": ["t", null],
           "metadatas": [null, {"p": 1}]})", "json-columns",
       {R"(a vector=0.1,0.2 {"document":"t"})", R"(b vector=3,4 {"metadata":{"p": 1}})"}},
      {R"({"ids": [["a"]], "embeddings": [[[0.1, 0.2]]], "documents": [["t"]], "distances": )"
           R"([[0.5]]})",
       "json-columns", {R"(a vector=0.1,0.2 {"document":"t","distance":0.5})"}},
      {R"({"embedding_dim": 2, "data": [{"__id__": "e-1", "entity_name": "n"}], "matrix": )"
           R"("zczMPc3MTD4="})",
       "json-matrix", {R"(e-1 vector=0.1,0.2 {"__id__":"e-1","entity_name":"n"})"}},
      // Stored answers.
      {R"({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
           "model": "m", "usage": {"total_tokens": 1}})", "json-answer",
       {R"(0 m=0.1,0.2 {"object":"embedding","index":0})"}},
      {R"({"object": "list", "data": [{"index": 0, "embedding": "zczMPc3MTD4="}], "model": "m"})",
       "json-answer", {R"(0 m=0.1,0.2 {"index":0})"}},
      {"{\"custom_id\": \"k\", \"response\": {\"body\": {\"data\": [{\"index\": 0, "
           "\"embedding\": [0.1, 0.2]}]}}}\n"
       "{\"custom_id\": \"l\", \"response\": {\"body\": {\"data\": [{\"index\": 0, "
           "\"embedding\": [3, 4]}]}}}\n",
       "json-lines",
       {R"(k vector=0.1,0.2 {"custom_id":"k"})", R"(l vector=3,4 {"custom_id":"l"})"}},
      {R"({"embeddings": [{"values": [0.1, 0.2]}]})", "json-records", {"0 vector=0.1,0.2 {}"}},
      {R"({"embedding": {"values": [0.1, 0.2]}})", "json-answer",
       {"cache.json vector=0.1,0.2 {}"}},
      {R"({"predictions": [{"embeddings": {"values": [0.1, 0.2], "statistics": {"n": 1}}}]})",
       "json-answer", {R"(0 vector=0.1,0.2 {"embeddings":{"statistics":{"n": 1}}})"}},
      {"{\"file\": \"a.png\", \"model\": \"m\", \"dimensions\": 2, \"values\": [0.1, 0.2]}\n"
       "{\"file\": \"b.png\", \"model\": \"n\", \"dimensions\": 3, \"values\": [1, 2, 3]}\n",
       "json-lines",
       {R"(a.png m=0.1,0.2 {"file":"a.png","model":"m","dimensions":2})",
        R"(b.png n=1,2,3 {"file":"b.png","model":"n","dimensions":3})"}},
      {R"({"id": "x", "texts": ["t"], "embeddings": {"float": [[0.1, 0.2]]}})", "json-answer",
       {R"(0 vector=0.1,0.2 {"text":"t"})"}},
      {R"({"embeddings": [[0.1, 0.2], [3, 4]], "model": "m"})", "json-answer",
       {"0 m=0.1,0.2 {}", "1 m=3,4 {}"}},
      {R"({"embedding": [0.1, 0.2]})", "json-answer", {"cache.json vector=0.1,0.2 {}"}},
      {"{\"qid\": 12, \"vector\": [0.1, 0.2]}\n{\"qid\": \"x\", \"vector\": [3, 4], "
           "\"contents\": \"c\"}",
       "json-lines",
       {R"(12 vector=0.1,0.2 {"qid":12})", R"(x vector=3,4 {"qid":"x","contents":"c"})"}},
      // One file a vector.
      {R"({"generator_name": "g", "vector_size": 2, "source_file_name": "a.txt", "vector": [0.1, )"
           R"(0.2]})",
       "json-answer",
       {R"(cache.json g=0.1,0.2 {"generator_name":"g","vector_size":2,)"
           R"("source_file_name":"a.txt"})"}},
      {"[0.1, 0.2]", "json-answer", {"cache.json vector=0.1,0.2 {}"}},
      {R"({"docs": {"docs": {"1": {"id": "n", "embedding": [0.1, 0.2]}}}, "index": {"vectorIndexes":
           {"embedding": {"size": 2, "vectors": {"1": [0.2, [0.1, 0.2]]}}}}, "schema": )"
           R"({"embedding": "vector[2]"}})",
       "json-map", {R"(1 vector=0.1,0.2 {"id":"n"})"}},
      // Not in the notes: vectors one object further down, as search engines dump them.
      {R"({"hits": {"total": 1, "hits": [{"_id": "a", "_score": 1.0, "_source": {"text": "t",
           "embedding": [0.1, 0.2]}}]}})", "json-records",
       {R"(a vector=0.1,0.2 {"_id":"a","_score":1.0,"_source":{"text":"t"}})"}},
      {"{\"_id\": \"a\", \"_source\": {\"vec\": [0.1, 0.2]}}\n"
       "{\"_id\": \"b\", \"_source\": {\"vec\": [3, 4]}}\n",
       "json-lines",
       {R"(a vector=0.1,0.2 {"_id":"a"})", R"(b vector=3,4 {"_id":"b"})"}},
      // A field told by its shape alone.
      {R"([{"id": "a", "pos": [1, 2, 3], "v": )"
           R"([0.1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]}])", "json-records",
       {R"(a vector=0.1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2 {"id":"a","pos":[1, 2, 3]})"}},
  };
  return samples;
}

TEST(LegacyJson, ReadsEveryShape) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.json);
    const auto cache = OpenLegacy(Of(sample.json));
    ASSERT_NE(cache, nullptr);
    EXPECT_EQ(cache->refusal(), "");
    EXPECT_EQ(cache->format(), sample.format);
    EXPECT_EQ(LinesOf(*cache), sample.lines);
    EXPECT_NE(cache->taken(), "");
    EXPECT_THAT(cache->warnings(), IsEmpty());
  }
}

// Every shape, with white space and torn at every byte: refused, or salvaged with the same entries.
TEST(LegacyJson, EveryShapeTorn) {
  LegacyOptions salvage;
  salvage.salvage = true;
  for (const Sample& sample : Samples()) {
    const std::string whole = sample.json;
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto strict = OpenLegacy(Of(whole.substr(0, size)));
      ASSERT_NE(strict, nullptr);
      const auto cache = OpenLegacy(Of(whole.substr(0, size)), salvage);
      ASSERT_NE(cache, nullptr);
      if (cache->refused() != LegacyReason::kNone) continue;
      for (const LegacyEntry& entry : ReadAll(*cache)) {
        EXPECT_NE(entry.reason, LegacyReason::kNotJson) << whole.substr(0, size);
      }
    }
  }
}

TEST(LegacyJson, MatrixInASiblingFile) {
  const std::string json = R"({"text_to_index": {"t": 1, "u": 0, "far": 7, "odd": 0.5}, "count": )"
           R"(2, "vector_dim": 2})";
  const auto cache = OpenLegacy(Of(json, NpyFile("(2, 2)", FloatBytes({1, 2, 3, 4}))));
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->format(), "json-matrix");
  EXPECT_THAT(LinesOf(*cache), ElementsAre("t vector=3,4 {}", "u vector=1,2 {}",
                                           "far !row_out_of_range", "odd !row_out_of_range"));
  EXPECT_THAT(OpenLegacy(Of(json))->refusal(), HasSubstr(".npy"));
}

TEST(LegacyJson, MatrixRowsAtEveryPlaceOfTheText) {
  // Rows of 5 floats are 20 bytes: they begin at every byte of a group of three.
  std::vector<double> values;
  for (int i = 0; i < 35; ++i) values.push_back(i * 0.25);
  const std::string bytes = FloatBytes(values);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string base64;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      base64 += i + j > bytes.size() ? '=' : kAlphabet[bits >> (18 - 6 * j) & 63];
    }
  }
  std::string json = R"({"embedding_dim": 5, "data": [)";
  for (int i = 0; i < 7; ++i) {
    json += (i > 0 ? "," : "") + std::string(R"({"__id__": "k)") + std::to_string(i) +
            R"(", "vector": "eJwzcm1h"})";
  }
  json += R"(], "matrix": ")" + base64 + "\"}";
  const auto cache = OpenLegacy(Of(json));
  ASSERT_NE(cache, nullptr);
  const auto entries = ReadAll(*cache);
  ASSERT_EQ(entries.size(), 7u) << cache->refusal();
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(entries[i].metadata, R"({"__id__":"k)" + std::to_string(i) + "\"}");
    ASSERT_EQ(entries[i].vectors.size(), i == 0 ? 1u : 1u);
    for (size_t j = 0; j < 5; ++j) {
      EXPECT_EQ(entries[i].vectors[0].values[j], values[i * 5 + j]);
    }
  }
}

TEST(LegacyJson, RefusesLookAlikesAndForeignFilesWithWhatToDo) {
  const std::map<std::string, std::string> files = {
      {R"([{"pos": [0.1, 0.2, 0.3], "text": "a"}, {"pos": [1.5, 2, 3], "text": "b"}])",
       "--vector-field"},
      {R"({"default": {"hash": {"return": "text", "embedding": null}}})", "vdbtool import"},
      {R"({"sources": {"a": {"path": "x"}}})", "found none"},
      {R"({"data": [{"__id__": "a", "vector": "eJwzcm1h"}]})", "zlib"},
      {R"({"version": 2, "model": "m", "keys": {"a:1:1": 0}})", ".vemb"},
      {R"({"model": "m", "num_chunks": 1, "chunks": [{"file_path": "a", "start_line": 1}]})",
       ".nndex"},
      {std::string("\x93NUMPY\x01\x00v\x00{'descr'", 17), "vdbtool import"},
      {"\x89HDF\r\n\x1A\n...", "vdbtool import"},
      {std::string("SQLite format 3\0....", 20), "JSON lines"},
      {"\x28\xB5\x2F\xFDxyz", "unpack"},
      {"\x80\x04\x95xx", "pickle"},
      {"IxFIxxxx", "FAISS"},
      {std::string("\x04\0\0\0aaaabbbbccccdddd", 20), "vdbtool import"},
      {"", "found nothing"},
      {"hello", "at byte 0"},
      {"[1, 2", "at byte 5"},
  };
  for (const auto& [bytes, text] : files) {
    const auto cache = OpenLegacy(Of(bytes));
    ASSERT_NE(cache, nullptr);
    EXPECT_NE(cache->refused(), LegacyReason::kNone) << bytes;
    EXPECT_THAT(cache->refusal(), HasSubstr(text)) << bytes;
    EXPECT_EQ(cache->entry_count(), 0u);
  }
}

TEST(LegacyJson, TheCallerOverrulesKeyAndVector) {
  const std::string json =
      R"([{"id": "a", "name": "n1", "embedding": [1, 2], "payload": {"pos": [3, 4, 5], "k": 7}}])";
  LegacyOptions options;
  options.key_field = "payload.k";
  options.vector_field = "payload.pos";
  const auto cache = OpenLegacy(Of(json), options);
  EXPECT_THAT(LinesOf(*cache),
              ElementsAre(R"(7 vector=3,4,5 {"id":"a","name":"n1","embedding":[1, )"
           R"(2],"payload":{"k":7}})"));
  EXPECT_THAT(cache->taken(), AllOf(HasSubstr("'payload.k'"), HasSubstr("'payload.pos'")));
  options = {};
  options.vector_field = "nothing";
  EXPECT_THAT(OpenLegacy(Of(json), options)->refusal(), HasSubstr("'nothing'"));
  options = {};
  options.key_field = "nothing";
  EXPECT_THAT(OpenLegacy(Of(json), options)->refusal(), HasSubstr("'nothing'"));
  // Of a map, too.
  options.key_field = "name";
  EXPECT_THAT(LinesOf(*OpenLegacy(Of(R"({"k": {"name": "n", "vec": [1, 2]}})"), options)),
              ElementsAre(R"(n vector=1,2 {"name":"n"})"));
}

TEST(LegacyJson, LogsReplaceAndDelete) {
  const auto cache = OpenLegacy(Of(
      "\"a\": {\"vec\": [1, 2]},\n\"b\": {\"vec\": [3, 4]},\n\"a\": {\"vec\": [5, 6]},\n"
      "\"b\": null,\n\"c\": null,\n\"d\": {\"vec\": [7, 8]},\n\"d\": null,\n\"d\": {\"vec\": [9, "
           "9]},\n"));
  ASSERT_NE(cache, nullptr);
  EXPECT_THAT(LinesOf(*cache), ElementsAre("a vector=5,6 {}", "d vector=9,9 {}"));
  EXPECT_EQ(cache->replaced_count(), 2u);
  EXPECT_EQ(cache->deleted_count(), 2u);
}

TEST(LegacyJson, NumbersAndStringsAsKeysDoNotCollide) {
  const auto cache = OpenLegacy(Of(
      R"([{"id": 12, "vec": [1, 2]}, {"id": "12", "vec": [3, 4]}, {"id": 12, "vec": [5, 6]}])"));
  ASSERT_NE(cache, nullptr);
  EXPECT_EQ(cache->replaced_count(), 1u);
  EXPECT_EQ(cache->warnings().size(), 1u);
  EXPECT_THAT(LinesOf(*cache), UnorderedElementsAre(R"(12 vector=3,4 {"id":"12"})",
                                                    R"(12#number vector=5,6 {"id":12})"));
}

TEST(LegacyJson, SeveralModelsAreSeveralColumns) {
  const auto cache = OpenLegacy(Of(
      "\"a\": {\"embeddings\": {\"m\": {\"vec\": [1, 2]}, \"n\": {\"vec\": [1, 2, 3]}}},\n"
      "\"b\": {\"embeddings\": {\"n\": {\"vec\": [4, 5, 6]}}},\n"
      "\"c\": {\"embeddings\": {\"m\": {\"vec\": [4, 5, 6]}}},\n"));
  ASSERT_NE(cache, nullptr);
  ASSERT_EQ(cache->columns().size(), 2u);
  EXPECT_EQ(cache->columns()[1].model, "n");
  EXPECT_THAT(LinesOf(*cache), ElementsAre(R"(a m=1,2 n=1,2,3 {})", "b n=4,5,6 {}", "c "
           "!wrong_length"));
}

TEST(LegacyJson, VerdictsOfEntries) {
  const auto cache = OpenLegacy(Of(
      R"([{"id": 1, "vector": [1, 2]}, {"id": 2, "vector": null}, {"id": 3}, {"id": 4, "vector": )"
           R"("x"},
          {"id": 5, "vector": {}}, {"id": 6, "vector": [1, "2"]}, {"id": 7, "vector": [NaN, 1]},
          {"id": 8, "vector": [0, 0]}, null, 7, {"id": 9, "vector": [1, 2, 3]},
          {"id": 10, "vector": []}, {"vector": [5, 6], "n": NaN}])"));
  ASSERT_NE(cache, nullptr);
  EXPECT_THAT(LinesOf(*cache),
              ElementsAre(R"(1 vector=1,2 {"id":1})", R"(2 {"id":2})", R"(3 {"id":3})",
                          "4 !wrong_type", "5 !wrong_shape", "6 !wrong_type", "7 !non_finite",
                          R"(8 !zero_norm {"id":8})", "8#2 !wrong_shape", "9#2 !wrong_type",
                          "9 !wrong_length", "10 !wrong_length", R"(12 vector=5,6 {"n":null})"));
  EXPECT_EQ(cache->warnings().size(), 1u);  // entries without a key
}

TEST(LegacyJson, SeveralVectorsOfOneKeyBesideAnother) {
  const auto cache = OpenLegacy(Of(
      R"([{"label": "x", "vec": [9, 9, 9], "descriptors": [[1, 2], "no", [3, 4]], "n": 1},
          {"label": "y", "descriptors": [[5, 6]], "vec": [8, 8, 8]}])"));
  ASSERT_NE(cache, nullptr);
  EXPECT_THAT(LinesOf(*cache),
              ElementsAre(R"(x#0 vec=9,9,9 descriptors=1,2 {"label":"x","n":1})", "x#1 !wrong_type",
                          R"(x#2 descriptors=3,4 {"label":"x","n":1})",
                          R"(y descriptors=5,6 vec=8,8,8 {"label":"y"})"));
}

TEST(LegacyJson, HeadersAreCompared) {
  EXPECT_THAT(OpenLegacy(Of(R"({"dimensions": 3, "embeddings": {"k": [1, 2]}})"))->warnings(),
              ElementsAre(HasSubstr("dimensions says 3")));
}

TEST(LegacyJson, AVembCacheOpenedByNameIsOne) {
  const auto cache = OpenLegacy(
      Of(R"({"version": 1, "model": "m", "dim": null, "entries": {"a:1:1": {"values": [1, 2]}}})"));
  EXPECT_EQ(cache->format(), "vemb-v1");
  EXPECT_EQ(cache->entry_count(), 1u);
}

TEST(LegacyJson, HostileFilesEndSoon) {
  EXPECT_NE(OpenLegacy(Of(std::string(1 << 20, '[')))->refused(), LegacyReason::kNone);
  std::string many = "[";
  for (int i = 0; i < 1 << 21; ++i) many += "[],";
  many += "[1, 2]]";
  EXPECT_EQ(OpenLegacy(Of(many))->refused(), LegacyReason::kTooLarge);
}

}  // namespace
}  // namespace vdb::format
