// Imports of each format against values that the test makes itself; damaged and cut sources; rows
// left out and kept, keys that exist, dry runs, and imports that go on where they ended.
#include <hdf5.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/engine/engine_fixture.h"
#include "vdb/import.h"

namespace vdb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::string Vecs(const std::vector<std::vector<T>>& rows) {
  std::string file;
  for (const auto& row : rows) {
    const auto dimension = static_cast<int32_t>(row.size());
    file.append(reinterpret_cast<const char*>(&dimension), 4);
    file.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(T));
  }
  return file;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class ImportFormatsTest : public testing::EngineTest {
 protected:
  void SetUp() override { db_.emplace(Open()); }
  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(scratch_ / name, std::ios::binary) << bytes;
    return scratch_ / name;
  }
  StatusOr<ImportReport> Import(const std::string& file, const ImportOptions& options = {}) {
    return ImportFile(*db_, "c", file, options);
  }
  std::string Error(const std::string& file, const ImportOptions& options = {}) {
    return Import(file, options).status().message();
  }
  Document Get(const std::string& key) {
    auto document = db_->OpenCollection("c")->Get(key);
    EXPECT_TRUE(document.ok()) << key << ": " << testing::Text(document);
    return document.ok() ? *document : Document();
  }
  uint64_t Count() {
    const auto opened = db_->OpenCollection("c");
    return opened.ok() ? *opened->Count() : 0;
  }
  std::vector<float> Values(const std::string& key) {
    const Document document = Get(key);
    if (document.vectors.empty()) return {};
    // What was put is norm x unit, up to a rounding that these tests do not look at.
    std::vector<float> values = document.vectors[0].values;
    for (float& value : values) value = std::round(value * 1024) / 1024;
    return values;
  }

  std::optional<Database> db_;
};

TEST_F(ImportFormatsTest, IvecsAndBvecs) {
  ImportOptions options;
  options.metric = Metric::kL2;
  VDB_ASSERT_OK(Import(Write("a.ivecs", Vecs<int32_t>({{1, -2, 3}, {0, 0, 1 << 20}})), options));
  EXPECT_THAT(Values("0"), ElementsAre(1.0f, -2.0f, 3.0f));
  EXPECT_THAT(Values("1"), ElementsAre(0.0f, 0.0f, 1048576.0f));
  VDB_ASSERT_OK(Import(Write("a.bvecs", Vecs<uint8_t>({{255, 0, 7}})), options));
  EXPECT_THAT(Values("0"), ElementsAre(255.0f, 0.0f, 7.0f));
  EXPECT_THAT(Error(Write("b.ivecs", Vecs<int32_t>({{1, 2, 3}, {4, (1 << 24) + 1, 6}})), options),
              ::testing::AllOf(HasSubstr("row 1"), HasSubstr("16777217")));
  EXPECT_THAT(Error(Write("c.bvecs", Vecs<uint8_t>({{1, 2, 3}}) + "xy"), options),
              HasSubstr("row 1"));
}

TEST_F(ImportFormatsTest, Csv) {
  const auto report = Import(Write("a.csv",
      "\xEF\xBB\xBFtitle,ID,emb,year,ok,price\r\n"
      "\"a \"\"quoted\"\",\r\nline\",k1,\"[1, 2]\",2020,true,1.5\r\n"
      "b,k2,3 4,,False,007\r\n"
      "\r\n"
      "c,k3,,-7,yes,1e400"));
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 3u);
  EXPECT_EQ(report->taken, "key: 'ID'; vector: 'emb'");
  EXPECT_EQ(Get("k1").metadata,
            R"({"ok":true,"price":1.5,"title":"a \"quoted\",\r\nline","year":2020})");
  EXPECT_EQ(Get("k2").metadata, R"({"ok":false,"price":"007","title":"b"})");
  EXPECT_EQ(Get("k3").metadata, R"({"ok":"yes","price":"1e400","title":"c","year":-7})");
  EXPECT_THAT(Values("k2"), ElementsAre(3.0f, 4.0f));
  EXPECT_TRUE(Get("k3").vectors.empty());
}

TEST_F(ImportFormatsTest, CsvAsItIsTold) {
  ImportOptions options;
  options.key_field = "name";
  options.vector_field = "y";
  options.column = "w";
  VDB_ASSERT_OK(Import(Write("a.tsv", "id\tname\tx\ty\n1\tn\t[1,2]\t[3;4]\n"), options));
  EXPECT_EQ(Get("n").vectors[0].column, "w");
  EXPECT_EQ(Get("n").metadata, R"({"id":1,"x":"[1,2]"})");
  options = {};
  VDB_ASSERT_OK(Import(Write("rows.csv", "x,v\n5,[1 0]\n6,[0 1]\n"), options));
  EXPECT_EQ(Get("1").metadata, R"({"x":6})");
  EXPECT_THAT(Error(Write("two.csv", "a,b\n[1 2],[3 4]\n")), HasSubstr("several columns"));
  EXPECT_THAT(Error(Write("none.csv", "")), HasSubstr("header"));
  EXPECT_THAT(Error(Write("twice.csv", "a,a\n1,2\n")), HasSubstr("twice"));
  EXPECT_THAT(Error(Write("f.csv", "id,v\nx,[1 2]\ny\n")),
              ::testing::AllOf(HasSubstr("line 3"), HasSubstr("expected 2 fields, found 1")));
  EXPECT_THAT(Error(Write("n.csv", "id,v\nx,[1 2]\ny,[1 q]\n")),
              ::testing::AllOf(HasSubstr("line 3"), HasSubstr("'q'")));
  EXPECT_THAT(Error(Write("q.csv", "id,v\nx,[1 2]\n\"y,[1 2]\nz,[1 2]\n")),
              ::testing::AllOf(HasSubstr("line 3"), HasSubstr("closing quote")));
  options.key_field = "nope";
  EXPECT_THAT(Error(Write("k.csv", "id,v\nx,[1 2]\n"), options), HasSubstr("'nope'"));
}

TEST_F(ImportFormatsTest, JsonByShape) {
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    lines += "{\"file\": \"f" + std::to_string(i) + ".png\", \"model\": \"m\", " +
             "\"dimensions\": 3, \"values\": [1, 2, " + std::to_string(i) + "]}\n";
  }
  ImportOptions options;
  options.batch_rows = 7;
  const auto report = Import(Write("e.jsonl", lines), options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 50u);
  const Document document = Get("f49.png");
  ASSERT_EQ(document.vectors.size(), 1u);
  const double length = std::sqrt(1.0 + 4 + 49 * 49);
  EXPECT_DOUBLE_EQ(document.vectors[0].stored.norm, length);
  EXPECT_FLOAT_EQ(document.vectors[0].stored.unit[2], static_cast<float>(49 / length));
  EXPECT_EQ((*db_->OpenCollection("c")->Columns())[0].model, "m");
  EXPECT_FALSE(Import(Write("e.json", "{\"a\": {\"b\": \"no vector\"}}")).ok());
}

// --- HDF5 ---

// A dataset of doubles, floats or integers; chunked and compressed if asked.
std::string WriteHdf5(const std::string& path, const std::string& name,
                      const std::vector<std::vector<double>>& rows, hid_t type,
                      bool compressed = false) {
  std::vector<double> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t extents[2] = {rows.size(), rows.empty() ? 0 : rows[0].size()};
  const hid_t space = H5Screate_simple(2, extents, nullptr);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  if (compressed) {
    const hsize_t chunk[2] = {5, 2};
    H5Pset_chunk(properties, 2, chunk);
    H5Pset_deflate(properties, 6);
  }
  const hid_t dataset = H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, properties,
                                   H5P_DEFAULT);
  H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, flat.data());
  H5Dclose(dataset);
  H5Pclose(properties);
  H5Sclose(space);
  H5Fclose(file);
  return path;
}

std::vector<std::vector<double>> HdfRows(size_t count) {
  std::vector<std::vector<double>> rows;
  for (size_t i = 0; i < count; ++i) rows.push_back({1, static_cast<double>(i), -0.5});
  return rows;
}

TEST_F(ImportFormatsTest, Hdf5) {
  ImportOptions options;
  options.batch_rows = 7;
  options.metric = Metric::kDot;
  for (const hid_t type : {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F32BE}) {
    const auto report = Import(WriteHdf5(scratch_ / "a.hdf5", "train", HdfRows(50), type), options);
    VDB_ASSERT_OK(report);
    EXPECT_EQ(report->document_count, 50u);
    for (int i = 0; i < 50; i += 7) {
      EXPECT_THAT(Values(std::to_string(i)), ElementsAre(1.0f, static_cast<float>(i), -0.5f));
    }
    VDB_ASSERT_OK(db_->DropCollection("c"));
  }
  EXPECT_THAT(Error(WriteHdf5(scratch_ / "z.h5", "train", HdfRows(50), H5T_IEEE_F32LE, true)),
              HasSubstr("h5repack"));
  options.dataset = "group";
  const std::string file = WriteHdf5(scratch_ / "b.h5", "test", HdfRows(3), H5T_STD_I16LE);
  EXPECT_THAT(Error(file, options), ::testing::AllOf(HasSubstr("'group'"), HasSubstr("'test'")));
  options.dataset = "test";
  VDB_ASSERT_OK(Import(file, options));
  EXPECT_THAT(Values("2"), ElementsAre(1.0f, 2.0f, 0.0f));  // as the file's int16 has it
  EXPECT_THAT(Error(Write("no.h5", "not HDF5"), options), HasSubstr("expected an HDF5 file"));
}

TEST_F(ImportFormatsTest, CutHdf5IsRefused) {
  for (const bool compressed : {false, true}) {
    WriteHdf5(scratch_ / "a.h5", "train", HdfRows(50), H5T_IEEE_F32LE, compressed);
    const std::string whole = ReadAll(scratch_ / "a.h5");
    for (size_t size = 0; size < whole.size(); size += 37) {
      EXPECT_NE(Error(Write("d.h5", whole.substr(0, size))), "") << size;
    }
  }
  EXPECT_EQ(Count(), 0u);
}

// Not under AddressSanitizer: libhdf5 asks for as much memory as a damaged header says, and does
// not free all of it when it gives up.
#ifndef __SANITIZE_ADDRESS__
TEST_F(ImportFormatsTest, DamagedHdf5GivesErrorsOrRows) {
  WriteHdf5(scratch_ / "a.h5", "train", HdfRows(50), H5T_IEEE_F32LE);
  const std::string whole = ReadAll(scratch_ / "a.h5");
  std::mt19937 random(5);
  ImportOptions options;
  options.dry_run = true;
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    std::string bytes = whole;
    for (int flips = 0; flips < 8; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto report = Import(Write("d.h5", bytes), options);
    if (report.ok()) continue;
    ++refused;
    EXPECT_NE(report.status().message(), "");
  }
  EXPECT_GT(refused, 100);
}
#endif

// --- what happens to rows ---

TEST_F(ImportFormatsTest, BadRowsAreLeftOutAndKept) {
  std::string text;
  for (int i = 1; i <= 100; ++i) {
    const std::string id = std::to_string(i);
    if (i == 10) {
      text += "no json\xFF\n";
    } else if (i == 20) {
      text += "{\"id\": \"\"}\n";
    } else if (i == 30) {
      text += "{\"id\": \"z\", \"vector\": [0, 0]}\n";
    } else if (i == 40) {
      text += "{\"id\": \"d\", \"vector\": [1, 2, 3]}\n";
    } else if (i == 50) {
      text += "{\"id\": \"u\", \"vector\": {\"unit\": [1, 1], \"norm\": 2}}\n";
    } else {
      text += "{\"id\": " + id + ", \"vector\": [1, " + id + "]}\n";
    }
  }
  const std::string file = Write("a.jsonl", text);
  ImportOptions options;
  options.batch_rows = 25;
  EXPECT_THAT(Error(file, options), HasSubstr("line 10: "));
  EXPECT_EQ(Count(), 0u);
  options.skip_bad = true;
  options.quarantine_path = scratch_ / "bad.jsonl";
  const auto report = Import(file, options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 95u);
  EXPECT_EQ(report->rejected_count, 5u);
  EXPECT_EQ(report->batch_count, 4u);
  EXPECT_EQ(Count(), 95u);
  for (const int i : {9, 11, 21, 31, 41, 51}) {
    EXPECT_THAT(Values(std::to_string(i)), ElementsAre(1.0f, static_cast<float>(i)));
  }
  EXPECT_EQ(ReadAll(scratch_ / "bad.jsonl"),
            "{\"line\": 10, \"reason\": \"JSON: at byte 0: expected '{' (a JSON object), found "
            "'n'\", \"content\": \"no json\\udcff\"}\n"
            "{\"line\": 20, \"reason\": \"expected a key of 1 to 65536 bytes, found 0\", "
            "\"content\": {\"id\": \"\", \"vectors\": {}}}\n"
            "{\"line\": 30, \"reason\": \"column 'vector': expected a direction, found a zero "
            "vector, which cosine cannot score; leave the vector out, or use metric dot or l2\", "
            "\"content\": {\"id\": \"z\", \"vectors\": {\"vector\": [0, 0]}}}\n"
            "{\"line\": 40, \"reason\": \"column 'vector': expected dimension 2, found 3\", "
            "\"content\": {\"id\": \"d\", \"vectors\": {\"vector\": [1, 2, 3]}}}\n"
            "{\"line\": 50, \"reason\": \"column 'vector': expected a unit vector and a finite "
            "norm above 0, found a vector of length 1.414214 and norm 2.000000\", \"content\": {"
            "\"id\": \"u\", \"vectors\": {\"vector\": {\"unit\": [1, 1], \"norm\": 2}}}}\n");
  EXPECT_TRUE(db_->Verify()->problems.empty());
}

TEST_F(ImportFormatsTest, BadRowsOfVectorFiles) {
  auto rows = std::vector<std::vector<float>>(40, {1, 2});
  rows[3][0] = std::nanf("");
  rows[39][1] = -HUGE_VALF;
  ImportOptions options;
  options.skip_bad = true;
  options.quarantine_path = scratch_ / "bad.jsonl";
  options.batch_rows = 8;
  const auto report = Import(Write("a.fvecs", Vecs<float>(rows)), options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->rejected_count, 2u);
  EXPECT_EQ(Count(), 38u);
  EXPECT_EQ(ReadAll(scratch_ / "bad.jsonl"),
            "{\"row\": 3, \"reason\": \"column 'vector': expected finite values, found NaN at "
            "position 0\", \"content\": {\"id\": \"3\", \"vectors\": {\"vector\": [\"NaN\", 2]}}}\n"
            "{\"row\": 39, \"reason\": \"column 'vector': expected finite values, found infinity "
            "at position 1\", \"content\": {\"id\": \"39\", \"vectors\": {\"vector\": [1, "
            "\"-Infinity\"]}}}\n");
}

TEST_F(ImportFormatsTest, ExistingKeysStay) {
  VDB_ASSERT_OK(Import(Write("a.jsonl", "{\"id\": 1, \"vector\": [1, 2]}\n"
                                        "{\"id\": 2, \"vector\": [3, 4]}\n")));
  const std::string file = Write("b.jsonl", "{\"id\": 2, \"vector\": [9, 9]}\n"
                                            "{\"id\": 3, \"vector\": [5, 6]}\n"
                                            "{\"id\": 3, \"vector\": [7, 8]}\n");
  ImportOptions options;
  options.if_absent = true;
  options.dry_run = true;
  auto report = Import(file, options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->skipped_count, 2u);
  EXPECT_EQ(Count(), 2u);
  options.dry_run = false;
  report = Import(file, options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 1u);
  EXPECT_EQ(report->skipped_count, 2u);
  EXPECT_THAT(Values("2"), ElementsAre(3.0f, 4.0f));
  EXPECT_THAT(Values("3"), ElementsAre(5.0f, 6.0f));
  VDB_ASSERT_OK(db_->DropCollection("c"));
  report = Import(file, options);  // into a collection that it makes
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->skipped_count, 1u);
  EXPECT_THAT(Values("3"), ElementsAre(5.0f, 6.0f));
  VDB_ASSERT_OK(Import(file));
  EXPECT_THAT(Values("2"), ElementsAre(9.0f, 9.0f));
  EXPECT_THAT(Values("3"), ElementsAre(7.0f, 8.0f));
}

TEST_F(ImportFormatsTest, ADryRunWritesNothing) {
  const std::string before = *db_->ContentHash();
  ImportOptions options;
  options.dry_run = true;
  const std::string line = "{\"id\": 1, \"vectors\": {\"v\": [1, 2]}}\n";
  const auto report = Import(Write("a.jsonl", line), options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 1u);
  EXPECT_TRUE(report->collection_is_new);
  ASSERT_EQ(report->new_columns.size(), 1u);
  EXPECT_EQ(report->new_columns[0].name, "v");
  EXPECT_EQ(report->new_columns[0].dimension, 2u);
  EXPECT_THAT(Error(Write("b.jsonl", "{\"id\": 1, \"vector\": [1, 2]}\n{\"id\": 2, \"vector\": "
                                     "[1]}\n"), options),
              HasSubstr("line 2"));
  EXPECT_EQ(*db_->ContentHash(), before);
  EXPECT_TRUE(db_->ListCollections()->empty());
}

// Ends an import after some batches, and goes on: nothing is read twice, nothing is missing.
TEST_F(ImportFormatsTest, GoesOnWhereItEnded) {
  std::string lines, csv = "id,v\n";
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = std::to_string(i);
    lines += i % 100 == 50 ? "bad\n" : "{\"id\": " + id + ", \"vector\": [1, " + id + "]}\n";
    csv += i % 100 == 50 ? "bad\n" : id + ",[1 " + id + "]\n";
    rows.push_back({i % 100 == 50 ? std::nanf("") : 1, static_cast<float>(i)});
  }
  for (const std::string& file : {Write("a.jsonl", lines), Write("a.csv", csv),
                                  Write("a.fvecs", Vecs<float>(rows))}) {
    ImportOptions options;
    options.batch_rows = 10;
    options.skip_bad = true;
    options.quarantine_path = scratch_ / "bad.jsonl";
    VDB_ASSERT_OK(Import(file, options));
    const std::string hash = *db_->ContentHash(), bad = ReadAll(scratch_ / "bad.jsonl");
    VDB_ASSERT_OK(db_->DropCollection("c"));

    int calls = 0;
    options.progress = [&](const Progress&) { return ++calls < 40; };
    EXPECT_EQ(Import(file, options).status().code(), StatusCode::kCancelled);
    options.progress = nullptr;
    options.resume = true;
    const auto report = Import(file, options);
    VDB_ASSERT_OK(report);
    EXPECT_GE(report->resumed_count, 300u) << file;
    EXPECT_LE(report->resumed_count, 400u) << file;
    EXPECT_EQ(report->resumed_count + report->document_count + report->rejected_count,
              1000u)
        << file;
    EXPECT_EQ(*db_->ContentHash(), hash) << file;
    EXPECT_EQ(ReadAll(scratch_ / "bad.jsonl"), bad) << file;
    // Done is done: there is nothing to go on with.
    EXPECT_EQ(Import(file, options)->resumed_count, 0u);
    // A file that changed begins again.
    calls = 0;
    options.progress = [&](const Progress&) { return ++calls < 40; };
    EXPECT_EQ(Import(file, options).status().code(), StatusCode::kCancelled);
    options.progress = nullptr;
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() +
                                               std::chrono::hours(1));
    EXPECT_EQ(Import(file, options)->resumed_count, 0u);
    EXPECT_EQ(*db_->ContentHash(), hash) << file;
    VDB_ASSERT_OK(db_->DropCollection("c"));
  }
}

TEST_F(ImportFormatsTest, Streams) {
  const std::string fvecs = Vecs<float>(std::vector<std::vector<float>>(1000, {1, 2, 3}));
  const auto read_from = [](const std::string& bytes) {
    return [&bytes, at = size_t{0}](char* out, size_t size) mutable -> StatusOr<size_t> {
      const size_t got = std::min({size, bytes.size() - at, size_t{7}});
      std::memcpy(out, bytes.data() + at, got);
      at += got;
      return got;
    };
  };
  ImportOptions options;
  options.batch_rows = 64;
  EXPECT_FALSE(ImportStream(*db_, "c", read_from(fvecs), "stream", options).ok());
  options.format = ImportFormat::kFvecs;
  auto report = ImportStream(*db_, "c", read_from(fvecs), "stream", options);
  VDB_ASSERT_OK(report);
  EXPECT_EQ(report->document_count, 1000u);
  EXPECT_EQ(report->bytes_read, fvecs.size());
  const std::string cut = fvecs.substr(0, fvecs.size() - 1);
  EXPECT_THAT(ImportStream(*db_, "c", read_from(cut), "stream", options).status().message(),
              HasSubstr("'stream', row 999"));
  options.format = ImportFormat::kCsv;
  const std::string csv = "id,vector\na,\"[1,2,\n3]\"\n";
  VDB_ASSERT_OK(ImportStream(*db_, "c", read_from(csv), "stream", options));
  EXPECT_THAT(Values("a"), ElementsAre(1.0f, 2.0f, 3.0f));
  options.format = ImportFormat::kJsonLines;
  const auto failing = [](char*, size_t) -> StatusOr<size_t> { return Status::IoError("gone"); };
  EXPECT_EQ(ImportStream(*db_, "c", failing, "stream", options).status().message(), "gone");
}

}  // namespace
}  // namespace vdb
