#include "format/ledger_record.h"

#include <optional>

#include "format/byte_io.h"
#include "format/checksum.h"
#include "format/status_macros.h"
#include "format/uuid.h"

namespace vdb::format {
namespace {

constexpr std::string_view kMagic = "VDBLEDGR";
constexpr uint32_t kLedgerVersion = 1;
constexpr size_t kSumOffset = kLedgerSlotBytes - 8;

bool SlotIsWhole(std::string_view slot) {
  return slot.size() == kLedgerSlotBytes && slot.starts_with(kMagic) &&
         LoadU64(slot.data() + kSumOffset) == Hash64(slot.data(), kSumOffset);
}

StatusOr<LedgerRecord> DecodeSlot(std::string_view slot) {
  ByteReader reader(slot.substr(kMagic.size()));
  LedgerRecord record;
  const uint32_t version = reader.U32();
  if (version == 0 || version > kLedgerVersion) {
    return Status::UnsupportedFormat("'ledger': format version " + std::to_string(version) +
                                     "; use a newer vdb");
  }
  const uint32_t file_count = reader.U32();
  record.sequence = reader.U64();
  record.batch = reader.U64();
  record.running_hash = reader.U64();
  record.durable_batch = reader.U64();
  record.generation = reader.U64();
  record.current_manifest = reader.U64();
  const uint32_t flags = reader.U32();
  reader.U32();
  record.clean = (flags & 1) != 0;
  record.switching = (flags & 2) != 0;
  record.uuid = UuidFromBytes(reader.Bytes(16));
  if (file_count > kLedgerFilesMax) return Status::Corruption("'ledger': too many tracked files");
  for (uint32_t i = 0; i < file_count; ++i) {
    TrackedFile file;
    file.kind = static_cast<TrackedKind>(reader.U32());
    reader.U32();
    file.number = reader.U64();
    file.synced_bytes = reader.U64();
    file.checksum = reader.U64();
    record.files.push_back(file);
  }
  return record;
}

}  // namespace

std::string EncodeLedgerSlot(const LedgerRecord& record) {
  std::string slot(kMagic);
  AppendU32(&slot, kLedgerVersion);
  AppendU32(&slot, static_cast<uint32_t>(record.files.size()));
  AppendU64(&slot, record.sequence);
  AppendU64(&slot, record.batch);
  AppendU64(&slot, record.running_hash);
  AppendU64(&slot, record.durable_batch);
  AppendU64(&slot, record.generation);
  AppendU64(&slot, record.current_manifest);
  AppendU32(&slot, (record.clean ? 1u : 0u) | (record.switching ? 2u : 0u));
  AppendU32(&slot, 0);
  slot += UuidToBytes(record.uuid);
  for (const TrackedFile& file : record.files) {
    AppendU32(&slot, static_cast<uint32_t>(file.kind));
    AppendU32(&slot, 0);
    AppendU64(&slot, file.number);
    AppendU64(&slot, file.synced_bytes);
    AppendU64(&slot, file.checksum);
  }
  slot.resize(kSumOffset, '\0');
  AppendU64(&slot, Hash64(slot));
  return slot;
}

StatusOr<LedgerRecord> DecodeLedger(std::string_view bytes) {
  std::optional<LedgerRecord> newest;
  Status unsupported;
  if (bytes.size() == kLedgerSlots * kLedgerSlotBytes) {
    for (size_t i = 0; i < kLedgerSlots; ++i) {
      const auto slot = bytes.substr(i * kLedgerSlotBytes, kLedgerSlotBytes);
      if (!SlotIsWhole(slot)) continue;
      auto record = DecodeSlot(slot);
      if (!record.ok()) {
        if (record.status().code() == StatusCode::kUnsupportedFormat) unsupported = record.status();
        continue;
      }
      if (record->sequence % kLedgerSlots != i) continue;
      if (!newest || record->sequence > newest->sequence) newest = std::move(*record);
    }
  }
  VDB_RETURN_IF_ERROR(unsupported);
  if (!newest) {
    return Status::Corruption(
        "'ledger': no valid record, expected at least one of 8 slots; run `vdbtool repair`, "
        "or restore it from a copy");
  }
  return *newest;
}

std::vector<size_t> DamagedLedgerSlots(std::string_view bytes) {
  std::vector<size_t> damaged;
  for (size_t i = 0; i * kLedgerSlotBytes < bytes.size(); ++i) {
    const auto slot = bytes.substr(i * kLedgerSlotBytes, kLedgerSlotBytes);
    if (!SlotIsWhole(slot) && slot.find_first_not_of('\0') != std::string_view::npos) {
      damaged.push_back(i);
    }
  }
  return damaged;
}

}  // namespace vdb::format
