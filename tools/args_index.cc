// The command line of vector indexes, field indexes and compaction.
#include "tools/command_line.h"

namespace vdb::tools {

void AddIndex(CLI::App* parent, Run* run) {
  CLI::App* index = parent->add_subcommand("index", "Build, drop or look at a vector index");
  index->require_subcommand(1);
  const auto add_place = [](Command<IndexArgs>& command) {
    command.Collection();
    command.app->add_option("--column", command.args->column,
                            "Vector column (default: the collection's default)");
  };
  Command<IndexArgs> build(index, "build", "Build the index of a column, or bring it up to date",
                           run, RunIndexBuild);
  add_place(build);
  build.app->footer(
      "With an index, a search reads a small part of a column instead of all of it. The first\n"
      "build learns from the rows how to cut them into lists; later ones add the rows written\n"
      "since, and learn anew if the data has changed a lot. At its end a build measures which\n"
      "recall is reached at which cost; a search that asks for more is answered exactly.\n"
      "Reading and writing go on during a build by an application (Collection::BuildIndex);\n"
      "this command itself is the database's one writer. It needs free disk space for a copy of\n"
      "the rows that it writes. If it is interrupted, the state before it stays.\n");
  build.app->add_option("--nlist", build.args->list_count,
                        "Inverted lists (default: by the number of rows); another number than the "
                        "index has means --retrain")
      ->check(CLI::PositiveNumber);
  build.app->add_flag("--retrain", build.args->retrain,
                      "Learn anew, and write all rows anew, even if the index still fits");
  build.app->add_option("--queries", build.args->queries_file,
                        "Queries like those to come, to measure recall on: a .fvecs, .npy or "
                        ".jsonl file (a JSON array a line), - for such lines on stdin (default: "
                        "stored rows)");
  build.app->add_option("--threads", build.args->threads, "Threads to use (default: all cores)")
      ->check(CLI::NonNegativeNumber);
  Command<IndexArgs> drop(index, "drop", "Drop the index of a column; its vectors stay", run,
                          RunIndexDrop);
  add_place(drop);
  Command<IndexArgs> stats(index, "stats", "Print the index's figures, and whether to rebuild it",
                           run, RunIndexStats);
  add_place(stats);
}

void AddFieldIndex(CLI::App* parent, Run* run) {
  CLI::App* index =
      parent->add_subcommand("field-index", "Add, drop or list indexes of metadata fields");
  index->require_subcommand(1);
  const auto add_field = [](Command<FieldIndexArgs>& command) {
    command.Collection();
    command.app->add_option("FIELD", command.args->field, "Path of the field, e.g. author.name")
        ->required();
    command.app->add_flag("--text", command.args->text,
                          "A text index, for searches by words; FIELD may also be $body");
  };
  Command<FieldIndexArgs> add(index, "add", "Add an index, or go on with one that was cut short",
                              run, RunFieldIndexAdd);
  add_field(add);
  add.app->footer(
      "With an index, filters on the field read its entries instead of all documents. It has\n"
      "the values of all types in order, the elements of arrays each, and every write keeps it\n"
      "up. A field can have an index of each kind.\n");
  Command<FieldIndexArgs> drop(index, "drop", "Drop an index; the documents stay", run,
                               RunFieldIndexDrop);
  add_field(drop);
  Command<FieldIndexArgs>(index, "list", "List the indexes", run, RunFieldIndexList).Collection();
}

void AddCompact(CLI::App* parent, Run* run) {
  Command<CompactArgs> command(parent, "compact",
                               "Drop dead rows, merge small files, and give the space back", run,
                               RunCompact);
  CLI::App* app = command.app;
  app->add_option("COLLECTION", command.args->collection, "Only this collection (default: all)");
  app->add_option("--column", command.args->column, "Only this column of it");
  app->add_flag("--full", command.args->full,
                "Everything with a dead row, not only what is worth it");
  app->add_option("--rate", command.args->bytes_per_second_max,
                  "Write at most so many bytes a second, e.g. 20MiB (default: no limit)")
      ->transform(CLI::AsSizeValue(false));
  app->footer(
      "Contents, indexes and answers stay as they are. Before the old files go, the new ones are\n"
      "read back and compared with them. Needs free disk space for a copy of what is rewritten,\n"
      "and says so before it begins. If it is interrupted, the state before it stays.\n");
}

}  // namespace vdb::tools
