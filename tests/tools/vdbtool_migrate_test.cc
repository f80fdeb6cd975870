// vdbtool migrate on the fixtures of legacy caches: verdicts, exit codes, vectors, and that the
// source stays as it was.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "format/json_reader.h"
#include "tests/tools/tool_runner.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

namespace fs = std::filesystem;

constexpr char kFixtures[] = VDB_SOURCE_DIR "/tests/golden/legacy";

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The fields of a JSON object, each as its text.
std::map<std::string, std::string> Fields(std::string_view json) {
  std::map<std::string, std::string> fields;
  format::JsonReader reader(json, 200);
  std::string scratch;
  std::string_view name, raw;
  if (!reader.EnterObject()) return fields;
  while (reader.NextField(&scratch, &name)) {
    const std::string key(name);
    if (!reader.ReadRaw(&raw)) break;
    fields[key] = raw;
  }
  EXPECT_TRUE(reader.ok()) << json;
  return fields;
}

std::vector<double> Numbers(std::string_view json) {
  std::vector<double> values;
  format::JsonReader reader(json, 10);
  if (reader.Peek() != format::JsonKind::kArray || !reader.EnterArray()) return values;
  double value = 0;
  while (reader.NextElement() && reader.ReadDouble(&value)) values.push_back(value);
  return values;
}

// Files below a folder: bytes and times.
using Snapshot = std::map<std::string, std::pair<std::string, fs::file_time_type>>;
Snapshot SnapshotOf(const std::string& folder) {
  Snapshot snapshot;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    snapshot[entry.path().string()] = {ReadAll(entry.path().string()), entry.last_write_time()};
  }
  return snapshot;
}

class MigrateToolTest : public ToolTest {
 protected:
  // A copy of a fixture, to be written beside.
  std::string Copy(const std::string& name) const {
    fs::copy(std::string(kFixtures) + "/" + name, Path(name), fs::copy_options::recursive);
    return Path(name);
  }
  std::string WriteCache(const std::string& json) const {
    fs::create_directories(Path("c/.vemb"));
    std::ofstream(Path("c/.vemb/cache.json"), std::ios::binary) << json;
    return Path("c");
  }
};

TEST_F(MigrateToolTest, FixturesGiveTheirVerdicts) {
  const auto expected = Fields(ReadAll(std::string(kFixtures) + "/expected.json"));
  ASSERT_EQ(expected.size(), 16u);
  for (const auto& [name, json] : expected) {
    auto want = Fields(json);
    const std::string source = Copy(name);
    const Snapshot before = SnapshotOf(source);
    const ToolResult result = RunTool({"migrate", source, "--json", "--to", Path(name + ".vdb")});
    EXPECT_EQ(std::to_string(result.code), want["exit"]) << name << "\n" << result.err;
    const auto got = Fields(result.out);
    for (const char* field : {"migrated", "without_vector", "dimension", "format"}) {
      if (want.contains(field)) {
        EXPECT_EQ(got.contains(field) ? got.at(field) : "", want[field]) << name << " " << field;
      }
    }
    if (got.contains("reasons")) {
      EXPECT_EQ(Fields(got.at("reasons")), Fields(want["refused"])) << name;
    }
    EXPECT_EQ(SnapshotOf(source), before) << name;
    EXPECT_EQ(fs::exists(Path(name + ".vdb")), want["exit"] != "4") << name;
    if (want["exit"] != "4") Ok({"verify", Path(name + ".vdb")});
  }
}

// Every vector of a v1 cache, parsed and normalised here.
TEST_F(MigrateToolTest, VectorsAreTheNormalisedOnes) {
  for (const char* name : {"v010-dim8", "v010-dim-null", "v020-dim128", "v020-mixed-keys"}) {
    const std::string source = Copy(name);
    Ok({"migrate", source, "--json"});
    auto db = Database::Open(source + "/.vdb", {.read_only = true});
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    const auto docs = db->OpenCollection("docs");
    ASSERT_TRUE(docs.ok());
    const auto entries = Fields(Fields(ReadAll(source + "/.vemb/cache.json"))["entries"]);
    EXPECT_EQ(*docs->Count(), entries.size());
    for (const auto& [key, record] : entries) {
      const std::vector<double> values = Numbers(Fields(record)["values"]);
      double sum = 0;
      for (const double value : values) sum += value * value;
      const auto document = docs->Get(key);
      ASSERT_TRUE(document.ok()) << key;
      ASSERT_EQ(document->vectors.size(), 1u);
      const StoredVector& stored = document->vectors[0].stored;
      ASSERT_EQ(stored.unit.size(), values.size());
      EXPECT_NEAR(stored.norm, std::sqrt(sum), 1e-12 * stored.norm);
      for (size_t i = 0; i < values.size(); ++i) {
        EXPECT_NEAR(stored.unit[i], values[i] / std::sqrt(sum), 1e-6);
      }
    }
  }
}

TEST_F(MigrateToolTest, SalvageTakesTheLeadingEntries) {
  const std::string source = Copy("hand-torn-write");
  const ToolResult refused = RunTool({"migrate", source});
  EXPECT_EQ(refused.code, 4);
  EXPECT_NE(refused.err.find("--salvage"), std::string::npos) << refused.err;
  EXPECT_FALSE(fs::exists(source + "/.vdb"));
  // An open says so too, and makes nothing.
  Fails({"put", source, "docs", "k"}, {"--salvage"});
  EXPECT_FALSE(fs::exists(source + "/.vdb"));

  const ToolResult salvaged = RunTool({"migrate", source, "--salvage", "--json"});
  EXPECT_EQ(salvaged.code, 3) << salvaged.err;
  EXPECT_EQ(Fields(salvaged.out)["migrated"], "2");
}

TEST_F(MigrateToolTest, ForceReadsUnknownVersions) {
  const std::string source =
      WriteCache(R"({"version": 9, "model": "m", "dim": 2, "entries": {"a": {"values": [3, 4]}}})");
  const ToolResult refused = RunTool({"migrate", source, "--json"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_EQ(Fields(refused.out)["reasons"], R"({"unknown_version": 1})");
  EXPECT_EQ(Fields(refused.out)["refused"], "1");
  const ToolResult forced = RunTool({"migrate", source, "--json", "--force"});
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_EQ(Fields(forced.out)["migrated"], "1");
}

TEST_F(MigrateToolTest, OnceIsEnough) {
  const std::string source = Copy("v020-dim128");
  Ok({"migrate", source});
  const Snapshot before = SnapshotOf(source);
  EXPECT_NE(Ok({"migrate", source}).find("migrated already"), std::string::npos);
  EXPECT_EQ(Fields(Ok({"migrate", source, "--json"}))["verdict"], "\"unchanged\"");
  EXPECT_EQ(SnapshotOf(source), before);
  // The source changes: nothing is taken anew by itself.
  std::ofstream(source + "/.vemb/cache.json", std::ios::app) << " ";
  Fails({"migrate", source}, {"changed", "--rollback"});
  const ToolResult stats = RunTool({"stats", source});
  EXPECT_EQ(stats.code, 0);
  EXPECT_NE(stats.err.find("vdbtool migrate"), std::string::npos) << stats.err;
  Ok({"migrate", source, "--rollback"});
  EXPECT_FALSE(fs::exists(source + "/.vdb"));
  Ok({"migrate", source});
}

TEST_F(MigrateToolTest, AnOpenMigratesByItself) {
  const std::string source = Copy("v020-dim128");
  const Snapshot before = SnapshotOf(source);
  Fails({"stats", source}, {"not migrated yet"});  // read-only: writes nothing
  EXPECT_EQ(SnapshotOf(source), before);
  Ok({"put", source, "docs", "new"});
  EXPECT_EQ(Field(Ok({"count", source, "docs", "--json"}), "count"), "5");
  for (const auto& [path, file] : before) EXPECT_EQ(ReadAll(path), file.first);
  Fails({"migrate", source, "--rollback"}, {"written to since"});
}

TEST_F(MigrateToolTest, DryRunAndReport) {
  const std::string source = Copy("hand-bad-entries");
  const Snapshot before = SnapshotOf(source);
  const ToolResult result =
      RunTool({"migrate", source, "--dry-run", "--json", "--report", Path("report.jsonl")});
  EXPECT_EQ(result.code, 3) << result.err;
  EXPECT_EQ(Fields(result.out)["migrated"], "9");
  EXPECT_NE(Fields(result.out)["predicted_bytes"], "");
  EXPECT_EQ(SnapshotOf(source), before);
  const std::string report = ReadAll(Path("report.jsonl"));
  EXPECT_TRUE(IsJsonLines(report));
  std::map<std::string, size_t> verdicts;
  std::istringstream lines(report);
  for (std::string line; std::getline(lines, line);) ++verdicts[Field(line, "verdict")];
  EXPECT_EQ(verdicts, (std::map<std::string, size_t>{
                          {"\"migrated\"", 8}, {"\"without_vector\"", 1}, {"\"refused\"", 11}}));
}

TEST_F(MigrateToolTest, AJsonFileByName) {
  const std::string file = WriteFile("map.json", R"({"a": [3, 4], "b": [0, 2]})");
  const std::string out = Ok({"migrate", file, "--json"});
  EXPECT_EQ(Fields(out)["migrated"], "2") << out;
  EXPECT_EQ(Field(Ok({"count", file, "docs", "--json"}), "count"), "2");
  // Its folder's database is of that file, and of no other.
  const std::string other = WriteFile("other.json", R"({"a": [3, 4]})");
  Fails({"migrate", other}, {"--to"});
  Fails({"count", other, "docs"}, {"--to"});
  Ok({"migrate", other, "--to", Path("o.vdb")});
}

TEST_F(MigrateToolTest, WhatIsNoCache) {
  Fails({"migrate", Path("missing")}, {"does not exist"});
  fs::create_directory(Path("empty"));
  Fails({"migrate", Path("empty")}, {".vemb", "vdbtool import"});
  Fails({"migrate", WriteFile("x.faiss", "IxF2")}, {"FAISS", "vdbtool import"});
  Fails({"migrate", WriteFile("chroma", std::string("SQLite format 3") + '\0')}, {"SQLite"});
  Fails({"migrate", WriteFile("x.npy", "\x93NUMPY")}, {"NumPy"});
  Misused({"migrate"});
  Misused({"migrate", Path("empty"), "--rollback", "--dry-run"});
}

}  // namespace
}  // namespace vdb::tools
