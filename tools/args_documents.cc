// The command line of single documents, of columns, and of what changes many documents.
#include <string>

#include "tools/command_line.h"

namespace vdb::tools {
namespace {

CLI::Option* AddMetric(CLI::App* app, std::string* metric) {
  return app
      ->add_option("--metric", *metric, "cosine (default), dot or l2, of a column that is made")
      ->check(CLI::IsMember({"cosine", "dot", "l2"}));
}

}  // namespace

void AddPut(CLI::App* parent, Run* run) {
  Command<PutArgs> command(parent, "put", "Insert or replace one document", run, RunPut);
  command.Collection().Key();
  CLI::App* app = command.app;
  PutArgs* args = command.args.get();
  app->add_option("--metadata", args->metadata, "A JSON object");
  auto* body = app->add_option("--body", args->body, "The body");
  app->add_option("--body-file", args->body_file, "File with the body, - for stdin")
      ->excludes(body);
  app->add_option("--vector", args->vectors, "COLUMN=1,2,3; may be given once per column")
      ->allow_extra_args(false);
  AddMetric(app, &args->metric);
}

void AddDelete(CLI::App* parent, Run* run) {
  Command<DeleteArgs> command(parent, "delete", "Delete one document, or all that match a filter",
                              run, RunDelete);
  command.Collection();
  command.app->add_option("KEY", command.args->key,
                          "Key of the document; put -- before one that begins with -");
  command.app->add_option("--filter", command.args->filter, kFilterHelp);
}

void AddCount(CLI::App* parent, Run* run) {
  Command<CountArgs> command(parent, "count", "Count documents", run, RunCount);
  command.Collection().AsOf();
  command.app->add_option("--filter", command.args->filter, kFilterHelp);
}

void AddColumn(CLI::App* parent, Run* run) {
  CLI::App* column = parent->add_subcommand("column", "Add, drop or choose a vector column");
  column->require_subcommand(1);
  const auto add_name = [](Command<ColumnArgs>& command) {
    command.Collection();
    command.app->add_option("COLUMN", command.args->column, "Name of the column")->required();
  };
  Command<ColumnArgs> add(column, "add", "Add a column to a collection", run, RunColumnAdd);
  add_name(add);
  add.app->add_option("--dimension", add.args->dimension, "1 to 65535")
      ->required()
      ->check(CLI::NonNegativeNumber);
  AddMetric(add.app, &add.args->metric);
  add.app->add_option("--model", add.args->model, "Model tag");
  Command<ColumnArgs> drop(column, "drop", "Drop a column and its vectors", run, RunColumnDrop);
  add_name(drop);
  Command<ColumnArgs> choose(column, "default", "Make a column the one that searches use", run,
                             RunColumnDefault);
  add_name(choose);
}

void AddPrune(CLI::App* parent, Run* run) {
  Command<PruneArgs> command(parent, "prune", "Drop the documents whose file is gone or changed",
                             run, RunPrune);
  command.Collection();
  command.app->footer(
      "A document's file is its relpath (a field of the metadata) below DIR; it has changed if it\n"
      "has another size or mtime_ns than the metadata says. Documents without relpath are kept.\n");
  command.app->add_option("--root", command.args->root, "Directory of the files")->required();
  command.app->add_flag("--dry-run", command.args->dry_run, "Only say how many");
}

void AddRekey(CLI::App* parent, Run* run) {
  Command<RekeyArgs> command(
      parent, "rekey", "Rename keys after a folder was moved; vectors and the rest stay", run,
      RunRekey);
  command.Collection();
  command.app->footer(
      "Every key that starts with A starts with B afterwards, and so does a relpath in the\n"
      "metadata. Nothing is renamed if one of the new keys is taken.\n");
  command.app->add_option("--prefix", command.args->prefix, "A: what the keys start with")
      ->required();
  command.app->add_option("--to", command.args->to, "B: what they are to start with")->required();
  command.app->add_flag("--dry-run", command.args->dry_run, "Only say how many");
}

}  // namespace vdb::tools
