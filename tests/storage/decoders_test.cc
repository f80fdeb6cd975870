// Every decoder of bytes from disk: truncated at every byte and with every bit flipped it gives a
// typed error, or, where bytes carry no checksum of their own, a value that makes sense. A crash, a
// hang or a wrong value that passes for right is the failure. Runs under ASan and UBSan too.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "format/byte_io.h"
#include "format/field_entry.h"
#include "format/field_value.h"
#include "format/checksum.h"
#include "format/document_record.h"
#include "format/frame.h"
#include "format/ledger_record.h"
#include "format/manifest.h"
#include "format/segment_layout.h"

namespace vdb::format {
namespace {

constexpr char kUuid[] = "00112233445566778899aabbccddeeff";

Manifest SomeManifest() {
  Manifest m;
  m.generation = 7;
  m.min_batch = 99;
  m.uuid = kUuid;
  m.next_collection_id = 5;
  m.next_column_id = 9;
  m.next_segment_id = 12;
  m.collections.push_back({1, "docs", 3, {{3, "v", 128, Metric::kL2, "model-a"},
                                          {4, "w", 1, Metric::kDot, ""}}});
  m.collections.push_back({2, "empty", 0, {}});
  m.next_epoch_id = 4;
  m.collections[0].field_indexes = {{2, {{"a", "strange `name`"}}, FieldIndexKind::kOrdered, true},
                                    {5, {{"a"}}, FieldIndexKind::kOrdered, false},
                                    {6, {{}, true}, FieldIndexKind::kText, false}};
  m.next_field_index_id = 7;
  m.segments.push_back({10, 3, true, 100, 700, 90, 5, 200, 0xABCD, 7, 0x1234, 3, 0x77, 9000});
  m.segments.push_back({11, 3, false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  m.epochs.push_back({3, 3, 0x99, 4000, 12, 100, 50, 95, true,
                      {{-0.5f, 8, 1, 2, {0.5f, 0.6f, 0.7f}}, {2, 0, 3, 3.5f, {1, 0.9f, 0}}}});
  return m;
}

// Calls `decode` with every prefix and every single-bit flip; each must be refused.
template <typename Decode>
void ExpectEveryDamageRefused(const std::string& bytes, const Decode& decode) {
  ASSERT_TRUE(decode(bytes));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(bytes.substr(0, size))) << "cut to " << size;
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FALSE(decode(damaged)) << "byte " << i << " bit " << bit;
    }
  }
  EXPECT_FALSE(decode(bytes + "x"));
}

TEST(DecodersTest, ManifestRoundTrip) {
  const Manifest m = SomeManifest();
  const auto decoded = DecodeManifest(EncodeManifest(m), "m");
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_TRUE(decoded->writable);
  EXPECT_EQ(EncodeManifest(decoded->manifest), EncodeManifest(m));
  EXPECT_EQ(decoded->manifest.collections[0].columns[0].model, "model-a");
  EXPECT_EQ(decoded->manifest.segments[0].mask_checksum, 0x1234u);
  EXPECT_EQ(decoded->manifest.segments[0].index_bytes, 9000u);
  EXPECT_EQ(decoded->manifest.EpochOf(3)->steps[0].recall_lower[1], 0.6f);
  EXPECT_EQ(decoded->manifest.EpochOf(4), nullptr);
  const CollectionEntry& docs = decoded->manifest.collections[0];
  ASSERT_EQ(docs.field_indexes.size(), 3u);
  EXPECT_EQ(docs.field_indexes[0].path.steps[1], "strange `name`");
  EXPECT_EQ(FindFieldIndex(docs, {{"a"}}, FieldIndexKind::kOrdered), &docs.field_indexes[1]);
  EXPECT_EQ(FindFieldIndex(docs, {{"a"}}, FieldIndexKind::kText), nullptr);
  EXPECT_EQ(decoded->manifest.next_field_index_id, 7u);
}

TEST(DecodersTest, ManifestFlagsSayWhatItHas) {
  const auto flags = [](const Manifest& m) {
    const std::string bytes = EncodeManifest(m);
    return DecodeFrame(kManifestMagic, bytes, "m")->writer_flags;
  };
  Manifest m = SomeManifest();
  EXPECT_EQ(flags(m), kWriterFlagVectorIndex | kWriterFlagFieldIndexes);
  m.collections[0].field_indexes.clear();
  EXPECT_EQ(flags(m), kWriterFlagVectorIndex);
}

TEST(DecodersTest, FieldEntries) {
  const std::string encoded = EncodeFieldValue(FilterValue("x"));
  const std::string key = FieldEntryKey(7, encoded, "k\xFF");
  for (const bool cut : {false, true}) {
    const std::string value = FieldEntryValue(300, cut);
    FieldEntryView entry;
    ASSERT_TRUE(DecodeFieldEntry(key, value, &entry));
    EXPECT_EQ(entry.encoded, encoded);
    EXPECT_EQ(entry.key, "k\xFF");
    EXPECT_EQ(entry.docno, 300u);
    EXPECT_EQ(entry.cut, cut);
    for (size_t size = 0; size < value.size(); ++size) {
      EXPECT_FALSE(DecodeFieldEntry(key, value.substr(0, size), &entry));
    }
    EXPECT_FALSE(DecodeFieldEntry(key, value + '\0', &entry));
  }
  FieldEntryView entry;
  for (size_t size = 0; size <= kFieldEntryPrefixBytes + encoded.size(); ++size) {
    EXPECT_FALSE(DecodeFieldEntry(key.substr(0, size), FieldEntryValue(1, false), &entry));
  }
  EXPECT_FALSE(DecodeFieldEntry("D" + key.substr(1), FieldEntryValue(1, false), &entry));
  EXPECT_FALSE(DecodeFieldEntry(key, FieldEntryValue(0, false), &entry));
  EXPECT_FALSE(DecodeFieldEntry(key, std::string("\1\2", 2), &entry));
}

TEST(DecodersTest, ManifestDamage) {
  ExpectEveryDamageRefused(EncodeManifest(SomeManifest()),
                           [](const std::string& b) { return DecodeManifest(b, "m").ok(); });
}

// Damage inside a frame whose checksums were made whole again: the FlatBuffers verifier and our own
// checks must keep it from doing harm, whatever the bytes say.
TEST(DecodersTest, ManifestPayloadDamageBehindGoodChecksums) {
  const std::string good = EncodeManifest(SomeManifest());
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    std::string payload = good.substr(kFrameBytes);
    for (int flips = 1 + int(random() % 3); flips > 0; --flips) {
      payload[random() % payload.size()] = static_cast<char>(random());
    }
    if (random() % 10 == 0) payload.resize(random() % payload.size());
    const auto decoded = DecodeManifest(EncodeFrame(kManifestMagic, payload), "m");
    if (!decoded.ok()) {
      EXPECT_EQ(decoded.status().code(), StatusCode::kCorruption);
    }
  }
}

TEST(DecodersTest, ManifestRefusesNonsense) {
  const auto refused = [](auto change) {
    Manifest m = SomeManifest();
    change(&m);
    return !DecodeManifest(EncodeManifest(m), "m").ok();
  };
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[1].name = "docs"; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[1].id = 1; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[0].id = 5; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[0].default_column = 8; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[0].columns[0].dimension = 0; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[0].columns[0].dimension = 65536; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[0].columns[1].name = "v"; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->collections[0].columns[1].metric = Metric(7); }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[0].column_id = 77; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[1].id = 10; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[0].rows = uint64_t{1} << 60; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[0].sorted_rows = 101; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[0].epoch_id = 2; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[0].column_id = 4; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[0].epoch_id = 0; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->segments[1].epoch_id = 3; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].id = 4; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].column_id = 77; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].list_count = 0; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs.push_back(m->epochs[0]); }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].steps[1].margin = -1; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].steps[0].probes_max = 0;
                                        m->epochs[0].steps[1].probes_max = 9; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].steps[0].margin = NAN; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].steps[0].recall_lower[0] = 1.5f; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].steps[0].recall_lower.resize(9); }));
  EXPECT_TRUE(refused([](Manifest* m) { m->epochs[0].steps.resize(65, m->epochs[0].steps[1]); }));
  const auto index_refused = [&refused](auto change) {
    return refused([&change](Manifest* m) { change(&m->collections[0].field_indexes); });
  };
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].id = 5; }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].id = 7; }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].id = 0; }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].path = {{"a"}}; }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].path = {}; }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].path = {{}, true}; }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[0].path.steps.resize(33, "a"); }));
  EXPECT_TRUE(index_refused([](auto* indexes) { (*indexes)[2].kind = FieldIndexKind(3); }));
  EXPECT_TRUE(refused([](Manifest* m) {
    m->next_field_index_id = 100;
    for (uint32_t id = 7; id < 7 + kFieldIndexCountMax; ++id) {
      m->collections[0].field_indexes.push_back({id, {{"f" + std::to_string(id)}}});
    }
  }));
  EXPECT_TRUE(refused([](Manifest* m) { m->uuid = "short"; }));
  EXPECT_TRUE(refused([](Manifest* m) { m->generation = 0; }));
}

TEST(DecodersTest, UnknownFlags) {
  std::string bytes = EncodeManifest(SomeManifest());
  const auto with = [&bytes](size_t offset, uint32_t value) {
    std::string changed = bytes;
    changed.replace(offset, 4, reinterpret_cast<const char*>(&value), 4);
    const uint64_t sum = Hash64(changed.data(), 56);
    changed.replace(56, 8, reinterpret_cast<const char*>(&sum), 8);
    return DecodeManifest(changed, "m");
  };
  EXPECT_EQ(with(8, kFormatVersion + 1).status().code(), StatusCode::kUnsupportedFormat);
  EXPECT_EQ(with(16, 1).status().code(), StatusCode::kUnsupportedFormat);
  const auto unknown = static_cast<uint32_t>(kKnownWriterFlags + 1);
  ASSERT_TRUE(with(24, unknown).ok());
  EXPECT_FALSE(with(24, unknown)->writable);
  EXPECT_TRUE(with(24, kWriterFlagVectorIndex)->writable);
}

TEST(DecodersTest, CurrentDamage) {
  const Current current = {42, 0x0123456789abcdef};
  const auto decoded = DecodeCurrent(EncodeCurrent(current));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->generation, 42u);
  EXPECT_EQ(decoded->manifest_checksum, current.manifest_checksum);
  ExpectEveryDamageRefused(EncodeCurrent(current),
                           [](const std::string& b) { return DecodeCurrent(b).ok(); });
}

LedgerRecord SomeRecord(uint64_t sequence) {
  LedgerRecord r;
  r.sequence = sequence;
  r.batch = 100 + sequence;
  r.durable_batch = 90;
  r.current_manifest = 5;
  r.uuid = kUuid;
  r.files = {{TrackedKind::kManifest, 5, 1234, 77}, {TrackedKind::kLog, 6, 99, 88}};
  return r;
}

TEST(DecodersTest, LedgerTakesTheNewestWholeSlot) {
  std::string ring(kLedgerSlots * kLedgerSlotBytes, '\0');
  for (uint64_t s = 1; s <= 11; ++s) {
    ring.replace(s % kLedgerSlots * kLedgerSlotBytes, kLedgerSlotBytes,
                 EncodeLedgerSlot(SomeRecord(s)));
  }
  auto newest = DecodeLedger(ring);
  ASSERT_TRUE(newest.ok());
  EXPECT_EQ(newest->sequence, 11u);
  EXPECT_EQ(newest->files, SomeRecord(11).files);
  EXPECT_TRUE(DamagedLedgerSlots(ring).empty());
  const size_t slot = 11 % kLedgerSlots;
  for (size_t i = 0; i < kLedgerSlotBytes; i += 37) {
    std::string torn = ring;
    torn[slot * kLedgerSlotBytes + i] = static_cast<char>(torn[slot * kLedgerSlotBytes + i] ^ 4);
    ASSERT_EQ(DecodeLedger(torn)->sequence, 10u);
    EXPECT_EQ(DamagedLedgerSlots(torn), std::vector<size_t>{slot});
  }
  for (size_t size = 0; size < ring.size(); size += 511) {
    EXPECT_EQ(DecodeLedger(ring.substr(0, size)).status().code(), StatusCode::kCorruption);
  }
  EXPECT_EQ(DecodeLedger(std::string(ring.size(), '\0')).status().code(),
            StatusCode::kCorruption);
}

TEST(DecodersTest, SumsDamage) {
  SegmentSums sums;
  sums.segment_id = 4;
  sums.files = {{SegmentFile::kRows, kSumsBlockBytes + 5, {1, 2}}, {SegmentFile::kKeys, 0, {}}};
  const auto decoded = DecodeSums(EncodeSums(sums), "s");
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->files[0].blocks, sums.files[0].blocks);
  ExpectEveryDamageRefused(EncodeSums(sums),
                           [](const std::string& b) { return DecodeSums(b, "s").ok(); });
}

TEST(DecodersTest, SegmentPagesDamage) {
  const SegmentIdentity identity = {9, 3, 128, kUuid};
  for (const SegmentFile file : {SegmentFile::kRecords, SegmentFile::kKeys}) {
    const std::string page = EncodeSegmentPage(file, identity);
    EXPECT_TRUE(CheckSegmentPage(file, identity, page, "p").ok());
    for (size_t i = 0; i < page.size(); ++i) {
      const bool hint = file == SegmentFile::kRecords && i >= kDurableHintOffset &&
                        i < kDurableHintOffset + kDurableHintBytes;
      std::string damaged = page;
      damaged[i] = static_cast<char>(damaged[i] ^ 16);
      EXPECT_EQ(CheckSegmentPage(file, identity, damaged, "p").ok(), hint) << i;
      if (hint) {
        EXPECT_FALSE(
            IsDurableHint(damaged.substr(kDurableHintOffset, kDurableHintBytes)));
      }
      EXPECT_FALSE(CheckSegmentPage(file, identity, page.substr(0, i), "p").ok());
    }
    SegmentIdentity other = identity;
    other.segment_id = 10;
    EXPECT_FALSE(CheckSegmentPage(file, other, page, "p").ok());
  }
}

TEST(DecodersTest, HintsVouchOnlyWhenWhole) {
  const std::string hint = EncodeDurableHint({77, 0});
  EXPECT_EQ(DecodeDurableHint(hint).rows, 77u);
  for (size_t i = 0; i < hint.size(); ++i) {
    std::string damaged = hint;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(DecodeDurableHint(damaged).rows, 0u);
  }
}

const CollectionEntry kDocs = {.id = 5, .name = "docs"};

// The bytes that docs/format.md has.
TEST(DecodersTest, DocumentRecordIsWhatItSays) {
  const std::string body = "body";
  DocumentRecord document = {300, 77, true, BodyChecksum(body), {3, 4, 900}, "metadata bytes"};
  const std::string good = EncodeDocument(kDocs.id, "key", document);
  std::string rest;
  AppendVarint(&rest, 300);
  AppendVarint(&rest, 77);
  rest += '\1';
  AppendU64(&rest, Hash64(body));
  for (const uint64_t number : {3, 3, 4, 900}) AppendVarint(&rest, number);
  rest += "metadata bytes";
  std::string sums;
  for (const uint64_t part : {uint64_t{5}, Hash64("key"), Hash64(rest)}) AppendU64(&sums, part);
  std::string expected = {'\2', '\0'};
  AppendU64(&expected, Hash64(sums));
  EXPECT_EQ(good, expected + rest);
  const auto decoded = DecodeDocument(kDocs, "key", good);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->columns, document.columns);
  EXPECT_EQ(decoded->metadata, document.metadata);
  EXPECT_TRUE(CheckBody(kDocs, "key", *decoded, body).ok());
  const Status other = CheckBody(kDocs, "key", *decoded, "bodY");
  EXPECT_EQ(other.code(), StatusCode::kCorruption);
  EXPECT_NE(other.message().find("collection 'docs', key \"key\""), std::string::npos);
}

// Any other value of any byte, any cut, another key, another collection: refused, by name.
TEST(DecodersTest, DocumentRecordDamageIsFound) {
  const std::string good =
      EncodeDocument(kDocs.id, "key", {300, 77, true, 9, {3, 4, 900}, "metadata bytes"});
  const auto refused = [](std::string_view key, const std::string& bytes) {
    const auto whole = DecodeDocument(kDocs, key, bytes);
    const auto peek = PeekDocument(kDocs, key, bytes);
    EXPECT_EQ(peek.status().code(), whole.status().code());
    EXPECT_NE(whole.status().message().find("collection 'docs', key"), std::string::npos);
    return whole.status().code() == StatusCode::kCorruption;
  };
  for (size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    for (int other = 1; other < 256; ++other) {
      damaged[i] = static_cast<char>(good[i] ^ other);
      ASSERT_TRUE(refused("key", damaged)) << "byte " << i << " ^ " << other;
    }
    ASSERT_TRUE(refused("key", good.substr(0, i)));
  }
  EXPECT_TRUE(refused("kez", good));
  EXPECT_EQ(DecodeDocument({.id = 6, .name = "docs"}, "key", good).status().code(),
            StatusCode::kCorruption);
}

// Records of layout 1 have no checksums but RocksDB's; they must only be harmless.
TEST(DecodersTest, DocumentRecordsAreHarmless) {
  const std::string good = "\1\xac\2\x4d\1\3\3\4\x84\7metadata bytes";
  const auto decoded = DecodeDocument(kDocs, "key", good);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->layout, 1);
  EXPECT_EQ(decoded->docno, 300u);
  EXPECT_EQ(decoded->columns, (std::vector<uint32_t>{3, 4, 900}));
  EXPECT_EQ(decoded->metadata, "metadata bytes");
  EXPECT_TRUE(CheckBody(kDocs, "key", *decoded, "any").ok());
  std::mt19937 random(6);
  for (int i = 0; i < 50000; ++i) {
    std::string damaged = good.substr(0, random() % (good.size() + 1));
    if (!damaged.empty()) damaged[random() % damaged.size()] = static_cast<char>(random());
    DecodeDocument(kDocs, "key", damaged).status().IgnoreError("only crashes count here");
    DecodeCounts(damaged).status().IgnoreError("only crashes count here");
    DecodeTombstone(damaged).status().IgnoreError("only crashes count here");
    DecodeWatermark(damaged).status().IgnoreError("only crashes count here");
    EXPECT_FALSE(DecodeState(damaged).ok());
  }
}

TEST(DecodersTest, StateDamage) {
  ExpectEveryDamageRefused(EncodeState({5, 6, 7, 8}),
                           [](const std::string& b) { return DecodeState(b).ok(); });
}

TEST(DecodersTest, FileNames) {
  EXPECT_EQ(ParseManifestName(ManifestName(42)), 42u);
  EXPECT_EQ(ParseManifestName(ManifestTwinName(1234567)), 1234567u);
  for (const char* name : {"manifest-42.vdbm", "manifest-.vdbm", "manifest-000042.vdbm.bak",
                           "manifest-0000042.vdbm", "x"}) {
    EXPECT_FALSE(ParseManifestName(name).has_value()) << name;
  }
  EXPECT_EQ(ParseSegmentName(SegmentFileName(7, SegmentFile::kSums))->segment_id, 7u);
  EXPECT_EQ(ParseSegmentName(MaskFileName(7, 43))->mask_generation, 43u);
  EXPECT_FALSE(ParseSegmentName("000007.txt").has_value());
  EXPECT_TRUE(ParseSegmentName(SegmentFileName(7, SegmentFile::kIndex))->is_index);
  EXPECT_FALSE(ParseSegmentName(SegmentFileName(7, SegmentFile::kRows))->is_index);
  EXPECT_EQ(ParseEpochName(EpochFileName(3)), 3u);
  EXPECT_FALSE(ParseEpochName("000003.ivf").has_value());
  EXPECT_FALSE(ParseEpochName("3.vdbe").has_value());
  EXPECT_FALSE(ParseSegmentName("000007.del-").has_value());
}

}  // namespace
}  // namespace vdb::format
