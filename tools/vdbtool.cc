// vdbtool: the admin tool. This file has the command table, the global options and the exit codes;
// the options of each command stand in an args_*.cc, what it does in a cmd_*.cc. Exit codes:
// 0 done, 1 failed or not found, 2 usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "tools/command_line.h"
#include "tools/commands.h"
#include "tools/common.h"
#include "vdb/version.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VDB_TOOL_SANITIZED 1
#else
#define VDB_TOOL_SANITIZED 0
#endif

#if !VDB_TOOL_SANITIZED
// OpenBLAS makes a pool of threads when it is loaded, which vdb does not use: it calls OpenBLAS
// from threads of its own. In a static program only .preinit_array comes before that.
static void KeepBlasSingleThreaded(int, char**, char**) { setenv("OPENBLAS_NUM_THREADS", "1", 0); }
__attribute__((section(".preinit_array"), used)) static void (*const kBeforeBlas)(int, char**,
                                                                                  char**) =
    KeepBlasSingleThreaded;
#endif

namespace vdb::tools {
namespace {

void AddCommands(CLI::App* app, Run* run) {
  Command<CreateArgs>(app, "create", "Create an empty database", run, RunCreate);
  AddImport(app, run);
  AddExport(app, run);
  AddMigrate(app, run);
  AddPut(app, run);
  Command<KeyArgs>(app, "get", "Print one document", run, RunGet).Collection().Key().AsOf();
  AddDelete(app, run);
  Command<DropArgs>(app, "drop", "Drop a collection with all its documents", run, RunDrop)
      .Collection();
  AddColumn(app, run);
  AddSearch(app, run);
  AddQuery(app, run);
  AddIndex(app, run);
  AddFieldIndex(app, run);
  AddPrune(app, run);
  AddRekey(app, run);
  AddCount(app, run);
  AddRecall(app, run);
  AddCompact(app, run);
  Command<ListArgs>(app, "list", "List collections and columns", run, RunList).AsOf();
  AddSnapshot(app, run);
  Command<JobsArgs>(app, "jobs", "List long work: waiting, running, and what ended lately", run,
                    RunJobs);
  Command<StatsArgs> stats(app, "stats", "Print figures and the content hash", run, RunStats);
  stats.app->add_flag("--no-hash", stats.args->no_hash,
                      "Leave the content hash out, which reads everything");
  stats.app->add_flag("--prometheus", stats.args->prometheus,
                      "Print figures as Prometheus scrapes them; counters of a process of its own "
                      "begin at 0, so applications export theirs (Database::GetMetrics)");
  stats.AsOf();
  AddBackups(app, run);
  AddVerify(app, run);
}

int ParseAndRun(int argc, char** argv) {
  CLI::App app("vdbtool: create, fill, search and check vdb databases", "vdbtool");
  app.set_version_flag("--version", std::string("vdbtool ") + kLibraryVersion);
  app.require_subcommand(1);
  app.add_option("--memory-limit", GlobalLimits().memory_bytes,
                 "Memory for caches, buffers and jobs, e.g. 256MiB (at least 64MiB; default: none)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--disk-limit", GlobalLimits().disk_bytes,
                 "What the database's files may take, e.g. 20GiB (default: none)")
      ->transform(CLI::AsSizeValue(false));
  Run run;
  AddCommands(&app, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    PrintError(std::string(error.what()) + "; see `vdbtool --help` and `vdbtool COMMAND --help`");
    return kUsage;
  }
  const StatusOr<int> code = run();
  if (code.ok()) return *code;
  PrintError(code.status().message());
  return kFailed;
}

int Main(int argc, char** argv) {
  int code = kFailed;
  try {
    code = ParseAndRun(argc, argv);
  } catch (const std::exception& error) {
    PrintError(std::string("unexpected: ") + error.what());
  }
  if (fflush(stdout) != 0 || ferror(stdout) != 0) {
    PrintError("stdout: not everything could be written");
    if (code == kDone) code = kFailed;
  }
  return code;
}

}  // namespace
}  // namespace vdb::tools

int main(int argc, char** argv) {
  const int code = vdb::tools::Main(argc, argv);
#if VDB_TOOL_SANITIZED
  return code;  // so that leaks are looked for
#else
  _exit(code);  // databases are closed: nothing is left that destructors would have to do
#endif
}
