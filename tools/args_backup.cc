// The command line of named snapshots, backups, verify, repair and upgrade.
#include <memory>

#include "tools/command_line.h"

namespace vdb::tools {
namespace {

// A subcommand on a backup directory, not on a database.
template <typename Args>
CLI::App* AddOnBackups(CLI::App* parent, const char* name, const char* help, Run* run,
                       StatusOr<int> (*function)(const Args&), const std::shared_ptr<Args>& args) {
  CLI::App* app = parent->add_subcommand(name, help);
  app->add_option("DIR", args->directory, "Directory of the backups")->required();
  app->add_flag("--json", args->json, "Print JSON");
  app->callback([run, function, args] { *run = [=] { return function(*args); }; });
  return app;
}

}  // namespace

void AddSnapshot(CLI::App* parent, Run* run) {
  CLI::App* snapshot = parent->add_subcommand(
      "snapshot", "Keep the state of a database under a name, and compare such states");
  snapshot->require_subcommand(1);
  snapshot->footer(
      "Commands that read take --as-of NAME. A snapshot costs no copy, but what it needs is kept\n"
      "on disk until it is dropped.\n");
  const auto add_name = [](Command<SnapshotArgs>& command) {
    command.app->add_option("NAME", command.args->name, "Name of the snapshot")->required();
  };
  Command<SnapshotArgs> create(snapshot, "create", "Keep the state of now", run,
                               RunSnapshotCreate);
  add_name(create);
  Command<SnapshotArgs>(snapshot, "list", "List what is kept", run, RunSnapshotList);
  Command<SnapshotArgs> drop(snapshot, "drop", "Keep it no longer", run, RunSnapshotDrop);
  add_name(drop);
  Command<SnapshotArgs> diff(snapshot, "diff", "List the documents that differ", run,
                             RunSnapshotDiff);
  add_name(diff);
  diff.app->add_option("--to", diff.args->to, "The snapshot to compare with (default: now)");
}

void AddBackups(CLI::App* parent, Run* run) {
  Command<BackupArgs> backup(parent, "backup", "Add a backup of a database to a directory", run,
                             RunBackup);
  backup.app->add_option("DIR", backup.args->directory, "Directory of its backups")->required();
  backup.app->add_option("--level", backup.args->level, "zstd level, 1 to 19 (3)")
      ->check(CLI::Range(1, 19));
  backup.app->footer(
      "Reads and writes go on. What earlier backups in DIR have is not copied again. Check them\n"
      "with vdbtool verify DIR. See docs/backup.md.\n");
  AddOnBackups(parent, "backups", "List the backups in a directory", run, RunBackups,
               std::make_shared<BackupsArgs>());
  const auto drop = std::make_shared<BackupDropArgs>();
  AddOnBackups(parent, "backup-drop", "Remove a backup, and what only it used", run,
               RunBackupDrop, drop)
      ->add_option("ID", drop->id, "Which, as vdbtool backups lists them")
      ->required()
      ->check(CLI::PositiveNumber);
  const auto restore = std::make_shared<RestoreArgs>();
  CLI::App* app = AddOnBackups(parent, "restore", "Make a database from a backup", run,
                               RunRestore, restore);
  app->add_option("TO", restore->to, "Directory to make; may exist if it is empty")->required();
  app->add_option("--backup", restore->id, "Which one (default: the newest)")
      ->check(CLI::PositiveNumber);
  app->add_option("--collection", restore->collection, "Only this collection");
}

void AddVerify(CLI::App* parent, Run* run) {
  Command<VerifyArgs> verify(parent, "verify", "Look for damage", run, RunVerify);
  verify.app
      ->add_option("--level", verify.args->level,
                   "quick: manifests, headers, sizes; checksums: every byte; references (default): "
                   "documents, rows and index entries belong together; full: codes and searches, "
                   "too, on samples")
      ->check(CLI::IsMember({"quick", "checksums", "references", "full"}));
  Command<RepairArgs> repair(parent, "repair", "Make a good database of what is left of a damaged "
                                               "one", run, RunRepair);
  repair.app->add_flag("--dry-run", repair.args->dry_run,
                       "Only say what would be lost, and write nothing");
  repair.app->footer(
      "Nobody may have the database open. Damaged files are not changed: they are kept in the\n"
      "folder quarantine/ of the database. Says key by key what is lost, and checks the result.\n"
      "Exit code 1: something is lost.\n");
  Command<UpgradeArgs> upgrade(parent, "upgrade", "Take a database of an older format version to "
                                                  "the present one", run, RunUpgrade);
  upgrade.app->add_flag("--dry-run", upgrade.args->dry_run,
                        "Only say what would be done and how much room it takes");
  upgrade.app->footer(
      "Such a database can be read as it is; writing to it needs this once. Nobody may have it\n"
      "open for writing. Documents are written anew beside the old ones, compared, and take their\n"
      "place by one rename; vectors and indexes stay. Killed at any moment, run it again. Older\n"
      "releases of vdb cannot read the result: make a backup first if you need the way back.\n");
}

}  // namespace vdb::tools
