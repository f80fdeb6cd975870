// The command line of searches, lists of documents, and measurements of recall.
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "tools/command_line.h"

namespace vdb::tools {
namespace {

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

}  // namespace

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

}  // namespace vdb::tools
