// See fault_scenarios.h.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/backup.h"
#include "engine/repair.h"
#include "format/status_macros.h"
#include "tests/crash/fault_scenarios.h"
#include "tests/engine/upgrade_fixture.h"
#include "tests/support/fake_cache.h"
#include "vdb/import.h"

namespace vdb::testing {

namespace fs = std::filesystem;

// --- whole databases ---

FaultScenario OpenScenario(bool after_a_kill) {
  const Workload workload = WithPuts(true);
  FaultScenario scenario = OnBase("", workload, {});
  scenario.name = after_a_kill ? "open after a kill" : "open";
  scenario.run = [](World& world) {
    return OnDatabase(world, true, [](World&, Database&) { return Status::Ok(); });
  };
  if (!after_a_kill) return scenario;
  scenario.prepare = [workload](World& world) -> Status {
    VDB_RETURN_IF_ERROR(MakeBase(world, workload));
    const std::string killed = world.root + "/killed";
    const Status written = OnDatabase(world, false, [&](World&, Database& database) {
      const Status done = WriteSteps(world, database, workload, workload.steps.size());
      fs::copy(world.database(), killed, fs::copy_options::recursive);
      return done;
    });
    VDB_RETURN_IF_ERROR(written);
    world.state = workload.steps.size();
    fs::remove_all(world.database());
    fs::rename(killed, world.database());
    return Status::Ok();
  };
  return scenario;
}

// From nothing, with everything that a mixed workload makes happen.
FaultScenario LifeScenario() {
  FaultScenario scenario;
  scenario.name = "create and a mixed life";
  const Workload workload =
      MakeWorkload({.seed = 72, .step_count = 45, .body_bytes_max = 5000});
  scenario.prepare = [](World&) { return Status::Ok(); };
  scenario.run = [=](World& world) {
    return OnDatabase(world, true, [&](World&, Database& database) -> Status {
      VDB_RETURN_IF_ERROR(MakeCollection(&database));
      return WriteSteps(world, database, workload, workload.steps.size());
    });
  };
  scenario.check = [=](World& world, bool finished) {
    return CheckBase(world, workload, finished);
  };
  return scenario;
}

FaultScenario ImportScenario() {
  constexpr uint64_t kRows = 60, kBatch = 20;
  const Workload base = BaseWorkload();
  const auto import = [](World& world, Database& database) {
    ImportOptions options;
    options.batch_rows = kBatch;
    options.thread_count = 1;
    return ImportFile(database, "rows", world.root + "/rows.fvecs", options).status();
  };
  FaultScenario scenario = OnBase("import", base, import);
  scenario.prepare = [base](World& world) -> Status {
    std::ofstream out(world.root + "/rows.fvecs", std::ios::binary);
    for (uint64_t i = 0; i < kRows; ++i) {
      const auto row = MakeDocument(i).vectors[kCosineColumn];
      const auto dimension = static_cast<int32_t>(row.size());
      out.write(reinterpret_cast<const char*>(&dimension), sizeof(dimension));
      out.write(reinterpret_cast<const char*>(row.data()),
                static_cast<std::streamsize>(row.size() * sizeof(float)));
    }
    out.close();
    return MakeBase(world, base);
  };
  scenario.check = [base](World& world, bool finished) -> Status {
    VDB_RETURN_IF_ERROR(CheckBase(world, base, finished));
    VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(world.database()));
    const auto rows = reader.OpenCollection("rows");
    if (!rows.ok()) return finished ? rows.status() : Status::Ok();
    VDB_ASSIGN_OR_RETURN(const uint64_t count, rows->Count());
    if (finished ? count == kRows : count % kBatch == 0) return Status::Ok();
    return Status::Corruption("there are " + std::to_string(count) + " rows");
  };
  return scenario;
}

FaultScenario MigrationScenario() {
  FaultScenario scenario;
  scenario.name = "migration";
  const auto source = [](const World& world) { return FakeSource::At(world.root + "/photos"); };
  scenario.prepare = [](World& world) {
    FakeSource(world.root + "/photos");
    return Status::Ok();
  };
  scenario.run = [=](World& world) {
    world.arm();
    engine::EngineOptions options = SmallOptions(world.fs);
    options.user.create_if_missing = false;
    options.uuid = std::string(32, 'a');
    world.Note("may database");
    const Status done =
        source(world).Migrate(MakeFakeCache(60), {.thread_count = 1}, options).status();
    if (!done.ok() && done.code() != StatusCode::kAlreadyExists) return done;
    world.Note("must database");
    return Status::Ok();
  };
  const auto hash_of = [](const std::string& path) -> StatusOr<std::string> {
    VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(path));
    VDB_ASSIGN_OR_RETURN(const VerifyReport report, reader.Verify());
    if (report.problem_count > 0) return Status::Corruption(report.problems[0].message);
    return reader.ContentHash();
  };
  ScratchDir elsewhere;
  World healthy;
  healthy.root = elsewhere.path();
  EXPECT_TRUE(scenario.prepare(healthy).ok() && scenario.run(healthy).ok());
  const auto expected = hash_of(source(healthy).database());
  EXPECT_TRUE(expected.ok()) << expected.status().ToString();
  scenario.check = [=](World& world, bool finished) -> Status {
    if (!fs::exists(source(world).database())) {
      return finished ? Status::NotFound("the database") : Status::Ok();
    }
    VDB_ASSIGN_OR_RETURN(const std::string hash, hash_of(source(world).database()));
    if (hash != *expected) return Status::Corruption("published, but not the whole");
    world.found.insert("database");
    const bool clean = source(world).Names() == std::vector<std::string>{".nndex", ".vdb"};
    return clean || !finished ? Status::Ok() : Status::Corruption("something is left behind");
  };
  return scenario;
}

// --- backups ---

namespace {

std::string Backups(const World& world) { return world.root + "/backups"; }

Status BackUp(World& world) {
  engine::EngineOptions options = SmallOptions(world.fs);
  options.user.create_if_missing = false;
  options.user.read_only = true;
  VDB_ASSIGN_OR_RETURN(Database database, engine::OpenDatabase(world.database(), options));
  const auto list = ListBackups(Backups(world));
  const std::string name = "backup " + std::to_string((list.ok() ? list->size() : 0) + 1);
  world.Note("may " + name);
  VDB_RETURN_IF_ERROR(database.Backup(Backups(world)).status());
  world.Note("must " + name);
  return Status::Ok();
}

// Every backup that is listed is whole. Gives how many there are.
StatusOr<size_t> SoundBackups(World& world) {
  VDB_ASSIGN_OR_RETURN(const VerifyReport report, VerifyBackups(Backups(world)));
  if (report.problem_count > 0) return Status::Corruption(report.problems[0].message);
  VDB_ASSIGN_OR_RETURN(const auto list, ListBackups(Backups(world)));
  for (const BackupInfo& info : list) world.found.insert("backup " + std::to_string(info.id));
  return list.size();
}

Status RestoreTo(World& world, uint64_t id, const std::string& name) {
  return engine::RestoreWith(Backups(world), world.root + "/" + name, {.backup_id = id},
                             SmallOptions(world.fs))
      .status();
}

Status CheckRestored(const World& world, const std::string& name, const Model& model) {
  VDB_ASSIGN_OR_RETURN(const Database restored,
                       engine::OpenDatabase(world.root + "/" + name, SmallOptions()));
  return CheckModel(restored, model);
}

// One backup of the base, and then steps.
Status MakeBackedUp(World& world, const Workload& workload) {
  VDB_RETURN_IF_ERROR(MakeBase(world, workload));
  VDB_RETURN_IF_ERROR(BackUp(world));
  VDB_RETURN_IF_ERROR(OnDatabase(world, false, [&](World&, Database& database) {
    return WriteSteps(world, database, workload, workload.steps.size());
  }));
  world.state = workload.steps.size();
  return Status::Ok();
}

}  // namespace

FaultScenario BackupScenario() {
  const Workload workload = WithPuts(true);
  FaultScenario scenario;
  scenario.name = "backup";
  scenario.prepare = [=](World& world) { return MakeBackedUp(world, workload); };
  scenario.run = [](World& world) {
    world.arm();
    return BackUp(world);
  };
  scenario.check = [=](World& world, bool finished) -> Status {
    VDB_RETURN_IF_ERROR(CheckBase(world, workload, finished));
    VDB_ASSIGN_OR_RETURN(const size_t count, SoundBackups(world));
    if (!finished) return Status::Ok();
    if (count < 2) return Status::NotFound("the second backup");
    const Model& newest = workload.states[world.state];
    for (const uint64_t id : {uint64_t{1}, uint64_t{0}}) {
      const std::string name = "restored" + std::to_string(id);
      VDB_RETURN_IF_ERROR(RestoreTo(world, id, name));
      VDB_RETURN_IF_ERROR(
          CheckRestored(world, name, id == 1 ? workload.states[kBaseSteps] : newest));
    }
    return Status::Ok();
  };
  return scenario;
}

FaultScenario RestoreScenario() {
  const Workload workload = WithPuts(true);
  FaultScenario scenario;
  scenario.name = "restore";
  scenario.prepare = [=](World& world) -> Status {
    VDB_RETURN_IF_ERROR(MakeBackedUp(world, workload));
    return BackUp(world);
  };
  scenario.run = [](World& world) {
    world.arm();
    world.Note("may restored");
    const Status done = RestoreTo(world, 0, "restored");
    if (!done.ok() && done.code() != StatusCode::kAlreadyExists) return done;
    world.Note("must restored");
    return Status::Ok();
  };
  scenario.check = [=](World& world, bool finished) -> Status {
    VDB_RETURN_IF_ERROR(SoundBackups(world).status());
    const bool there = fs::exists(world.root + "/restored");
    if (!there) return finished ? Status::NotFound("what was restored") : Status::Ok();
    if (finished && fs::exists(world.root + "/restored.restoring")) {
      return Status::Corruption("leftovers of the restore");
    }
    world.found.insert("restored");
    return CheckRestored(world, "restored", workload.states.back());
  };
  return scenario;
}

// Of the golden database of version 1: before and after the contents are the same.
FaultScenario UpgradeScenario() {
  FaultScenario scenario;
  scenario.name = "upgrade";
  scenario.prepare = [](World& world) {
    fs::copy(std::string(VDB_SOURCE_DIR) + "/tests/golden/v1", world.database(),
             fs::copy_options::recursive);
    return Status::Ok();
  };
  scenario.run = [](World& world) {
    world.arm();
    return engine::UpgradeDatabase(world.database(), {}, SmallOptions(world.fs)).status();
  };
  scenario.check = [](World& world, bool finished) -> Status {
    VDB_ASSIGN_OR_RETURN(const Database reader, OpenReader(world.database()));
    VDB_ASSIGN_OR_RETURN(const VerifyReport report, reader.Verify());
    if (report.problem_count > 0) return Status::Corruption(report.problems[0].message);
    VDB_ASSIGN_OR_RETURN(const std::string hash, reader.ContentHash());
    if (hash != kGoldenHash) return Status::Corruption("other contents");
    if (!finished) return Status::Ok();
    const bool left = fs::exists(world.database() + "/docs-000001") ||
                      fs::exists(world.database() + "/UPGRADING");
    if (left) return Status::Corruption("leftovers of the upgrade");
    return reader.Stats()->format_version == kFormatVersion ? Status::Ok()
                                                            : Status::NotFound("version 2");
  };
  return scenario;
}

// Three damaged files of which nothing is lost.
FaultScenario RepairScenario() {
  const Workload workload = BaseWorkload();
  FaultScenario scenario = OnBase("repair", workload, {});
  scenario.prepare = [workload](World& world) -> Status {
    VDB_RETURN_IF_ERROR(MakeBase(world, workload));
    std::set<std::string> damaged;
    for (const auto& entry : fs::recursive_directory_iterator(world.database())) {
      const std::string path = entry.path().string();
      const bool manifest = path.find("/MANIFEST-") != std::string::npos;
      const std::string kind = manifest ? "MANIFEST" : entry.path().extension().string();
      if ((!manifest && kind != ".keys" && kind != ".ivf") || !damaged.insert(kind).second) {
        continue;
      }
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
      file.put('\x5a');
    }
    return damaged.size() == 3 ? Status::Ok() : Status::NotFound("not all kinds of files");
  };
  scenario.run = [](World& world) -> Status {
    world.arm();
    VDB_ASSIGN_OR_RETURN(const RepairReport report,
                         engine::RepairDatabase(*world.fs, world.database(), {}));
    if (report.loss_count > 0) return Status::Corruption("lost: " + report.losses[0].message);
    if (report.verified.problem_count == 0) return Status::Ok();
    return Status::Corruption("not clean: " + report.verified.problems[0].message);
  };
  scenario.check = [workload](World& world, bool finished) {
    return CheckBase(world, workload, finished);
  };
  scenario.only_finished = true;
  return scenario;
}

}  // namespace vdb::testing
