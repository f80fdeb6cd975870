// Any bytes as the files of a backup directory: marker, record (the manifest inside is made right
// too), and chunk, of which also the hash of its raw bytes is tried.
#include "format/byte_io.h"
#include "format/backup_chunk.h"
#include "format/backup_record.h"
#include "format/frame.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/some_manifest.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

std::string WithManifestFixed(std::string_view bytes) {
  std::string fixed(bytes);
  const size_t at = fixed.find(kManifestMagic, kFrameBytes);
  if (at == std::string::npos) return fixed;
  const uint64_t size = std::min<uint64_t>(LoadU64(fixed.data() + at - 8), fixed.size() - at);
  if (size < kFrameBytes) return fixed;
  return fixed.replace(at, size, WithFrameFixed(std::string_view(fixed).substr(at, size)));
}

bool RunRecord(std::string_view bytes) {
  return FramedRoundTrip(
      bytes, [](std::string_view b) { return DecodeBackupRecord(b, "r"); }, EncodeBackupRecord);
}

bool RunMarker(std::string_view bytes) {
  return FramedRoundTrip(
      bytes, [](std::string_view b) { return DecodeBackupMarker(b, "m"); }, EncodeBackupMarker);
}

bool RunChunk(std::string_view bytes) {
  const std::string fixed = WithFrameFixed(bytes);
  Hash128 hash;
  if (fixed.size() >= kFrameBytes + 24) {
    hash = {LoadU64(fixed.data() + kFrameBytes + 8), LoadU64(fixed.data() + kFrameBytes + 16)};
  }
  const auto raw = DecodeChunk(fixed, hash, "c");
  if (!raw.ok()) return false;
  Require(raw->size() <= kChunkBytesMax && ChunkHash(*raw) == hash);
  const auto same = DecodeChunk(EncodeChunk(*raw, hash, 1), hash, "c");
  Require(same.ok() && *same == *raw);
  return true;
}

bool Run(std::string_view bytes) {
  bool any = RunMarker(bytes);
  any = RunRecord(bytes) || any;
  any = RunRecord(WithManifestFixed(bytes)) || any;
  return RunChunk(bytes) || any;
}

std::vector<std::string> Seeds() {
  BackupRecord record;
  record.id = 3;
  record.created_unix_ms = 1'700'000'000'000;
  record.uuid = kUuid;
  record.document_count = 12;
  record.state = {99, 300, 7, 5};
  Manifest manifest = SomeManifest();
  manifest.epochs[0].steps.pop_back();
  manifest.min_batch = 9;
  record.manifest_bytes = EncodeManifest(manifest);
  for (const auto& collection : manifest.collections) record.collections.push_back(collection.name);
  uint64_t n = 1;
  for (const std::string& name : BackupFileNames(manifest)) {
    record.files.push_back({name, n, 5000, {{{n, n + 1}, 4096, 300}, {{n, n + 2}, 904, 100}}});
    ++n;
  }
  const std::string same(300, 'a'), mixed = "no zstd of this";
  return {EncodeBackupMarker(kUuid), EncodeBackupRecord(record),
          EncodeChunk(same, ChunkHash(same), 1), EncodeChunk(mixed, ChunkHash(mixed), 1)};
}

VDB_FUZZ_TARGET(backup, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
