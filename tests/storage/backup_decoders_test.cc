// Decoders of a backup directory's files: every prefix and every flipped bit is refused; damage
// under checksums that were made to fit is refused, or gives a value that says the same bytes.
#include <gtest/gtest.h>

#include <random>

#include "format/backup_chunk.h"
#include "format/backup_record.h"
#include "format/byte_io.h"
#include "format/frame.h"

namespace vdb::format {
namespace {

constexpr char kUuid[] = "00112233445566778899aabbccddeeff";

BackupRecord SomeRecord() {
  Manifest m;
  m.generation = 7;
  m.min_batch = 9;
  m.uuid = kUuid;
  m.next_collection_id = 5;
  m.next_column_id = 9;
  m.next_segment_id = 12;
  m.collections.push_back({1, "docs", 3, {{3, "v", 128, Metric::kL2, "model-a"}}});
  m.segments.push_back({10, 3, true, 100, 700, 90, 5, 200, 0xABCD, 7, 0x1234, 0, 0, 0});
  m.segments.push_back({11, 3, false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  BackupRecord record;
  record.id = 3;
  record.created_unix_ms = 1'700'000'000'000;
  record.uuid = kUuid;
  record.document_count = 12;
  record.state = {20, 30, 7, 99};
  record.collections = {"docs"};
  record.manifest_bytes = EncodeManifest(m);
  uint64_t n = 1;
  for (const std::string& name : BackupFileNames(m)) {
    record.files.push_back({name, n, 5000, {{{n, n + 1}, 4096, 300}, {{n, n + 2}, 904, 100}}});
    ++n;
  }
  return record;
}

template <typename Decode>
void ExpectEveryDamageRefused(const std::string& bytes, const Decode& decode) {
  ASSERT_TRUE(decode(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(bytes.substr(0, size))) << "cut to " << size;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(decode(damaged)) << "byte " << i;
  }
  EXPECT_FALSE(decode(bytes + "x"));
}

// The payload with random bytes changed, in a frame that fits.
std::string Reframed(std::string_view magic, std::string_view bytes, std::mt19937_64* random) {
  std::string payload(bytes.substr(kFrameBytes));
  for (uint64_t left = 1 + (*random)() % 4; left > 0; --left) {
    const size_t at = (*random)() % payload.size();
    switch ((*random)() % 3) {
      case 0: payload[at] = static_cast<char>((*random)()); break;
      case 1: payload.resize(at + 1); break;
      default:
        for (size_t i = at; i < std::min(at + 8, payload.size()); ++i) payload[i] = '\xFF';
    }
  }
  return EncodeFrame(magic, payload);
}

TEST(BackupDecodersTest, Marker) {
  const std::string bytes = EncodeBackupMarker(kUuid);
  EXPECT_EQ(*DecodeBackupMarker(bytes, "m"), kUuid);
  ExpectEveryDamageRefused(bytes,
                           [](const auto& b) { return DecodeBackupMarker(b, "m").ok(); });
}

TEST(BackupDecodersTest, Record) {
  const BackupRecord record = SomeRecord();
  const std::string bytes = EncodeBackupRecord(record);
  const auto decoded = DecodeBackupRecord(bytes, "r");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(EncodeBackupRecord(*decoded), bytes);
  EXPECT_EQ(decoded->files.size(), 10u);  // three and three, .sums, .order, mask, documents
  EXPECT_EQ(decoded->files[2].name, "segments/000010.keys");
  EXPECT_EQ(decoded->state.batch, 20u);
  EXPECT_EQ(decoded->manifest.generation, 7u);
  ExpectEveryDamageRefused(bytes,
                           [](const auto& b) { return DecodeBackupRecord(b, "r").ok(); });
}

TEST(BackupDecodersTest, RecordsThatContradictThemselves) {
  const auto refused = [](const std::function<void(BackupRecord*)>& change) {
    BackupRecord record = SomeRecord();
    change(&record);
    return !DecodeBackupRecord(EncodeBackupRecord(record), "r").ok();
  };
  EXPECT_TRUE(refused([](auto* r) { r->id = 0; }));
  EXPECT_TRUE(refused([](auto* r) { r->uuid[0] = 'f'; }));
  EXPECT_TRUE(refused([](auto* r) { r->state.batch = 8; }));
  EXPECT_TRUE(refused([](auto* r) { r->collections = {"others"}; }));
  EXPECT_TRUE(refused([](auto* r) { r->collections.emplace_back("more"); }));
  EXPECT_TRUE(refused([](auto* r) { r->files.pop_back(); }));
  EXPECT_TRUE(refused([](auto* r) { r->files.push_back(r->files[0]); }));
  EXPECT_TRUE(refused([](auto* r) { r->files[0].name = "../../etc/passwd"; }));
  EXPECT_TRUE(refused([](auto* r) { r->files[0].name = "/etc/passwd"; }));
  EXPECT_TRUE(refused([](auto* r) { r->files[1].file_bytes += 1; }));
  EXPECT_TRUE(refused([](auto* r) { r->files[1].chunks[0].raw_bytes = kChunkBytesMax + 1; }));
  EXPECT_FALSE(refused([](auto* r) { r->files.push_back({"MIGRATED", 0, 0, {}}); }));
  EXPECT_TRUE(refused([](auto* r) {
    for (int i = 0; i < 2; ++i) r->files.push_back({"MIGRATED", 0, 0, {}});
  }));
}

TEST(BackupDecodersTest, RandomDamageUnderGoodChecksums) {
  std::mt19937_64 random(8);
  const std::string record = EncodeBackupRecord(SomeRecord());
  const std::string raw(3000, 'a');
  const std::string chunk = EncodeChunk(raw, ChunkHash(raw), 3);
  for (int i = 0; i < 20'000; ++i) {
    const std::string bad_record = Reframed(kBackupRecordMagic, record, &random);
    const auto decoded = DecodeBackupRecord(bad_record, "r");
    if (decoded.ok()) {
      EXPECT_EQ(EncodeBackupRecord(*decoded), bad_record);
    }
    const auto found = DecodeChunk(Reframed(kChunkMagic, chunk, &random), ChunkHash(raw), "c");
    if (found.ok()) {
      EXPECT_EQ(*found, raw);
    }
  }
}

TEST(BackupDecodersTest, Chunks) {
  std::mt19937_64 random(3);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{500}, size_t{kChunkBytesMax}}) {
    for (const bool compressible : {false, true}) {
      std::string raw(size, 'x');
      for (char& c : raw) c = compressible ? 'y' : static_cast<char>(random());
      const std::string bytes = EncodeChunk(raw, ChunkHash(raw), 3);
      EXPECT_LE(bytes.size(), kChunkFileBytesMax);
      EXPECT_EQ(compressible && size > 100, bytes.size() < size);
      const auto decoded = DecodeChunk(bytes, ChunkHash(raw), "c");
      ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
      EXPECT_EQ(*decoded, raw);
      EXPECT_FALSE(DecodeChunk(bytes, ChunkHash("other"), "c").ok());
      if (size > 500) continue;
      ExpectEveryDamageRefused(
          bytes, [&](const auto& b) { return DecodeChunk(b, ChunkHash(raw), "c").ok(); });
    }
  }
}

}  // namespace
}  // namespace vdb::format
