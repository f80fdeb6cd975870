// Damage after acknowledgement (docs/durability.md): WALs and MANIFESTs of RocksDB
// cut and flipped, and each byte of CURRENT, manifest, twin, ledger and masks flipped. RocksDB
// opens much of the first without a word, keys missing; the engine must refuse, name the file, and
// leave the evidence as it is. Of our own files, an answer is right or a typed error, and never an
// older state.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "tests/crash/commit_order.h"
#include "tests/crash/recorded_run.h"

namespace vdb::testing {
namespace {

namespace fs = std::filesystem;
using Pending = CutPolicy::Pending;

std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(out.flush().good());
}

// Every file but the locks, which an open may write.
std::map<std::string, std::string> Contents(const std::string& root) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
    contents[fs::relative(entry.path(), root).generic_string()] = ReadBytes(entry.path().string());
  }
  return contents;
}

// A database with every kind of file, in the state after the last step: as a kill leaves it (live
// WAL), or closed.
class Specimen {
 public:
  explicit Specimen(bool closed) {
    WorkloadOptions options;
    options.seed = 61;
    options.step_count = 100;
    options.synced_share = 0.7;
    workload_ = MakeWorkload(options);
    workload_.steps.back().sync = true;
    const Log log = Record(workload_, {.close = closed});
    CutPowerAt(log, log.size(), {Pending::kAll, Pending::kAll, 1}, root_.path());
  }

  const std::string& root() const { return root_.path(); }
  std::string database() const { return root_ / kDatabaseName; }

  // Files of the database whose path matches, sorted.
  std::vector<std::string> Files(const std::function<bool(const std::string&)>& match) const {
    std::vector<std::string> found;
    for (const auto& [name, bytes] : Contents(root_.path())) {
      if (match(name)) found.push_back(root_.path() + "/" + name);
    }
    return found;
  }

  // Opens and checks. OK: everything is in the last state. Messages that begin with "WRONG" are
  // wrong answers, but for what Verify reports.
  Status Check(const std::string& database, bool read_only) const {
    engine::EngineOptions options = SmallOptions();
    options.user.create_if_missing = false;
    options.user.read_only = read_only;
    auto opened = engine::OpenDatabase(database, options);
    if (!opened.ok()) return opened.status();
    const size_t last = workload_.steps.size();
    return CheckState(*opened, workload_.states, last, last).status();
  }

 private:
  ScratchDir root_;
  Workload workload_;
};

bool IsSilentlyWrong(const Status& status) {
  return status.message().starts_with("WRONG") && !status.message().starts_with("WRONG: Verify");
}

// Opens a damaged copy as a writer: it must refuse with kCorruption, name the file, change nothing.
void ExpectRefused(const Specimen& specimen, const std::string& file, const std::string& what,
                   const std::function<void(const std::string& path)>& damage) {
  ScratchDir copy;
  fs::copy(specimen.root(), copy.path(), fs::copy_options::recursive);
  const std::string path = copy.path() + "/" + fs::relative(file, specimen.root()).string();
  damage(path);
  const auto before = Contents(copy.path());
  const Status writer = specimen.Check(copy / kDatabaseName, /*read_only=*/false);
  const std::string name = fs::path(file).filename().string();
  EXPECT_EQ(writer.code(), StatusCode::kCorruption) << name << " " << what << ": "
                                                    << writer.ToString();
  EXPECT_NE(writer.message().find(name), std::string::npos)
      << name << " " << what << " is not named: " << writer.ToString();
  EXPECT_FALSE(IsSilentlyWrong(writer)) << name << " " << what << ": " << writer.ToString();
  EXPECT_TRUE(Contents(copy.path()) == before) << name << " " << what << ": evidence was changed";
  const Status reader = specimen.Check(copy / kDatabaseName, /*read_only=*/true);
  EXPECT_FALSE(IsSilentlyWrong(reader)) << name << " " << what << ", read-only: "
                                        << reader.ToString();
}

std::function<void(const std::string&)> Flip(size_t at) {
  return [at](const std::string& path) {
    std::string bytes = ReadBytes(path);
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    WriteBytes(path, bytes);
  };
}

std::function<void(const std::string&)> CutTo(size_t size) {
  return [size](const std::string& path) { fs::resize_file(path, size); };
}

void DamageEverywhere(const Specimen& specimen, const std::string& file, size_t step) {
  const size_t size = fs::file_size(file);
  ASSERT_GT(size, 0u) << file;
  for (size_t at = 0; at < size; at += step) {
    ExpectRefused(specimen, file, "flipped at " + std::to_string(at), Flip(at));
    ExpectRefused(specimen, file, "cut to " + std::to_string(at), CutTo(at));
    if (::testing::Test::HasFailure()) return;
  }
  ExpectRefused(specimen, file, "flipped at its end", Flip(size - 1));
  ExpectRefused(specimen, file, "cut by a byte", CutTo(size - 1));
  ExpectRefused(specimen, file, "removed", [](const std::string& path) { fs::remove(path); });
}

TEST(DamageTest, ADamagedWalIsRefused) {
  const Specimen specimen(/*closed=*/false);
  const auto wals = specimen.Files([](const std::string& name) { return IsWal(name); });
  ASSERT_FALSE(wals.empty());
  for (const std::string& wal : wals) {
    if (fs::file_size(wal) == 0) continue;  // made, and nothing acknowledged in it
    DamageEverywhere(specimen, wal, LongRun() ? 97 : (fs::file_size(wal) / 12 + 1) * Thinning());
  }
}

TEST(DamageTest, ADamagedRocksManifestIsRefusedBesideANewerWal) {
  const Specimen specimen(/*closed=*/false);
  const auto manifests = specimen.Files(
      [](const std::string& name) { return name.find("/MANIFEST-") != std::string::npos; });
  ASSERT_EQ(manifests.size(), 1u);
  const size_t step = fs::file_size(manifests[0]) / 25 + 1;
  DamageEverywhere(specimen, manifests[0], LongRun() ? 1 : step * Thinning());
}

// Flips each byte in place: read-only opens write nothing, so the specimen can be mended again.
void FlipEveryByte(const Specimen& specimen, const std::string& file, size_t reader_step,
                   size_t writer_step) {
  const std::string bytes = ReadBytes(file);
  const std::string name = fs::path(file).filename().string();
  size_t refused = 0, reported = 0, unnoticed = 0;
  for (size_t at = 0; at < bytes.size(); at += reader_step) {
    Flip(at)(file);
    const Status reader = specimen.Check(specimen.database(), /*read_only=*/true);
    EXPECT_FALSE(IsSilentlyWrong(reader)) << name << " byte " << at << ": " << reader.ToString();
    const bool by_verify = reader.message().starts_with("WRONG: Verify");
    (reader.ok() ? unnoticed : by_verify ? reported : refused) += 1;
    if (at % writer_step == 0) {
      ScratchDir copy;
      fs::copy(specimen.root(), copy.path(), fs::copy_options::recursive);
      const Status writer = specimen.Check(copy / kDatabaseName, /*read_only=*/false);
      EXPECT_FALSE(IsSilentlyWrong(writer)) << name << " byte " << at << ", writer: "
                                            << writer.ToString();
    }
    WriteBytes(file, bytes);
    if (::testing::Test::HasFailure()) return;
  }
  std::printf("%s: %zu bytes refused, %zu answered right and found by Verify\n", name.c_str(),
              refused, reported);
  EXPECT_EQ(unnoticed, 0u) << name << ": right answers, but Verify did not see the flip";
}

void FlipOurFiles(bool closed) {
  const Specimen specimen(closed);
  ASSERT_TRUE(specimen.Check(specimen.database(), true).ok())
      << specimen.Check(specimen.database(), true).ToString();
  const auto ours = specimen.Files([](const std::string& name) {
    return name == "db/CURRENT" || EndsWith(name, ".vdbm") || EndsWith(name, ".twin") ||
           EndsWith(name, "/ledger") || name.find(".del-") != std::string::npos;
  });
  ASSERT_GE(ours.size(), 5u) << "no mask among them";
  size_t masks = 0;
  for (const std::string& file : ours) {
    if (file.find(".del-") != std::string::npos && ++masks > 2 && !LongRun()) break;
    const size_t size = fs::file_size(file);
    const size_t readers = LongRun() ? 1 : std::max<size_t>(1, size / 600) * Thinning();
    FlipEveryByte(specimen, file, readers, readers * (LongRun() ? 8 : 16));
  }
}

TEST(DamageTest, AFlippedByteOfOurFilesIsNeverAnOlderState) { FlipOurFiles(/*closed=*/true); }

TEST(DamageTest, AFlippedByteAfterAKillIsNeverAnOlderState) { FlipOurFiles(/*closed=*/false); }

}  // namespace
}  // namespace vdb::testing
