// A workload with a known answer: a list of steps (one write batch each), the contents of the
// collection after every step, and a check that a recovered database is in one of these states.
//
// Every step also writes the document "progress" with its own number, so that a database says
// itself which state it claims to be in; CheckState then compares everything with that state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine_options.h"
#include "vdb/database.h"

namespace vdb::testing {

inline constexpr char kCollection[] = "c";
inline constexpr char kCosineColumn[] = "a";  // dimension 4
inline constexpr char kL2Column[] = "b";      // dimension 3

struct ModelDocument {
  std::string metadata = "{}";
  std::optional<std::string> body;
  std::map<std::string, std::vector<float>> vectors;  // by column
};
using Model = std::map<std::string, ModelDocument>;

struct Change {
  enum class Kind { kPut, kDelete, kSetVector, kSetMetadata };
  Kind kind = Kind::kPut;
  std::string key;
  ModelDocument document;  // kSetVector: the vector; kSetMetadata: the metadata
};

struct Step {
  std::vector<Change> changes;
  bool sync = true;
};

struct Workload {
  std::vector<Step> steps;
  std::vector<Model> states;  // states[n]: after n steps
};

struct WorkloadOptions {
  uint64_t seed = 1;
  size_t step_count = 40;
  size_t key_count = 24;
  size_t body_bytes_max = 3000;  // fills RocksDB's small memtable
  double synced_share = 0.5;
};

/// Puts, deletes, column fills and metadata changes, mixed at random.
Workload MakeWorkload(const WorkloadOptions& options);

/// A document with both vectors, from a number.
ModelDocument MakeDocument(uint64_t number, size_t body_bytes = 0);

void Apply(const Change& change, Model* model);
WriteBatch ToBatch(const Step& step);

/// Small segments, memtable and tombstone bound, so that seals, flushes and folds happen often.
engine::EngineOptions SmallOptions(storage::FileSystem* fs = storage::PosixFileSystem());

StatusOr<Database> OpenReader(const std::string& path);

/// Makes the collection and its two columns, where missing.
Status MakeCollection(Database* database);

/// Which state the database is in, if it is in one of `states` between number `min` and `max`, and
/// everything about it is right: documents, counts, answers against brute force, Verify. Else a
/// status that says what is wrong. A database that was never set up is in state 0 if `min` is 0.
StatusOr<size_t> CheckState(const Database& database, const std::vector<Model>& states, size_t min,
                            size_t max);

/// The same for one known state.
Status CheckModel(const Database& database, const Model& model);

}  // namespace vdb::testing
