// Verify finds what is wrong with a database, Repair makes a good one of what is left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vdb/options.h"
#include "vdb/status.h"

namespace vdb {

/// How much Verify looks at. Each level includes those before it.
enum class VerifyLevel : uint8_t {
  kQuick,       ///< manifests, ledger, headers, sizes. Cost: independent of the number of rows
  kChecksums,   ///< every checksum of every file. Cost: reads every byte
  kReferences,  ///< documents, rows, lists, field entries and postings refer to each other exactly;
                ///< rows are finite and of unit length
  kFull,        ///< codes equal a fresh encoding of their rows, and rows find themselves: samples
};

/// For Database::Verify.
struct VerifyOptions {
  VerifyLevel level = VerifyLevel::kReferences;
  ProgressCallback progress = {};
};

/// What Verify found wrong: one entry per damaged thing.
struct VerifyProblem {
  std::string file;     ///< relative to the database directory
  std::string where;    ///< block, row or key
  std::string message;  ///< expected and found
};

/// The result of Verify. `problems` empty means: everything checked is as it was written.
struct VerifyReport {
  uint64_t files_checked = 0;
  uint64_t bytes_checked = 0;
  uint64_t rows_checked = 0;
  uint64_t documents_checked = 0;
  uint64_t codes_checked = 0;     ///< encoded again and compared (kFull)
  uint64_t searches_checked = 0;  ///< rows that were searched for themselves (kFull)
  std::vector<VerifyProblem> problems;  ///< at most 1,000 are kept
  uint64_t problem_count = 0;
};

/// For Repair.
struct RepairOptions {
  /// Say what would be lost and done, and write nothing.
  bool dry_run = false;
  ProgressCallback progress = {};
  Logger logger = {};
};

/// Something that a repair cannot bring back.
struct RepairLoss {
  std::string file;        ///< what was damaged, relative to the database directory
  std::string collection;  ///< empty: not known
  std::string column;      ///< empty: not a vector
  std::string key;         ///< empty: not one document; `message` says how much
  std::string message;
};

/// What a repair did, or (dry_run) would do.
struct RepairReport {
  bool needed = false;  ///< false: verify finds nothing wrong, and nothing was done
  std::vector<RepairLoss> losses;   ///< at most 10,000 are kept
  uint64_t loss_count = 0;
  std::vector<std::string> rebuilt;      ///< what was derived anew: indexes, masks, field entries
  std::vector<std::string> quarantined;  ///< where the damaged files are kept, relative
  uint64_t documents_kept = 0;
  uint64_t vectors_kept = 0;
  VerifyReport verified;  ///< of the repaired database; empty after a dry run
};

/// Repair the database at `path`, which nobody may have open. Never changes a damaged file: what is
/// good is copied into new files, one rename makes them the database, and the damaged ones are kept
/// in `quarantine/` until somebody removes them. Whatever can be derived is built anew. Ends with a
/// full verify. Killed at any moment, the old state or the new one is there.
/// Errors: kNotFound, kBusy (open for writing), kUnsupportedFormat, kResourceExhausted (needs free
/// disk for what it writes anew), kCorruption (nothing could be saved: says why), kCancelled,
/// kIoError.
StatusOr<RepairReport> Repair(const std::string& path, const RepairOptions& options = {});

}  // namespace vdb
