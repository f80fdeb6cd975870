// QueryRequest: everything a query can ask beyond one vector: several vectors and columns, words,
// examples to be like or unlike, order by a field, groups, diversity, pages, and which parts of the
// documents to return.
//
//   vdb::QueryRequest request;
//   request.filter = *vdb::Filter::Parse("year >= 2020");
//   request.vectors = {{.examples = {{.values = query}}}};
//   request.text = {.words = "lemon tree"};
//   request.limit = 20;
//   auto found = collection.Query(request);
//
// With neither vectors nor text it lists documents, by key or by `order_by`.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "vdb/document.h"
#include "vdb/filter.h"
#include "vdb/search.h"
#include "vdb/types.h"

namespace vdb {

/// A vector to be near to (or, with a negative weight, far from): values, or a document's own.
struct VectorExample {
  VectorView values = {};
  std::string like = {};  ///< a document's key: its vector in the clause's column; it is not a hit
  double weight = 1;      ///< finite, not 0
};

/// Nearest neighbours in one column. Several examples are combined into one query: the sum of their
/// unit vectors times their weights under cosine; of the vectors themselves else, over the sum of
/// the weights' magnitudes. kInvalidArgument if that sum is zero under cosine.
struct VectorClause {
  std::string column = {};  ///< empty: the default column
  std::vector<VectorExample> examples = {};
  double weight = 1;        ///< of its scores, or ranks, in the fusion; > 0
};

inline constexpr size_t kTextWordsBytesMax = 64 << 10;
inline constexpr size_t kTextWordsMax = 1000;

/// Documents that hold one of the words, ranked by BM25 (docs/text.md). Needs text field indexes.
struct TextClause {
  /// At most kTextWordsBytesMax bytes and kTextWordsMax distinct words; else kInvalidArgument.
  std::string words = {};
  std::vector<std::string> fields = {};  ///< text-indexed fields; empty: all of the collection
  double weight = 1;
};

/// How the hits of several clauses become one list. A document must be among the candidates of at
/// least one clause. Ties by key. If the page is not full with the first candidates while a clause
/// has more, rounds with twice as many follow; what is new in one comes after what was there, by
/// the scores it has then. So a list has min(limit, documents that any clause can find) hits, and
/// its pages (by cursor) fit together.
enum class Fusion : uint8_t {
  kReciprocalRank,  ///< sum of weight / (60 + rank), rank from 1 (Cormack et al. 2009)
  kWeightedScore,   ///< sum of weight * score; of a clause that did not find it: its lowest score
};

/// By type (null, booleans, numbers, strings, others), then by value; strings bytewise by their
/// first 1,000 bytes. A document with an array stands at its least element; descending: greatest.
struct OrderBy {
  std::string field = {};  ///< empty: by key; an ordered field index makes it cheap
  bool descending = false; ///< documents without the field come last either way; ties by key
};

/// Best hits of each value of a field, groups by their best hit. Equal numbers are one value; an
/// array or object is a value as a whole. Documents without the field are a group each. Candidates
/// are widened until the groups of the page are full or there are no more: expensive where groups
/// have fewer documents than `size`.
struct GroupBy {
  std::string field = {};  ///< empty: no groups
  size_t size = 1;         ///< hits kept per group
};

/// Which parts of the documents to return; the key always.
struct Projection {
  bool metadata = true;
  /// Of the metadata, by path (whatever `metadata` is); empty: all. Objects around a field come
  /// with it; a path into an array of objects gives an array of what each of them has of it.
  std::vector<std::string> fields = {};
  bool body = false;
  bool vectors = false;
};

struct QueryRequest {
  std::vector<VectorClause> vectors = {};
  std::optional<TextClause> text = {};
  Filter filter = {};

  Fusion fusion = Fusion::kReciprocalRank;
  /// Per clause, for fusion, groups and diversity. 0: 10 x (offset + limit), at least 100.
  size_t candidates = 0;

  // The goal of vector clauses, as in SearchOptions.
  double recall = 0.95;
  bool exact = false;
  uint32_t nprobe = 0;
  /// Of the final score (before diversity); without fusion the score of the one clause.
  double min_score = -std::numeric_limits<double>::infinity();

  size_t limit = 10;        ///< hits; with groups: groups
  size_t offset = 0;        ///< hits (groups) left out at the front; nothing with a cursor
  /// QueryResult::cursor of the page before, of the same request: only limit, offset, projection,
  /// limits, explain, thread_count and snapshot may differ. Else kInvalidArgument.
  std::string cursor = {};
  OrderBy order_by = {};    ///< without vectors and text
  GroupBy group_by = {};
  /// Maximal marginal relevance (Carbonell, Goldstein 1998): 1: none; towards 0 hits differ more
  /// from each other. The next hit is the candidate with the greatest lambda * r - (1 - lambda) s:
  /// r its score scaled to 0..1 over the candidates, s its greatest cosine to a hit before it in
  /// the first vector clause's column (0 for the first, and without a vector there). Ties by score.
  double diversity_lambda = 1;

  Projection projection = {};
  QueryLimits limits = {};
  bool explain = false;
  uint32_t thread_count = 0;
  /// Pages of one snapshot are exactly the whole list. Without one, a list's pages still neither
  /// repeat nor miss a document that did not change.
  const Snapshot* snapshot = nullptr;
};

struct QueryHit {
  Document document;
  double score = 0;                      ///< fused, or of the one clause; 0 for lists
  std::vector<double> clause_scores = {};  ///< vectors in order, then text; NaN: not found
  std::string group = {};                ///< the group's value as JSON, with GroupBy
};

struct QueryExplain {
  /// "key order", "index order of F", "sort by F", "sort by key", "vector", "text", "fusion"
  std::string plan;
  std::string reason;
  FilterExplain filter;
  std::vector<SearchExplain> vectors;  ///< one per vector clause
  uint64_t postings_read = 0;          ///< of text clauses
  uint64_t documents_read = 0;         ///< to answer; those returned included
  uint64_t metadata_bytes = 0;
  double total_us = 0;
};

struct QueryResult {
  std::vector<QueryHit> hits;
  bool exact = false;                      ///< no clause approximated, and no limit stopped it
  StopReason stopped = StopReason::kNone;
  /// For the next page; empty: there is none, or a limit stopped what cannot go on (rankings and
  /// sorts; walks in order can). Opaque, ASCII; a later call may be in another process.
  std::string cursor;
  std::optional<QueryExplain> explain;
  uint64_t batch_number = 0;
};

}  // namespace vdb
