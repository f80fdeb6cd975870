// How the command line of vdbtool is put together: what each subcommand has, and the subcommands by
// topic. vdbtool.cc has the table of all of them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "vdb/status.h"

namespace vdb::tools {

/// What to run; set by the subcommand that was given.
using Run = std::function<StatusOr<int>()>;

/// A subcommand with its DB argument and --json. Its arguments live as long as the command line.
template <typename Args>
struct Command {
  CLI::App* app;
  std::shared_ptr<Args> args = std::make_shared<Args>();

  Command(CLI::App* parent, const char* name, const char* help, Run* run,
          StatusOr<int> (*function)(const Args&))
      : app(parent->add_subcommand(name, help)) {
    app->add_option("DB", args->database, "Directory of the database")->required();
    app->add_flag("--json", args->json, "Print JSON");
    app->fallthrough();  // --memory-limit and --disk-limit stand anywhere
    if (parent->get_parent() != nullptr) parent->fallthrough();
    app->callback([run, function, args = args] { *run = [=] { return function(*args); }; });
  }
  Command& Collection() {
    app->add_option("COLLECTION", args->collection, "Name of the collection")->required();
    return *this;
  }
  Command& AsOf() {
    app->add_option("--as-of", args->as_of, "Read the named snapshot NAME instead of the newest "
                                            "state (vdbtool snapshot)");
    return *this;
  }
  Command& Key() {
    app->add_option("KEY", args->key, "Key of the document; put -- before one that begins with -")
        ->required();
    return *this;
  }
};

inline constexpr char kFilterHelp[] =
    "Only documents that match, e.g. 'year >= 2020 and tag in (\"a\", \"b\")' (docs/filters.md)";

// args_documents.cc: single documents, columns, and what changes many documents.
void AddPut(CLI::App* parent, Run* run);
void AddDelete(CLI::App* parent, Run* run);
void AddCount(CLI::App* parent, Run* run);
void AddColumn(CLI::App* parent, Run* run);
void AddPrune(CLI::App* parent, Run* run);
void AddRekey(CLI::App* parent, Run* run);

// args_transfer.cc: files and other databases.
void AddImport(CLI::App* parent, Run* run);
void AddExport(CLI::App* parent, Run* run);
void AddMigrate(CLI::App* parent, Run* run);

// args_search.cc: searches, lists, and how good searches are.
void AddSearch(CLI::App* parent, Run* run);
void AddQuery(CLI::App* parent, Run* run);
void AddRecall(CLI::App* parent, Run* run);

// args_index.cc: indexes, and compaction.
void AddIndex(CLI::App* parent, Run* run);
void AddFieldIndex(CLI::App* parent, Run* run);
void AddCompact(CLI::App* parent, Run* run);

// args_backup.cc: states that are kept, and damage.
void AddSnapshot(CLI::App* parent, Run* run);
void AddBackups(CLI::App* parent, Run* run);
void AddVerify(CLI::App* parent, Run* run);

}  // namespace vdb::tools
