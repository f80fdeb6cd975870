// See fault_scenarios.h.
#include "tests/crash/fault_scenarios.h"

#include <algorithm>

#include "format/status_macros.h"

namespace vdb::testing {

// --- what the runs start from ---

namespace {

std::string Key(uint64_t i) { return "k" + std::to_string(i); }

std::vector<Change> Puts(uint64_t first, uint64_t past, uint64_t version = 0) {
  std::vector<Change> changes;
  for (uint64_t i = first; i < past; ++i) {
    changes.push_back({Change::Kind::kPut, Key(i), MakeDocument(i + 1000 * version, 40)});
  }
  return changes;
}

std::vector<Change> Deletes(uint64_t first, uint64_t past) {
  std::vector<Change> changes;
  for (uint64_t i = first; i < past; ++i) changes.push_back({Change::Kind::kDelete, Key(i), {}});
  return changes;
}

}  // namespace

Workload BaseWorkload() {
  Workload workload;
  AddStep(&workload, Puts(0, 10));
  AddStep(&workload, Puts(10, 19));
  AddStep(&workload, Deletes(2, 4));
  AddStep(&workload, Puts(19, 23));
  AddStep(&workload, Deletes(12, 13));
  return workload;
}

Status WriteSteps(World& world, Database& database, const Workload& workload, size_t past) {
  VDB_ASSIGN_OR_RETURN(Collection collection, database.OpenCollection(kCollection));
  for (size_t n = world.state + 1; n <= past; ++n) {
    const Step& step = workload.steps[n - 1];
    world.Note("begin " + std::to_string(n));
    VDB_RETURN_IF_ERROR(collection.Write(ToBatch(step), {.sync = step.sync}).status());
    world.Note("ack " + std::to_string(n) + (step.sync ? " sync" : ""));
  }
  return Status::Ok();
}

namespace {

IndexOptions SmallIndex(const char* column) {
  IndexOptions options;
  options.column = column;
  options.list_count = 3;
  options.thread_count = 1;
  return options;
}

}  // namespace

Status OnDatabase(World& world, bool with_open, const Work& work) {
  if (with_open) world.arm();
  VDB_ASSIGN_OR_RETURN(Database database,
                       engine::OpenDatabase(world.database(), SmallOptions(world.fs)));
  const Status done = work(world, database);
  const Status closed = database.Close();
  return done.ok() ? closed : done;
}

Status MakeBase(World& world, const Workload& workload) {
  return OnDatabase(world, true, [&](World&, Database& database) -> Status {
    VDB_RETURN_IF_ERROR(MakeCollection(&database));
    VDB_RETURN_IF_ERROR(WriteSteps(world, database, workload, 3));
    VDB_ASSIGN_OR_RETURN(Collection collection, database.OpenCollection(kCollection));
    VDB_RETURN_IF_ERROR(collection.BuildIndex(SmallIndex(kCosineColumn)).status());
    world.state = 3;
    VDB_RETURN_IF_ERROR(WriteSteps(world, database, workload, kBaseSteps));
    world.state = kBaseSteps;
    return Status::Ok();
  });
}

Status CheckBase(World& world, const Workload& workload, bool finished) {
  VDB_ASSIGN_OR_RETURN(Database database,
                       engine::OpenDatabase(world.database(), SmallOptions()));
  VDB_ASSIGN_OR_RETURN(world.state,
                       CheckState(database, workload.states, 0, workload.steps.size()));
  VDB_RETURN_IF_ERROR(database.Close());
  if (!finished) return Status::Ok();
  VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(world.database()));
  return CheckModel(reader, workload.states[world.state]);
}

FaultScenario OnBase(const std::string& name, const Workload& workload, const Work& work,
                     const Work& ready) {
  FaultScenario scenario;
  scenario.name = name;
  scenario.workload = workload;
  scenario.prepare = [workload](World& world) { return MakeBase(world, workload); };
  scenario.run = [=](World& world) {
    return OnDatabase(world, false, [&](World&, Database& database) -> Status {
      const Status is_ready = ready ? ready(world, database) : Status::Ok();
      if (!is_ready.ok()) return is_ready;
      world.arm();
      return work(world, database);
    });
  };
  scenario.check = [workload](World& world, bool finished) {
    return CheckBase(world, workload, finished);
  };
  return scenario;
}

// --- writes ---

Workload WithPuts(bool sync) {
  Workload workload = BaseWorkload();
  for (uint64_t i = 0; i < 4; ++i) {
    auto changes = Puts(3 * i, 3 * i + 2, 1);
    Change vector = {Change::Kind::kSetVector, Key(20), {}};
    vector.document.vectors[kL2Column] = {1, float(i), 2};
    changes.push_back(vector);
    AddStep(&workload, std::move(changes), sync);
  }
  return workload;
}

namespace {

FaultScenario Writes(const std::string& name, const Workload& workload) {
  return OnBase(name, workload, [workload](World& world, Database& database) -> Status {
    VDB_RETURN_IF_ERROR(WriteSteps(world, database, workload, workload.steps.size()));
    VDB_RETURN_IF_ERROR(database.Flush());
    world.Note("durable " + std::to_string(workload.steps.size()));
    return Status::Ok();
  });
}

}  // namespace

FaultScenario PutsScenario(bool sync) {
  return Writes(sync ? "synced puts" : "unsynced puts, flush", WithPuts(sync));
}

FaultScenario DeletesScenario() {
  Workload workload = BaseWorkload();
  for (uint64_t i = 4; i < 12; i += 4) AddStep(&workload, Deletes(i, i + 4));
  AddStep(&workload, Deletes(14, 18));
  return Writes("deletes and a fold", workload);
}

FaultScenario SealScenario() {
  Workload workload = BaseWorkload();
  AddStep(&workload, Puts(30, 35));
  AddStep(&workload, Puts(35, 40));
  return Writes("seal", workload);
}

FaultScenario FlushScenario() {
  const Workload workload = WithPuts(false);
  const auto unsynced = [workload](World& world, Database& database) {
    return WriteSteps(world, database, workload, workload.steps.size());
  };
  const auto flush = [workload](World& world, Database& database) -> Status {
    VDB_RETURN_IF_ERROR(database.Flush());
    world.Note("durable " + std::to_string(workload.steps.size()));
    return Status::Ok();
  };
  return OnBase("flush", workload, flush, unsynced);
}

// --- jobs ---

FaultScenario IndexBuildScenario() {
  return OnBase("index build", BaseWorkload(), [](World&, Database& database) -> Status {
    VDB_ASSIGN_OR_RETURN(Collection collection, database.OpenCollection(kCollection));
    IndexOptions retrained = SmallIndex(kCosineColumn);
    retrained.retrain = true;
    VDB_RETURN_IF_ERROR(collection.BuildIndex(retrained).status());
    VDB_RETURN_IF_ERROR(collection.BuildIndex(SmallIndex(kL2Column)).status());
    return collection.DropIndex(kL2Column);
  });
}

FaultScenario FieldIndexBuildScenario() {
  return OnBase("field index build", BaseWorkload(), [](World&, Database& database) -> Status {
    VDB_ASSIGN_OR_RETURN(Collection collection, database.OpenCollection(kCollection));
    for (const FieldIndexKind kind : {FieldIndexKind::kOrdered, FieldIndexKind::kText}) {
      const std::string field = kind == FieldIndexKind::kText ? "$body" : "n";
      const Status added = collection.AddFieldIndex({.field = field, .kind = kind}).status();
      if (added.code() != StatusCode::kAlreadyExists) VDB_RETURN_IF_ERROR(added);
    }
    return collection.DropFieldIndex("$body", FieldIndexKind::kText);
  });
}

FaultScenario CompactionScenario() {
  return OnBase("compaction", BaseWorkload(), [](World&, Database& database) {
    return database.Compact({.full = true}).status();
  });
}

// Makes two named snapshots with a step between them, and drops the first.
FaultScenario SnapshotsScenario() {
  Workload workload = BaseWorkload();
  AddStep(&workload, Puts(0, 3, 2));
  const auto make = [](World& world, Database& database, const std::string& name) -> Status {
    world.Note("may " + name);
    const Status made = database.CreateSnapshot(name);
    if (!made.ok() && made.code() != StatusCode::kAlreadyExists) return made;
    world.Note("must " + name);
    return Status::Ok();
  };
  FaultScenario scenario =
      OnBase("named snapshots", workload, [=](World& world, Database& database) -> Status {
        VDB_RETURN_IF_ERROR(make(world, database, "one"));
        VDB_RETURN_IF_ERROR(WriteSteps(world, database, workload, workload.steps.size()));
        VDB_RETURN_IF_ERROR(make(world, database, "two"));
        world.Note("let one");
        VDB_RETURN_IF_ERROR(database.DropSnapshot("one"));
        world.Note("not one");
        return Status::Ok();
      });
  scenario.check = [=](World& world, bool finished) -> Status {
    VDB_RETURN_IF_ERROR(CheckBase(world, workload, finished));
    VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(world.database()));
    VDB_ASSIGN_OR_RETURN(const auto snapshots, reader.ListSnapshots());
    for (const SnapshotInfo& one : snapshots) {
      world.found.insert(one.name);
      engine::EngineOptions options = SmallOptions();
      options.user.read_only = true;
      options.user.create_if_missing = false;
      options.user.as_of = one.name;
      VDB_ASSIGN_OR_RETURN(const Database kept, engine::OpenDatabase(world.database(), options));
      VDB_RETURN_IF_ERROR(
          CheckState(kept, workload.states, kBaseSteps, workload.steps.size()).status());
    }
    return Status::Ok();
  };
  return scenario;
}

}  // namespace vdb::testing
