// Any bytes as the ledger: a ring of slots. The input is the used beginning of each slot, so that
// mutations meet fields rather than zeros; its checksum is then made right.
#include "format/ledger_record.h"

#include "format/byte_io.h"
#include "format/checksum.h"
#include "tests/fuzz/fuzz_target.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::format;  // NOLINT

constexpr size_t kBodyBytes = kLedgerSlotBytes - 8;

std::string Ring(std::string_view bytes) {
  std::string ring;
  for (const std::string_view part : SplitInput(bytes, kLedgerSlots)) {
    std::string slot(part.substr(0, kBodyBytes));
    const bool never_written = slot.empty();
    slot.resize(kBodyBytes, '\0');
    AppendU64(&slot, never_written ? 0 : Hash64(slot));
    ring += slot;
  }
  return ring;
}

bool RunRing(std::string_view bytes) {
  Require(DamagedLedgerSlots(bytes).size() <= kLedgerSlots);
  const auto record = DecodeLedger(bytes);
  if (!record.ok()) return false;
  Require(record->files.size() <= kLedgerFilesMax);
  std::string ring(kLedgerSlots * kLedgerSlotBytes, '\0');
  const std::string slot = EncodeLedgerSlot(*record);
  Require(slot.size() == kLedgerSlotBytes);
  ring.replace(record->sequence % kLedgerSlots * kLedgerSlotBytes, slot.size(), slot);
  const auto same = DecodeLedger(ring);
  Require(same.ok() && EncodeLedgerSlot(*same) == slot);
  return true;
}

bool Run(std::string_view bytes) {
  const bool raw = RunRing(bytes);
  return RunRing(Ring(bytes)) || raw;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> slots(kLedgerSlots);
  for (uint64_t s = 5; s <= 9; ++s) {
    LedgerRecord record;
    record.sequence = s;
    record.batch = 100 + s;
    record.durable_batch = 90;
    record.generation = 4;
    record.current_manifest = 5;
    record.clean = s % 2 == 0;
    record.uuid = kUuid;
    record.files = {{TrackedKind::kManifest, 5, 1234, 77}, {TrackedKind::kLog, 6, s, 88}};
    slots[s % kLedgerSlots] = EncodeLedgerSlot(record).substr(0, 88 + 2 * 32);
  }
  return {JoinInput(slots)};
}

VDB_FUZZ_TARGET(ledger, Run, Seeds);

}  // namespace
}  // namespace vdb::fuzz
