// Approximate search beside other libraries: every index of a set is opened, then all points of all
// sweeps are measured in turn, round by round, in one thread, on the same queries. Writes one CSV
// line per point; bench/index_report.py makes tables and plots of them. See README.md.
//
//   index_bench [ROWSxDIMENSION ...] [--csv FILE] [--data-dir DIR] [--only TEXT ...] [--rounds N]
//               [--slice-seconds S] [--build-only]
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unordered_set>

#include "bench/measure.h"
#include "bench/peer.h"

namespace vdb::bench {
namespace {

constexpr size_t kTop = 10;
constexpr size_t kSmallRows = 100'000;  // sets up to here: latency of the defaults, no sweeps
constexpr int kBuildThreads = 2;
constexpr size_t kWarmUpCalls = 5;
constexpr size_t kCallsMin = 5;
constexpr double kRecallShown = 0.75;  // points below are measured once and left out

struct Shape {
  size_t rows = 0;
  size_t dimension = 0;
};

struct Settings {
  std::vector<Shape> shapes;
  std::vector<std::string> only;  // parts of names; empty: all
  std::string data_directory;
  std::string csv_path = "index_bench.csv";
  size_t rounds = 5;
  double slice_seconds = 1;
  bool build_only = false;
};

// One point of a sweep, and what was measured so far.
struct Point {
  Peer* peer = nullptr;
  size_t setting = 0;
  PeerSetting about;
  size_t next_query = 0;
  size_t hits = 0;
  size_t wanted = 0;
  std::vector<double> call_us;  // of all rounds
  std::vector<double> qps;      // per round
  std::vector<double> cpu_qps;  // by the processor time used: what an idle machine would give

  double recall() const {
    return wanted == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(wanted);
  }
};

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  return values[at];
}

void CountHits(const TestSet& set, size_t query, const std::vector<int64_t>& rows, Point* point) {
  const int32_t* truth = set.truth.data() + query * kTruthDepth;
  const size_t wanted = std::min(kTop, set.data.row_count);
  const std::unordered_set<int64_t> found(rows.begin(), rows.end());
  for (size_t i = 0; i < wanted; ++i) point->hits += found.contains(truth[i]) ? 1 : 0;
  point->wanted += wanted;
}

// One slice of a round: calls until every query was asked once or the time is over.
void MeasureSlice(const TestSet& set, const Settings& settings, Point* point) {
  const size_t batch = point->about.batch, calls_max = set.data.query_count / batch;
  point->peer->Use(point->setting);
  for (size_t i = 0; i < (batch == 1 ? kWarmUpCalls : 1); ++i) {
    point->peer->Search(set.query(i), batch, kTop);
  }
  double wall = 0, cpu = 0;
  size_t calls = 0;
  while (calls < calls_max && (calls < kCallsMin || wall < settings.slice_seconds)) {
    const size_t first = point->next_query;
    const double cpu_before = CpuSeconds();
    const double ms = MillisecondsOf([&] { point->peer->Search(set.query(first), batch, kTop); });
    cpu += CpuSeconds() - cpu_before;
    wall += ms / 1000;
    ++calls;
    point->call_us.push_back(ms * 1000);
    for (size_t i = 0; i < batch; ++i) {
      CountHits(set, first + i, point->peer->Rows(i), point);
    }
    const size_t next = first + batch;
    point->next_query = next + batch <= set.data.query_count ? next : 0;
  }
  const auto queries = static_cast<double>(calls * batch);
  point->qps.push_back(queries / wall);
  point->cpu_qps.push_back(queries / cpu);
}

bool Wanted(const Settings& settings, const std::string& name) {
  if (settings.only.empty()) return true;
  for (const std::string& part : settings.only) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

Peers OpenPeers(const TestSet& set, const Settings& settings) {
  const bool small = set.data.row_count <= kSmallRows;
  Peers all, opened;
  AddVdb(small, &all);
  if (!small) AddSgemm(&all);
#if defined(VDB_BENCH_HNSWLIB)
  if (!small) AddHnswlib(&all);
#endif
#if defined(VDB_BENCH_FAISS)
  AddFaiss(set.data.row_count, set.data.dimension, small, &all);
#endif
  for (auto& peer : all) {
    if (!Wanted(settings, peer->name())) continue;
    peer->Open(set, settings.data_directory + "/" + set.name, kBuildThreads);
    std::printf("  %s: built in %.2f s (%.2f CPU s), %.0f bytes a row; %s\n",
                peer->name().c_str(), peer->build.seconds, peer->build.cpu_seconds,
                static_cast<double>(peer->index_bytes) / static_cast<double>(set.data.row_count),
                peer->note().c_str());
    std::fflush(stdout);
    opened.push_back(std::move(peer));
    if (settings.build_only) opened.clear();
  }
  return opened;
}

std::vector<Point> Measure(const TestSet& set, const Settings& settings, const Peers& peers) {
  std::vector<Point> points;
  for (const auto& peer : peers) {
    const std::vector<PeerSetting> sweep = peer->Settings();
    for (size_t i = 0; i < sweep.size(); ++i) {
      Point point;
      point.peer = peer.get();
      point.setting = i;
      point.about = sweep[i];
      points.push_back(std::move(point));
    }
  }
  for (size_t round = 0; round < settings.rounds; ++round) {
    for (Point& point : points) {
      if (round == 0 || point.recall() >= kRecallShown) MeasureSlice(set, settings, &point);
    }
    std::printf("  round %zu of %zu\n", round + 1, settings.rounds);
    std::fflush(stdout);
  }
  return points;
}

void Report(const TestSet& set, const std::vector<Point>& points, std::ofstream* csv) {
  for (const Point& point : points) {
    if (point.recall() < kRecallShown) continue;
    std::ostringstream line;
    line.precision(6);
    line << set.name << ",\"" << point.peer->name() << "\",\"" << point.about.label << "\",\""
         << point.about.series << "\"," << point.about.batch << ',' << point.recall() << ','
         << Median(point.qps) << ',' << Median(point.cpu_qps) << ','
         << Quantile(point.call_us, 0.5) << ',' << Quantile(point.call_us, 0.99) << ','
         << point.peer->build.seconds << ',' << point.peer->build.cpu_seconds << ','
         << static_cast<double>(point.peer->index_bytes) / static_cast<double>(set.data.row_count)
         << ",\"" << point.peer->note() << "\"\n";
    *csv << line.str();
  }
  csv->flush();
}

bool ParseOption(const std::string& name, const std::string& value, Settings* settings) {
  if (name == "--csv") {
    settings->csv_path = value;
  } else if (name == "--data-dir") {
    settings->data_directory = value;
  } else if (name == "--only") {
    settings->only.push_back(value);
  } else if (name == "--rounds") {
    settings->rounds = std::stoul(value);
  } else if (name == "--slice-seconds") {
    settings->slice_seconds = std::stod(value);
  } else {
    return false;
  }
  return true;
}

bool Parse(int count, char** values, Settings* settings) {
  settings->data_directory = (std::filesystem::temp_directory_path() / "vdb-index-bench").string();
  for (int i = 1; i < count; ++i) {
    Shape shape;
    if (std::sscanf(values[i], "%zux%zu", &shape.rows, &shape.dimension) == 2) {
      settings->shapes.push_back(shape);
    } else if (std::string(values[i]) == "--build-only") {
      settings->build_only = true;
    } else if (i + 1 >= count || !ParseOption(values[i], values[i + 1], settings)) {
      return false;
    } else {
      ++i;
    }
  }
  if (settings->shapes.empty()) settings->shapes = {{200'000, 768}, {1'000'000, 128}};
  return true;
}

}  // namespace

int Main(int argument_count, char** arguments) {
  Settings settings;
  if (!Parse(argument_count, arguments, &settings)) {
    std::fprintf(stderr, "usage: see the top of bench/index_bench.cc\n");
    return 2;
  }
  std::ofstream csv(settings.csv_path);
  csv << "set,library,setting,series,batch,recall,qps,cpu_qps,p50_us,p99_us,build_s,build_cpu_s,"
         "bytes_per_row,note\n";
  for (const Shape& shape : settings.shapes) {
    const TestSet set = LoadOrMake(settings.data_directory, shape.rows, shape.dimension);
    std::printf("%s\n", set.name.c_str());
    std::fflush(stdout);
    const Peers peers = OpenPeers(set, settings);
    Report(set, Measure(set, settings, peers), &csv);
  }
  return csv.good() ? 0 : 1;
}

}  // namespace vdb::bench

int main(int argument_count, char** arguments) {
  return vdb::bench::Main(argument_count, arguments);
}
