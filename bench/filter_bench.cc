// Filtered nearest-neighbour search beside FAISS IVFFlat with an IDSelector and hnswlib with
// over-fetch: QPS in one thread with recall beside it, at 0.1, 1, 10 and 50 % selectivity, for
// filters that are independent of the vectors, correlated and anti-correlated with them.
//   filter_bench [ROWSxDIMENSION] [--data-dir DIR] [--no-faiss] [--no-hnswlib] [--cpu-time]
// The peers' indexes are those that index_bench has built in the data directory. QPS is that of
// 1,000 queries under one filter: the median time of a query, and a thousandth of the time to find
// the matching rows: from field indexes (ours, the mask cold), or from an array of values in memory
// (the peers'). --cpu-time: processor time of the searching thread instead, for busy machines.
//
// Correlated: an anchor row is drawn, every document has its rank by distance from the anchor, and
// the queries are those of the set nearest to the anchor. near: the nearest share matches; far: the
// farthest.
#include <cblas.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <unordered_set>

#include "bench/bench_util.h"
#include "bench/dataset_cache.h"
#include "bench/filter_peer_faiss.h"
#include "bench/measure.h"
#include "bench/peer.h"
#include "vdb/database.h"

namespace vdb::bench {
namespace {

constexpr size_t kTop = 10;
constexpr size_t kAnchors = 4;
constexpr size_t kAnchorQueries = 60;
constexpr size_t kQueries = 400;
constexpr double kQueriesPerFilter = 1000;
constexpr double kShares[] = {0.001, 0.01, 0.1, 0.5};
constexpr double kTargets[] = {0.95, 0.99};

bool by_cpu_time = false;

double Milliseconds(const std::function<void()>& work) {
  if (!by_cpu_time) return MillisecondsOf(work);
  const double before = ThreadCpuSeconds();
  work();
  return (ThreadCpuSeconds() - before) * 1000;
}

// One filter with the queries that it is asked with.
struct Pass {
  std::string field;
  bool from_top = false;            // the largest values match
  std::vector<uint32_t> queries;
  std::vector<std::vector<int32_t>> truth;  // per query
};

struct Class {
  std::string name;
  double share = 1;
  std::vector<Pass> passes;
};

struct Values {  // by row: 0 to row_count - 1, each once
  std::vector<std::vector<uint32_t>> of_field;
  std::vector<std::string> names;
};

float Dot(const TestSet& set, size_t row, const float* query) {
  return cblas_sdot(static_cast<int>(set.data.dimension),
                    set.data.rows.data() + row * set.data.dimension, 1, query, 1);
}

std::vector<uint32_t> RanksBy(const std::vector<float>& nearness) {
  std::vector<uint32_t> order(nearness.size()), rank(nearness.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return nearness[a] > nearness[b]; });
  for (uint32_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  return rank;
}

Values MakeValues(const TestSet& set, std::vector<std::vector<uint32_t>>* anchor_queries) {
  Values values;
  std::mt19937_64 random(5);
  std::vector<uint32_t> shuffled(set.data.row_count);
  std::iota(shuffled.begin(), shuffled.end(), 0u);
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  values.of_field.push_back(shuffled);
  values.names.push_back("r");
  for (size_t a = 0; a < kAnchors; ++a) {
    const size_t row = random() % set.data.row_count;
    const float* anchor = set.data.rows.data() + row * set.data.dimension;
    std::vector<float> nearness(set.data.row_count);
    for (size_t i = 0; i < nearness.size(); ++i) nearness[i] = Dot(set, i, anchor);
    values.of_field.push_back(RanksBy(nearness));
    values.names.push_back("a" + std::to_string(a));
    std::vector<float> near(set.data.query_count);
    for (size_t q = 0; q < near.size(); ++q) {
      near[q] = cblas_sdot(static_cast<int>(set.data.dimension), set.query(q), 1, anchor, 1);
    }
    std::vector<uint32_t> order(near.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](uint32_t x, uint32_t y) { return near[x] > near[y]; });
    order.resize(kAnchorQueries);
    anchor_queries->push_back(order);
  }
  return values;
}

bool Matches(const Class& kind, const Pass& pass, uint32_t value, size_t row_count) {
  const auto count = static_cast<uint32_t>(kind.share * static_cast<double>(row_count));
  return pass.from_top ? value >= row_count - count : value < count;
}

std::vector<Class> MakeClasses(const Values& values,
                               const std::vector<std::vector<uint32_t>>& anchor_queries) {
  std::vector<uint32_t> all(kQueries);
  std::iota(all.begin(), all.end(), 0u);
  std::vector<Class> classes;
  for (const double share : kShares) {
    classes.push_back({"independent", share, {{"r", false, all, {}}}});
    for (const bool far : {false, true}) {
      Class kind = {far ? "far" : "near", share, {}};
      for (size_t a = 0; a < kAnchors; ++a) {
        kind.passes.push_back({values.names[1 + a], far, anchor_queries[a], {}});
      }
      classes.push_back(std::move(kind));
    }
  }
  return classes;
}

// Exact answers by matrix products over all rows, then by mask.
void FindTruth(const TestSet& set, const Values& values, std::vector<Class>* classes) {
  constexpr size_t kBlock = 32;
  std::vector<float> scores(kBlock * set.data.row_count);
  for (size_t first = 0; first < set.data.query_count; first += kBlock) {
    const size_t count = std::min(kBlock, set.data.query_count - first);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(count),
                static_cast<int>(set.data.row_count), static_cast<int>(set.data.dimension), 1.0f,
                set.query(first), static_cast<int>(set.data.dimension), set.data.rows.data(),
                static_cast<int>(set.data.dimension), 0.0f, scores.data(),
                static_cast<int>(set.data.row_count));
    for (Class& kind : *classes) {
      for (Pass& pass : kind.passes) {
        const auto field = static_cast<size_t>(
            std::find(values.names.begin(), values.names.end(), pass.field) -
            values.names.begin());
        pass.truth.resize(pass.queries.size());
        for (size_t i = 0; i < pass.queries.size(); ++i) {
          const size_t q = pass.queries[i];
          if (q < first || q >= first + count) continue;
          const float* mine = scores.data() + (q - first) * set.data.row_count;
          std::vector<int32_t> rows;
          for (size_t row = 0; row < set.data.row_count; ++row) {
            if (Matches(kind, pass, values.of_field[field][row], set.data.row_count)) {
              rows.push_back(static_cast<int32_t>(row));
            }
          }
          const size_t k = std::min(kTop, rows.size());
          std::partial_sort(rows.begin(), rows.begin() + static_cast<long>(k), rows.end(),
                            [&](int32_t a, int32_t b) { return mine[a] > mine[b]; });
          rows.resize(k);
          pass.truth[i] = rows;
        }
      }
    }
  }
}

struct Figures {
  double recall = 0, qps = 0, query_qps = 0, first_ms = 0;
  bool short_of = false;
  std::string setting;
};

// `begin` finds the matching rows of a pass, `search` answers a query of it.
Figures Measure(const TestSet& set, const Class& kind,
                const std::function<void(const Pass&)>& begin,
                const std::function<void(const float*, std::vector<int64_t>*)>& search) {
  Figures figures;
  double ms = 0, good = 0, wanted = 0, queries = 0, filter_ms = 0;
  for (const Pass& pass : kind.passes) {
    std::vector<std::vector<int64_t>> found(pass.queries.size());
    const double first = Milliseconds([&] {
      begin(pass);
      search(set.query(pass.queries[0]), &found[0]);
    });
    found[0].clear();
    const double all = Milliseconds([&] {
      for (size_t i = 0; i < found.size(); ++i) search(set.query(pass.queries[i]), &found[i]);
    });
    const double one = all / static_cast<double>(found.size());
    filter_ms += std::max(0.0, first - one);
    figures.first_ms += first / static_cast<double>(kind.passes.size());
    ms += all;
    queries += static_cast<double>(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const std::unordered_set<int64_t> mine(found[i].begin(), found[i].end());
      size_t there = 0;
      for (const int64_t row : found[i]) there += row >= 0;
      figures.short_of |= there < pass.truth[i].size();
      for (const int32_t row : pass.truth[i]) good += mine.contains(row) ? 1 : 0;
      wanted += static_cast<double>(pass.truth[i].size());
    }
  }
  figures.recall = good / wanted;
  figures.query_qps = queries * 1000 / ms;
  const double filter = filter_ms / static_cast<double>(kind.passes.size()) / kQueriesPerFilter;
  figures.qps = 1000 / (ms / queries + filter);
  return figures;
}

struct WhichPeers {
  bool faiss = true, hnswlib = true;
};

class Bench {
 public:
  Bench(TestSet set, std::string directory, const WhichPeers& peers)
      : set_(std::move(set)), directory_(std::move(directory)), peers_(peers) {}

  void Run();

 private:
  void MakeDatabase();
  void OpenPeers();
  Figures Vdb(const Class& kind, const SearchOptions& base);
  Figures Unfiltered(double recall);
  std::vector<uint8_t> Bits(const Class& kind, const Pass& pass) const;
  std::vector<Figures> Faiss(const Class& kind);
  std::vector<Figures> Hnsw(const Class& kind);
  void Print(const Class& kind);

  TestSet set_;
  std::string directory_;
  WhichPeers peers_;
  Values values_;
  std::vector<Class> classes_;
  std::string path_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Collection> collection_;
  std::unique_ptr<FilteredIvf> ivf_;
  Peers hnsw_;
  uint64_t changes_ = 0;
  std::string plan_;
};

void Bench::MakeDatabase() {
  path_ = directory_ + "/" + set_.name + ".filter.vdb";
  std::filesystem::remove_all(path_);
  database_ = std::make_unique<Database>(Must(Database::Open(path_, {.create_if_missing = true})));
  collection_ = std::make_unique<Collection>(Must(database_->CreateCollection("bench")));
  Must(collection_->AddColumn("v", {.dimension = static_cast<uint32_t>(set_.data.dimension)}));
  WriteBatch batch;
  for (size_t i = 0; i < set_.data.row_count; ++i) {
    std::string metadata = "{";
    for (size_t f = 0; f < values_.names.size(); ++f) {
      metadata += (f == 0 ? "\"" : ", \"") + values_.names[f] +
                  "\": " + std::to_string(values_.of_field[f][i]);
    }
    metadata += "}";
    const std::string key = std::to_string(i);
    const VectorView row(set_.data.rows.data() + i * set_.data.dimension, set_.data.dimension);
    batch.Put({.key = key, .metadata = metadata, .vectors = {{"v", row}}});
    if (batch.change_count() < 1000 && i + 1 < set_.data.row_count) continue;
    Must(collection_->Write(batch, {.sync = false}));
    batch.Clear();
  }
  for (const std::string& name : values_.names) {
    const double ms = MillisecondsOf([&] { Must(collection_->AddFieldIndex({.field = name})); });
    std::printf("field index %s: %.1f s\n", name.c_str(), ms / 1000);
  }
  const double ms = MillisecondsOf([&] { Must(collection_->BuildIndex({})); });
  std::printf("index build: %.1f s\n", ms / 1000);
}

Figures Bench::Vdb(const Class& kind, const SearchOptions& base) {
  SearchOptions options = base;
  options.k = kTop;
  options.thread_count = 1;
  const auto begin = [&](const Pass& pass) {
    const auto count =
        static_cast<int64_t>(kind.share * static_cast<double>(set_.data.row_count));
    const auto all = static_cast<int64_t>(set_.data.row_count);
    options.filter = pass.from_top ? Field(pass.field).GreaterOrEqual(all - count)
                                   : Field(pass.field).Less(count);
  };
  // Another batch: every mask is cold again.
  const std::string change = "x" + std::to_string(changes_++);
  Must(collection_->Put({.key = change}));
  Must(collection_->Delete(change));
  const auto figures = Measure(set_, kind, begin, [&](const float* query, auto* rows) {
    const auto found = Must(
        collection_->Search(VectorView(query, set_.data.dimension), options));
    for (const Hit& hit : found.answers[0].hits) {
      int64_t row = -1;
      std::from_chars(hit.key.data(), hit.key.data() + hit.key.size(), row);
      rows->push_back(row);
    }
  });
  options.explain = true;
  const auto found = Must(collection_->Search(
      VectorView(set_.query(kind.passes[0].queries[0]), set_.data.dimension), options));
  const SearchExplain& explain = found.explains[0];
  plan_ = explain.plan + ", " + std::to_string(explain.lists_probed) + " lists, " +
          std::to_string(explain.codes_scanned) + " codes";
  return figures;
}

Figures Bench::Unfiltered(double recall) {
  Figures figures;
  SearchOptions options = {.k = kTop, .recall = recall};
  options.thread_count = 1;
  const double ms = Milliseconds([&] {
    for (size_t q = 0; q < set_.data.query_count; ++q) {
      Must(collection_->Search(VectorView(set_.query(q), set_.data.dimension), options));
    }
  });
  figures.qps = static_cast<double>(set_.data.query_count) * 1000 / ms;
  return figures;
}

std::vector<uint8_t> Bench::Bits(const Class& kind, const Pass& pass) const {
  const auto field = static_cast<size_t>(
      std::find(values_.names.begin(), values_.names.end(), pass.field) - values_.names.begin());
  std::vector<uint8_t> bits((set_.data.row_count + 7) / 8);
  for (size_t row = 0; row < set_.data.row_count; ++row) {
    if (Matches(kind, pass, values_.of_field[field][row], set_.data.row_count)) {
      bits[row / 8] = static_cast<uint8_t>(bits[row / 8] | (1u << (row % 8)));
    }
  }
  return bits;
}

std::vector<Figures> Bench::Faiss(const Class& kind) {
  std::vector<Figures> sweep;
  if (ivf_ == nullptr) return sweep;
  for (const size_t probes : {4u, 8u, 16u, 32u, 64u, 128u, 256u, 512u, 1024u}) {
    sweep.push_back(Measure(
        set_, kind, [&](const Pass& pass) { ivf_->SetMask(Bits(kind, pass)); },
        [&](const float* query, auto* rows) { ivf_->Search(query, kTop, probes, rows); }));
    sweep.back().setting = "nprobe=" + std::to_string(probes);
    if (sweep.back().recall >= 0.995 || sweep.back().qps < 5) break;
  }
  return sweep;
}

std::vector<Figures> Bench::Hnsw(const Class& kind) {
  std::vector<Figures> sweep;
  if (hnsw_.empty()) return sweep;
  Peer& peer = *hnsw_[0];
  peer.Use(4);
  for (const double over : {1.0, 2.0, 4.0, 8.0, 16.0}) {
    const auto fetched = static_cast<size_t>(
        std::min(over * static_cast<double>(kTop) / kind.share,
                 static_cast<double>(set_.data.row_count)));
    std::vector<uint8_t> bits;
    sweep.push_back(Measure(
        set_, kind, [&](const Pass& pass) { bits = Bits(kind, pass); },
        [&](const float* query, auto* rows) {
          peer.Search(query, 1, fetched);
          const std::vector<int64_t> all = peer.Rows(0);  // the farthest first
          for (auto row = all.rbegin(); row != all.rend() && rows->size() < kTop; ++row) {
            if ((bits[static_cast<size_t>(*row) / 8] >> (*row % 8)) & 1) rows->push_back(*row);
          }
        }));
    sweep.back().setting = "over-fetch " + std::to_string(fetched);
    if (sweep.back().recall >= 0.995 || sweep.back().qps < 5) break;
  }
  return sweep;
}

std::string BestAt(const std::vector<Figures>& sweep, double target, double ours) {
  if (sweep.empty()) return "not measured | -";
  const Figures* best = nullptr;
  for (const Figures& one : sweep) {
    if (one.recall >= target && (best == nullptr || one.qps > best->qps)) best = &one;
  }
  if (best == nullptr) return "not reached | -";
  char text[120];
  std::snprintf(text, sizeof(text), "%.0f (%.4f, %s) | %.1fx", best->qps, best->recall,
                best->setting.c_str(), ours / best->qps);
  return text;
}

void Bench::Print(const Class& kind) {
  const auto faiss = Faiss(kind);
  const auto hnsw = Hnsw(kind);
  for (const double target : kTargets) {
    const Figures ours = Vdb(kind, {.recall = target});
    std::printf("| %s | %g %% | %.2f | %.4f%s | %.0f | %.0f | %.2f | %s | %s | %s |\n",
                kind.name.c_str(), kind.share * 100, target, ours.recall,
                ours.short_of ? " SHORT" : "", ours.qps, ours.query_qps, ours.first_ms,
                plan_.c_str(),
                BestAt(faiss, target, ours.qps).c_str(), BestAt(hnsw, target, ours.qps).c_str());
    std::fflush(stdout);
  }
}

void Bench::OpenPeers() {
  if (peers_.faiss) {
    ivf_ = FilteredIvf::Open(directory_ + "/" + set_.name + ".IVF1024,Flat.faiss");
  }
#if defined(VDB_BENCH_HNSWLIB)
  if (!peers_.hnswlib) return;
  AddHnswlib(&hnsw_);
  hnsw_[0]->Open(set_, directory_ + "/" + set_.name, 2);
#endif
}

void Bench::Run() {
  std::vector<std::vector<uint32_t>> anchor_queries;
  values_ = MakeValues(set_, &anchor_queries);
  classes_ = MakeClasses(values_, anchor_queries);
  FindTruth(set_, values_, &classes_);
  MakeDatabase();
  OpenPeers();
  for (int i = 0; i < 2; ++i) {
    for (const double target : kTargets) {
      std::printf("unfiltered, recall %.2f: %.0f QPS\n", target, Unfiltered(target).qps);
    }
  }
  std::printf(
      "| filter | share | target | recall | QPS | without the mask | first query, ms | plan "
      "| FAISS IVFFlat | | hnswlib | |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Class& kind : classes_) Print(kind);
  for (const double target : kTargets) {
    std::printf("unfiltered, recall %.2f: %.0f QPS\n", target, Unfiltered(target).qps);
  }
  Must(database_->Close());
  std::filesystem::remove_all(path_);
}

// What an argument turns over, or null.
bool* FlagOf(const std::string& argument, WhichPeers* peers) {
  if (argument == "--no-faiss") return &peers->faiss;
  if (argument == "--no-hnswlib") return &peers->hnswlib;
  return argument == "--cpu-time" ? &by_cpu_time : nullptr;
}

}  // namespace
}  // namespace vdb::bench

int main(int argument_count, char** arguments) {
  std::string directory = (std::filesystem::temp_directory_path() / "vdb-index-bench").string();
  size_t rows = 200'000, dimension = 768;
  vdb::bench::WhichPeers peers;
  for (int i = 1; i < argument_count; ++i) {
    if (std::sscanf(arguments[i], "%zux%zu", &rows, &dimension) == 2) continue;
    if (std::string(arguments[i]) == "--data-dir" && i + 1 < argument_count) {
      directory = arguments[++i];
      continue;
    }
    bool* const flag = FlagOf(arguments[i], &peers);
    if (flag != nullptr) {
      *flag = !*flag;
      continue;
    }
    std::fprintf(stderr, "usage: filter_bench [ROWSxDIMENSION] [--data-dir DIR] [--no-faiss] "
                         "[--no-hnswlib] [--cpu-time]\n");
    return 2;
  }
  vdb::bench::Bench(vdb::bench::LoadOrMake(directory, rows, dimension), directory, peers).Run();
  return 0;
}
