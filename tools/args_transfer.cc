// The command line of imports, exports and migrations.
#include <memory>

#include "tools/command_line.h"

namespace vdb::tools {

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

}  // namespace vdb::tools
