#include "tools/explain_text.h"

#include "tools/common.h"
#include "tools/index_text.h"

namespace vdb::tools {
namespace {

std::string Micros(double microseconds) { return Format("%.0f us", microseconds); }
std::string Count(uint64_t value) { return std::to_string(value); }

bool HasFilter(const FilterExplain& filter) {
  return !filter.plan.empty() && filter.plan != "none";
}

void AddFilter(const FilterExplain& filter, JsonOut* out) {
  out->Key("filter").BeginObject().Key("plan").String(filter.plan);
  out->Key("reason").String(filter.reason).Key("predicates").BeginArray();
  for (const auto& predicate : filter.predicates) {
    out->BeginObject().Key("text").String(predicate.text);
    out->Key("index").String(predicate.index);
    out->Key("estimated").Uint(predicate.estimated_count);
    out->Key("entries_read").Uint(predicate.entries_read).EndObject();
  }
  out->EndArray().Key("documents").Uint(filter.document_count);
  out->Key("matches").Uint(filter.match_count);
  out->Key("documents_read").Uint(filter.documents_read);
  out->Key("metadata_bytes").Uint(filter.metadata_bytes).Key("cached").Bool(filter.cached);
  out->Key("filter_us").Double(filter.filter_us).Key("mask_us").Double(filter.mask_us);
  out->EndObject();
}

std::string FilterText(const FilterExplain& filter) {
  std::string text = "    filter  " + filter.plan +
                     (filter.reason.empty() ? "" : ": " + filter.reason) +
                     (filter.cached ? " (from the cache)" : "") + "\n            " +
                     Count(filter.match_count) + " of " + Count(filter.document_count) +
                     " documents match; " + Count(filter.documents_read) + " read, " +
                     Count(filter.metadata_bytes) + " bytes of metadata, " +
                     Micros(filter.filter_us + filter.mask_us) + "\n";
  for (const auto& predicate : filter.predicates) {
    text += "            " + Printable(predicate.text) + ": ";
    text += predicate.index.empty()
                ? "no index\n"
                : "index " + Printable(predicate.index) + ", about " +
                      Count(predicate.estimated_count) + ", " + Count(predicate.entries_read) +
                      " entries read\n";
  }
  return text;
}

void AddSearchMembers(const SearchExplain& explain, JsonOut* out) {
  out->Key("plan").String(explain.plan);
  out->Key("reason").String(explain.reason).Key("lists").Uint(explain.list_count);
  out->Key("lists_probed").Uint(explain.lists_probed);
  out->Key("lists_skipped").Uint(explain.lists_skipped);
  out->Key("codes_scanned").Uint(explain.codes_scanned);
  out->Key("codes_refined").Uint(explain.codes_refined);
  out->Key("rows_scanned").Uint(explain.rows_scanned);
  out->Key("rows_reranked").Uint(explain.rows_reranked);
  out->Key("bytes_touched").Uint(explain.bytes_touched);
  out->Key("recall_target").Double(explain.recall_target);
  out->Key("margin").Double(explain.margin).Key("bound_slack").Double(explain.bound_slack);
  out->Key("prepare_us").Double(explain.prepare_us).Key("rank_us").Double(explain.rank_us);
  out->Key("scan_us").Double(explain.scan_us).Key("rerank_us").Double(explain.rerank_us);
  if (!HasFilter(explain.filter)) return;
  out->Key("rows_allowed").Uint(explain.rows_allowed);
  AddFilter(explain.filter, out);
}

std::string SearchLines(const SearchExplain& explain) {
  std::string text = "    plan    " + explain.plan + ": " + explain.reason + "\n";
  if (explain.recall_target > 0) {
    text += Format("    goal    recall %g, margin %.3g, bound slack %.3g\n", explain.recall_target,
                   explain.margin, explain.bound_slack);
  }
  if (explain.list_count > 0) {
    text += "    lists   " + Count(explain.lists_probed) + " probed and " +
            Count(explain.lists_skipped) + " skipped by margin, of " + Count(explain.list_count) +
            "\n    codes   " + Count(explain.codes_scanned) + " scanned (1 bit), " +
            Count(explain.codes_refined) + " refined (4 bits)\n";
  }
  text += "    rows    " + Count(explain.rows_scanned) + " scanned (float32), " +
          Count(explain.rows_reranked) + " scored exactly\n    bytes   " +
          BytesText(explain.bytes_touched) + " touched\n    time    prepare " +
          Micros(explain.prepare_us) + ", rank " + Micros(explain.rank_us) + ", scan " +
          Micros(explain.scan_us) + ", rerank " + Micros(explain.rerank_us) + "\n";
  if (!HasFilter(explain.filter)) return text;
  return text + "    allowed " + Count(explain.rows_allowed) + " rows\n" +
         FilterText(explain.filter);
}

}  // namespace

void AddExplain(const SearchExplain& explain, JsonOut* out) {
  out->Key("explain").BeginObject();
  AddSearchMembers(explain, out);
  out->EndObject();
}

void AddExplain(const QueryExplain& explain, JsonOut* out) {
  out->Key("explain").BeginObject().Key("plan").String(explain.plan);
  out->Key("reason").String(explain.reason).Key("vectors").BeginArray();
  for (const SearchExplain& vector : explain.vectors) {
    out->BeginObject();
    AddSearchMembers(vector, out);
    out->EndObject();
  }
  out->EndArray().Key("postings_read").Uint(explain.postings_read);
  out->Key("documents_read").Uint(explain.documents_read);
  out->Key("metadata_bytes").Uint(explain.metadata_bytes);
  out->Key("total_us").Double(explain.total_us);
  if (HasFilter(explain.filter)) AddFilter(explain.filter, out);
  out->EndObject();
}

std::string ExplainText(const SearchExplain& explain) {
  return "  explain\n" + SearchLines(explain);
}

std::string ExplainText(const QueryExplain& explain) {
  std::string text = "  explain\n    plan    " + explain.plan + ": " + explain.reason +
                     "\n    read    " + Count(explain.documents_read) + " documents, " +
                     Count(explain.metadata_bytes) + " bytes of metadata, " +
                     Count(explain.postings_read) + " postings; " + Micros(explain.total_us) +
                     " in all\n";
  if (HasFilter(explain.filter)) text += FilterText(explain.filter);
  for (size_t i = 0; i < explain.vectors.size(); ++i) {
    text += "  vector clause " + Count(i) + "\n" + SearchLines(explain.vectors[i]);
  }
  return text;
}

}  // namespace vdb::tools
