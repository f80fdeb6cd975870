#include "tests/fuzz/legacy_corpus.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace vdb::fuzz {
namespace {

// Base64: "zczMPc3MTD4=" is 0.1f, 0.2f.
constexpr std::string_view kShapes[] = {
    // A map of key to array.
    R"({"cat.webp": [0.1, -0.2], "a9f0\u00e9\ud83c\udf0a": [0.3, 0.4], "\udc80": [0, 1e-30]})",
    R"({"model": "Xenova/all-MiniLM-L6-v2", "dimensions": 2, "generated": "2026-01-01T00:00:00Z",
        "embeddings": {"k": [0.1, 0.2], "l": [1, 2]}})",
    R"({"embedding_dict": {"u1": [0.1, 0.2]}, "text_id_to_ref_doc_id": {"u1": "d1"},
        "metadata_dict": {"u1": {"file_name": "x.txt"}}})",
    R"({"vector_store": {"data": {"embedding_dict": {"u1": [0.1, 0.2]}}}})",
    // A map of key to record.
    R"({"version": 1, "model": "m", "dim": 2, "entries": {"a/b.png:120:1700000000000000000":
        {"file": "a/b.png", "values": [0.1, 0.2]}, "b.png:120:1700000000000000000":
        {"file": "a/b.png", "values": [0.1, 0.2]}}})",
    R"({"doc_0.txt": {"embedding": [0.1, 0.2], "hash": "9c",
        "updated_at": "2025-01-01T00:00:00"}})",
    R"({"vectors": {"hello?": {"text": "hello?", "embedding": [0.1, 0.2],
        "metadata": {"intent": "hi"}}}, "last_updated": 1.7e9})",
    R"({"u1": {"id": "u1", "content": "t", "metadata": {"source": "x.txt"},
        "embedding": [0.1, 0.2], "media": []}})",
    R"({"d1": {"ID": "d1", "Text": "t", "Vector": [0, 0.5], "Metadata": {},
        "Timestamp": "2025-01-01T00:00:00Z"}})",
    R"({"ee9b": {"vec": [0.1, 0.2], "meta": {"mtime": 1, "hash": "1d", "path": "A.md", "size": 9,
        "children": []}}})",
    "\"smart_blocks:A.md#H\": {\"path\": null, \"embeddings\": {\"TaylorAI/bge-micro-v2\": "
    "{\"vec\": [0.1, 0.2], \"last_embed\": {\"hash\": \"x\", \"tokens\": 9}}, \"other\": {\"vec\": "
    "[1, 2, 3]}}, \"lines\": [1, 4], \"class_name\": \"SmartBlock\"},\n"
    "\"smart_sources:A.md\": {\"embeddings\": {}},\n\"smart_blocks:A.md#H\": null,\n"
    "\"smart_blocks:B\": {\"embeddings\": {\"TaylorAI/bge-micro-v2\": {\"vec\": [3, 4]}}},\n",
    R"({"u1": {"id": "u1", "vector": [0.1, 0.2], "text": "t", "metadata": {}}})",
    R"({"vectors": {"a": {"id": "a", "values": [0.1, 0.2], "metadata": {}}}, "namespace": ""})",
    // A list of records.
    R"([{"content": "t", "metadata": {"book": "GEN"}, "embedding": [0.1, 0.2]},
        {"content": "u", "metadata": null, "embedding": [0.1, NaN]}])",
    R"([{"Id": 1, "Name": "n", "Price": 9.5, "Embedding": [0.1, 0.2], "embedding_3l": [1, 2, 3]},
        {"Id": "1", "Embedding": [0.5, 0.2]}, {"Id": 1, "Embedding": [0.1]}])",
    R"({"chunks": [{"id": "u1", "content": "t", "embedding": [0.1, 0.2],
        "metadata": {"chunkIndex": 0}}], "metadata": {"embeddingModel": "m", "totalChunks": 1}})",
    R"({"documents": [{"id": "p1", "content": "t", "page": 1, "vector": [0.1, 0.2]}],
        "model_name": "m"})",
    R"({"version": 1, "metadata_config": {"indexed": []}, "items": [{"id": "u1", "metadata": {},
        "vector": [0.1, 0.2], "norm": 0.22}]})",
    R"({"entries": [{"id": "u1", "embedding": {"vector": [0.1, 0.2]}, "embedded": null},
        {"id": "u2", "embedding": {"vector": [1, 2]},
         "embedded": {"text": "t", "metadata": {"metadata": {"a": 1}}}}]})",
    R"([[{"id": "u1", "values": [0.1, 0.2], "metadata": {"text": "t"}}], [{"id": "u2",
        "values": [3, 4]}]])",
    R"({"vectors": [{"id": "a", "values": [0.1, 0.2]}], "namespace": "n"})",
    R"({"points": [{"id": 1, "vector": {"text": [0.1, 0.2], "image": [1, 2, 3]}, "payload": {}}]})",
    R"({"result": {"points": [{"id": "7f", "vector": [0.1, 0.2], "payload": {"a": [1]}}]}})",
    R"([{"class": "Doc", "id": "u1", "properties": {}, "vectors": {"title": [0.1, 0.2]}}])",
    R"([{"label": "x", "descriptors": [[0.1, 0.2], [0.3, 0.4]]}])",
    // Parallel arrays.
    R"({"ids": ["a", "b"], "embeddings": [[0.1, 0.2], [3, 4]], "documents": ["t", null],
        "metadatas": [null, {"k": 1}]})",
    R"({"ids": [["a"]], "embeddings": [[[0.1, 0.2]]], "documents": null, "metadatas": [[null]]})",
    R"({"text_to_index": {"t": 0, "u": 1}, "count": 2, "timestamp": 1, "vector_dim": 2})",
    R"({"embedding_dim": 2, "data": [{"__id__": "e-1", "entity_name": "n"}],
        "matrix": "zczMPc3MTD4="})",
    R"({"embedding_dim": 2, "data": [{"__id__": "e-1", "vector": "eJxjYGBgAAAABAAB"},
        {"__id__": "e-2"}], "matrix": "zczMPc3MTD7NzMw9zcxMPg=="})",
    // Answers kept as they came.
    R"({"object": "list", "data": [{"object": "embedding", "index": 1, "embedding": [0.1, 0.2]},
        {"object": "embedding", "index": 0, "embedding": "zczMPc3MTD4="}], "model": "m",
        "usage": {"total_tokens": 1}})",
    "{\"custom_id\": \"k\", \"response\": {\"body\": {\"data\": [{\"index\": 0, \"embedding\": "
    "[0.1, 0.2]}]}}}\n{\"custom_id\": \"l\", \"response\": {\"body\": {\"data\": [{\"index\": 0, "
    "\"embedding\": [3, 4]}]}}}\n",
    R"({"embeddings": [{"values": [0.1, 0.2]}, {"values": [3, 4]}]})",
    R"({"embedding": {"values": [0.1, 0.2]}})",
    R"({"predictions": [{"embeddings": {"values": [0.1, 0.2]}}]})",
    "{\"file\": \"a.png\", \"model\": \"m\", \"dimensions\": 2, \"values\": [0.1, 0.2]}\n"
    "{\"file\": \"b.png\", \"model\": \"m\", \"dimensions\": 2, \"values\": [0, 0]}\n",
    R"({"id": "x", "texts": ["t"], "embeddings": {"float": [[0.1, 0.2]], "int8": [[1, 2]]}})",
    R"({"model": "m", "embeddings": [[0.1, 0.2], [3, 4]]})",
    "{\"qid\": 12, \"vector\": [0.1, 0.2]}\n{\"qid\": \"12\", \"vector\": [3, 4], \"contents\": "
    "\"t\"}\r\n\n",
    // One file a vector, and look-alikes without vectors.
    R"({"generator_name": "g", "vector_size": 2, "source_file_name": "f", "timestamp": "t",
        "vector": [0.1, 0.2]})",
    "[0.1, 0.2]",
    R"({"docs": {"docs": {"1": {"id": "a", "embedding": [0.1, 0.2]}}}, "schema": {}})",
    R"([{"pos": [1, 2, 3], "text": "t"}])",
    R"({"llm": {"k": {"return": "r", "embedding": null}}})",
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

LegacyInput Json(unsigned char kind, std::string_view text) {
  LegacyInput input;
  input.kind = kind;
  input.parts[kind == 0 || kind == 5 ? 2 : 0] = text;
  return input;
}

}  // namespace

std::string LegacyInput::Bytes() const {
  std::string bytes(1, static_cast<char>(kind));
  for (int i = 0; i < 2; ++i) {
    const std::string_view part = std::string_view(parts[i]).substr(0, 0xFFFF);
    bytes.push_back(static_cast<char>(part.size() & 0xFF));
    bytes.push_back(static_cast<char>(part.size() >> 8));
    bytes += part;
  }
  return bytes + parts[2];
}

const std::vector<std::string_view>& LegacyShapes() {
  static const auto* const shapes =
      new std::vector<std::string_view>(std::begin(kShapes), std::end(kShapes));
  return *shapes;
}

std::vector<LegacyInput> LegacyCorpus(const std::string& folder) {
  std::vector<LegacyInput> corpus;
  std::string matrix = "\x93NUMPY\x01";
  matrix += '\0';
  const std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }                 \n";
  matrix.push_back(static_cast<char>(header.size()));
  matrix.push_back('\0');
  matrix += header + std::string("\0\0\x40\x40\0\0\x80\x40\0\0\0\0\0\0\xA0\x40", 16);
  for (const std::string_view shape : LegacyShapes()) {
    corpus.push_back(Json(5, shape));
    corpus.push_back(Json(4, shape));
    corpus.back().parts[1] = matrix;
    if (shape.find("\"entries\"") != std::string_view::npos) corpus.push_back(Json(0, shape));
  }
  LegacyInput small;
  small.kind = 2;
  small.parts[0] = R"({"version": 2, "model": "m", "dim": 2, "normalized": true, "keys": )"
                   R"({"a/b.png:1:1": 0, "b.png:1:1": 1, "c:1:1": 2}})";
  small.parts[1] = matrix;
  small.parts[2] = kShapes[4];
  corpus.push_back(small);
  std::vector<std::filesystem::path> fixtures;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    fixtures.push_back(entry.path());
  }
  std::sort(fixtures.begin(), fixtures.end());  // the same order everywhere
  for (const auto& path : fixtures) {
    LegacyInput input;
    if (std::filesystem::exists(path / ".nndex/metadata.json")) {
      input.kind = 3;
      input.parts[0] = ReadFile(path / ".nndex/metadata.json");
      input.parts[1] = ReadFile(path / ".nndex/embeddings.npy");
    } else if (std::filesystem::exists(path / ".vemb/manifest.json")) {
      input.parts[0] = ReadFile(path / ".vemb/manifest.json");
      input.parts[1] = ReadFile(path / ".vemb/vectors.npy");
      input.parts[2] = ReadFile(path / ".vemb/cache.json");
      input.kind = input.parts[2].empty() ? 1 : 2;
    } else {
      input.parts[2] = ReadFile(path / ".vemb/cache.json");
    }
    const size_t bytes = input.parts[0].size() + input.parts[1].size() + input.parts[2].size();
    if (bytes > 0 && bytes < 16 * 1024) corpus.push_back(input);
  }
  return corpus;
}

}  // namespace vdb::fuzz
