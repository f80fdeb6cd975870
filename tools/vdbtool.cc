// vdbtool: the admin tool. This file has the command table, the command line and the exit codes;
// each command stands in a cmd_*.cc. Exit codes: 0 done, 1 failed or not found, 2 usage.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

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

/// What to run; set by the subcommand that was given.
using Run = std::function<StatusOr<int>()>;

// A subcommand with its DB argument and --json. Its arguments live as long as the command line.
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

CLI::Option* AddMetric(CLI::App* app, std::string* metric) {
  return app
      ->add_option("--metric", *metric, "cosine (default), dot or l2, of a column that is made")
      ->check(CLI::IsMember({"cosine", "dot", "l2"}));
}

void AddImport(CLI::App* parent, Run* run) {
  Command<ImportArgs> command(
      parent, "import", "Import documents or vectors into a collection, or a whole database", run,
      RunImport);
  CLI::App* app = command.app;
  ImportArgs* args = command.args.get();
  app->footer(
      "Rows are committed in batches, in the order of the file. Documents replace those of the\n"
      "same key. An import that ended early, for whatever reason, is run again with --resume.\n"
      "Exit status: 0 all rows, 3 some were left out (--skip-bad). See docs/import.md.\n");
  app->add_option("COLLECTION", args->collection, "Name of the collection");
  app->add_option("FILE", args->file,
                  "A .jsonl, .ndjson, .json, .ajson, .csv, .tsv, .npy, .fvecs, .ivecs, .bvecs, .h5 "
                  "or .hdf5 file; - for stdin, with --format");
  app->add_option("--from-db", args->from_db,
                  "All collections of this database, or of a directory made by vdbtool export, "
                  "instead of COLLECTION and FILE");
  app->add_option("--format", args->format, "Whatever the file's name ends in")
      ->check(CLI::IsMember(
          {"jsonl", "json", "csv", "npy", "fvecs", "ivecs", "bvecs", "hdf5"}));
  app->add_option("--column", args->column,
                  "Column of vectors that name none (default: vector)");
  app->add_option("--metric", args->metric,
                  "cosine (default), dot or l2, of columns that the import makes")
      ->check(CLI::IsMember({"cosine", "dot", "l2"}));
  app->add_option("--model", args->model, "Model tag of columns that the import makes");
  app->add_option("--keys", args->keys_file,
                  "Keys of the rows of a file of vectors: a key a line, or a JSON string a line "
                  "(default: the row number)");
  app->add_option("--key-field", args->key_field, "CSV and JSON: the field that holds the key");
  app->add_option("--vector-field", args->vector_field,
                  "CSV and JSON: the field that holds the vector");
  app->add_option("--dataset", args->dataset, "HDF5: the dataset with the rows (train)");
  app->add_flag("--dry-run", args->dry_run, "Read and check everything, write nothing");
  auto* skip = app->add_flag("--skip-bad", args->skip_bad,
                             "Leave rows out that are no documents, instead of ending there");
  app->add_option("--quarantine", args->quarantine,
                  "File for the rows left out, a JSON object a line, with the reason")
      ->needs(skip);
  auto* absent = app->add_flag("--if-absent", args->if_absent,
                               "Leave documents as they are whose keys exist");
  app->add_flag("--upsert", args->upsert, "Replace documents whose keys exist (the default)")
      ->excludes(absent);
  app->add_flag("--resume", args->resume,
                "Go on where an import of this file ended early, if the file did not change");
  app->add_option("--batch-rows", args->batch_rows,
                  "Documents committed and synced together (10000; fewer where they are large)")
      ->check(CLI::PositiveNumber);
  app->add_option("--threads", args->threads, "Threads to convert with (default: all cores)")
      ->check(CLI::NonNegativeNumber);
}

void AddExport(CLI::App* parent, Run* run) {
  Command<ExportArgs> command(
      parent, "export", "Export a collection to a file, or a whole database to a directory", run,
      RunExport);
  command.AsOf();
  CLI::App* app = command.app;
  ExportArgs* args = command.args.get();
  app->footer(
      "vdbtool export DB COLLECTION FILE    a .jsonl, .npy or .fvecs file, - for stdout\n"
      "vdbtool export DB DIR                all collections, for import --from-db\n"
      "JSON lines hold everything, vectors bit for bit. Beside NAME.npy and NAME.fvecs stand\n"
      "NAME.keys and NAME.metadata.jsonl. The export is of one moment, whatever is written\n"
      "meanwhile; files get their names when they are whole. See docs/import.md.\n");
  app->add_option("PLACE", args->places, "[COLLECTION] FILE, or DIR")->required()->expected(1, 2);
  app->add_option("--format", args->format, "Whatever the file's name ends in")
      ->check(CLI::IsMember({"jsonl", "npy", "fvecs"}));
  app->add_option("--column", args->column,
                  ".npy, .fvecs: the vector column (default: the collection's default)");
  app->add_option("--filter", args->filter, "Only documents that match (docs/filters.md)");
  app->add_flag("--plain-vectors", args->plain_vectors,
                "JSON lines: vectors as arrays of numbers, rounded to float32; for other programs");
}

void AddMigrate(CLI::App* parent, Run* run) {
  CLI::App* app = parent->add_subcommand(
      "migrate", "Make a database of a legacy cache (.vemb, .nndex, JSON); the source stays");
  auto args = std::make_shared<MigrateArgs>();
  app->footer(
      "The database is built beside its place, read back from disk and compared with the source\n"
      "entry by entry, and only then gets its name; killed at any moment, run it again. Exit\n"
      "status: 0 clean, 3 some entries were refused, 4 the source was. See docs/migration.md.\n");
  app->add_option("SOURCE", args->source, "The folder with the cache, or a JSON file")->required();
  app->add_option("--to", args->to, "The database (default: .vdb in the source's folder)");
  app->add_flag("--dry-run", args->dry_run, "Verdicts, rows, bytes and time; writes nothing");
  app->add_flag("--salvage", args->salvage, "Take the complete leading entries of a torn source");
  app->add_flag("--force", args->force, "Read an unknown version as the newest known one");
  app->add_flag("--rollback", args->rollback,
                "Remove the database again, if nothing was written to it since");
  app->add_option("--report", args->report, "Write every entry's verdict there, a JSON line each");
  app->add_option("--key-field", args->key_field, "Field of a record that is its key");
  app->add_option("--vector-field", args->vector_field, "Field of a record that is its vector");
  app->add_option("--threads", args->threads, "Threads to use (default: all cores)")
      ->check(CLI::NonNegativeNumber);
  app->add_flag("--json", args->json, "Print JSON");
  app->callback([run, args] { *run = [args] { return RunMigrate(*args); }; });
}

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

std::string CheckRecall(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && at == end && value > 0 && value <= 1) return "";
  return "expected a share above 0 and up to 1 (1: exact), found " + text;
}

// How good the answers are to be; the commands refuse more than one goal.
void AddGoal(CLI::App* app, std::optional<double>* recall, uint32_t* nprobe) {
  app->add_option("--recall", *recall,
                  "Share of the true nearest to find on average, above 0 and up to 1 (0.95); what "
                  "the index cannot prove is answered exactly")
      ->check(CLI::Validator(CheckRecall, "", "recall"));
  app->add_option("--nprobe", *nprobe,
                  "For experts: inverted lists to look into, instead of a recall")
      ->check(CLI::PositiveNumber);
}

constexpr char kFilterHelp[] =
    "Only documents that match, e.g. 'year >= 2020 and tag in (\"a\", \"b\")' (docs/filters.md)";

void AddSearch(CLI::App* parent, Run* run) {
  Command<SearchArgs> command(parent, "search", "Find the nearest documents", run, RunSearch);
  command.Collection().AsOf();
  CLI::App* app = command.app;
  SearchArgs* args = command.args.get();
  auto* from = app->add_option_group("queries", "Where the queries come from");
  from->add_option(
      "--queries", args->queries_file,
      "A .fvecs, .npy or .jsonl file (a JSON array a line), - for such lines on stdin");
  from->add_option("--like", args->like, "The vector of the document of this key, itself left out");
  from->require_option(0, 1);
  app->add_option("--text", args->text,
                  "Words: documents that hold one, by BM25 on the text indexes; beside vectors the "
                  "two rankings are fused by reciprocal rank");
  app->add_option("--filter", args->filter, kFilterHelp);
  app->add_option("--min-score", args->min_score, "Only hits with at least this score");
  app->add_option("--deadline-ms", args->deadline_ms,
                  "Stop after so many milliseconds, with the best found so far")
      ->check(CLI::PositiveNumber);
  auto* group = app->add_option("--group-by", args->group_by,
                                "The best hits of each value of this field; -k counts groups");
  app->add_option("--group-size", args->group_size, "Hits per group (1)")
      ->check(CLI::PositiveNumber)
      ->needs(group);
  app->add_option("--mmr", args->diversity,
                  "Diverse hits: 1 is plain order, towards 0 they differ more from each other")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("-k", args->k, "Hits wanted per query (10)")->check(CLI::NonNegativeNumber);
  app->add_option("--column", args->column, "Vector column (default: the collection's default)");
  AddGoal(app, &args->recall, &args->nprobe);
  app->add_flag("--exact", args->exact, "Prove answers equal to comparing with every row");
  app->add_flag("--explain", args->explain,
                "Say how each answer came about: plan, lists, codes, rows, times");
  app->add_option("--threads", args->threads, "Threads to use (default: as many as pay)")
      ->check(CLI::NonNegativeNumber);
}

void AddQuery(CLI::App* parent, Run* run) {
  Command<QueryArgs> command(parent, "query", "List documents in the order of key or a field", run,
                             RunQuery);
  command.Collection().AsOf();
  CLI::App* app = command.app;
  QueryArgs* args = command.args.get();
  app->footer(
      "A document a line on stdout: with --json as vdbtool import takes it, else its key and\n"
      "metadata. If there are more, the last line on stderr says how to get the next page; pages\n"
      "neither repeat nor miss a document that did not change. See docs/queries.md.\n");
  app->add_option("--filter", args->filter, kFilterHelp);
  app->add_option("--order-by", args->order_by,
                  "Field, e.g. author.name (default: the key); documents without it come last");
  app->add_flag("--desc", args->descending, "From the greatest down");
  app->add_option("--limit", args->limit, "Documents wanted (10)")->check(CLI::NonNegativeNumber);
  auto* offset = app->add_option("--offset", args->offset, "Documents to leave out before them")
                     ->check(CLI::NonNegativeNumber);
  app->add_option("--cursor", args->cursor, "Where the page before ended, as it said")
      ->excludes(offset);
  app->add_option("--fields", args->fields,
                  "Fields of the metadata to print, e.g. year,author.name")
      ->delimiter(',');
  app->add_flag("--body", args->body, "Print bodies");
  app->add_flag("--vectors", args->vectors, "Print vectors");
  app->add_flag("--explain", args->explain, "Say on stderr how the list came about");
  app->add_option("--deadline-ms", args->deadline_ms,
                  "Stop after so many milliseconds, with what there is so far")
      ->check(CLI::PositiveNumber);
}

void AddRecall(CLI::App* parent, Run* run) {
  Command<RecallArgs> command(
      parent, "recall",
      "Measure how many of the true nearest an approximate search finds, and how fast", run,
      RunRecall);
  command.Collection().AsOf();
  CLI::App* app = command.app;
  RecallArgs* args = command.args.get();
  app->footer(
      "Compares the approximate search with the exact one: on the queries of a file or, without\n"
      "one, on documents spread over the collection (the same ones every time), each left out of\n"
      "its own answer by its key. Recall@k is the mean share of the k true nearest keys that were\n"
      "found; the 95 % interval (Wilson's, with the spread between queries taken into account)\n"
      "is for queries like these. Latencies are of warm searches, a query at a time.\n");
  app->add_option("--column", args->column, "Vector column (default: the collection's default)");
  auto* queries = app->add_option("--queries", args->queries_file,
                                  "A .fvecs, .npy or .jsonl file (a JSON array a line), - for "
                                  "such lines on stdin (default: documents of the collection)");
  app->add_option("--samples", args->samples, "Documents to take as queries (200)")
      ->check(CLI::PositiveNumber)
      ->excludes(queries);
  app->add_option("-k", args->k, "Nearest to look for per query (10)")->check(CLI::PositiveNumber);
  AddGoal(app, &args->recall, &args->nprobe);
}

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
}

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
