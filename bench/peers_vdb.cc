// vdb as an application uses it: a database on disk, keys in the answers, one thread per search.
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "bench/bench_util.h"
#include "bench/peer.h"
#include "vdb/database.h"

namespace vdb::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBatch = 128;
constexpr size_t kLargeBatch = 1000;
constexpr size_t kRowsPerWrite = 1000;
constexpr double kRecalls[] = {0.8, 0.9, 0.93, 0.95, 0.98, 0.99, 0.995, 0.999};
constexpr uint32_t kProbes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};

std::string Shortened(double value) {
  std::string text = std::to_string(value);
  return text.substr(0, text.find_last_not_of('0') + 1);
}

class Vdb : public Peer {
 public:
  // `indexed`: after BuildIndex; else every search is exact by reading all rows.
  Vdb(bool indexed, bool small) : indexed_(indexed) {
    Add("exact", "", {.exact = true}, 1);
    Add("exact, batch of 128", "batch", {.exact = true}, kBatch);
    if (!indexed) return;
    if (small) {
      Add("default", "recall", {}, 1);
      return;
    }
    for (const double recall : kRecalls) {
      Add("recall=" + Shortened(recall), "recall", {.recall = recall}, 1);
    }
    for (const uint32_t probes : kProbes) {
      Add("nprobe=" + std::to_string(probes), "nprobe", {.nprobe = probes}, 1);
    }
    Add("recall=0.95, batch of 128", "batch", {.recall = 0.95}, kBatch);
    for (const double recall : {0.95, 0.99}) {
      Add("recall=" + Shortened(recall) + ", batch of 1,000", "batch", {.recall = recall},
          kLargeBatch);
    }
  }
  ~Vdb() override {
    database_.reset();
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  std::string name() const override { return indexed_ ? "vdb" : "vdb without index"; }
  std::string note() const override { return report_; }

  void Open(const TestSet& set, const std::string& path, int threads) override {
    dimension_ = set.data.dimension;
    path_ = path + (indexed_ ? ".vdb" : ".plain.vdb");
    fs::remove_all(path_);
    database_ = std::make_unique<Database>(
        Must(Database::Open(path_, {.create_if_missing = true, .error_if_exists = true})));
    collection_ = std::make_unique<Collection>(Must(database_->CreateCollection("bench")));
    Import(set);
    if (indexed_) Build(threads);
    index_bytes += BytesOf(path_);
  }

  std::vector<PeerSetting> Settings() const override { return settings_; }
  void Use(size_t setting) override { options_ = all_options_[setting]; }

  void Search(const float* queries, size_t count, size_t k) override {
    options_.k = k;
    found_ = Must(collection_->Search({queries, count, dimension_}, options_));
  }

  std::vector<int64_t> Rows(size_t i) const override {
    std::vector<int64_t> rows;
    for (const Hit& hit : found_.answers[i].hits) {
      int64_t row = -1;
      std::from_chars(hit.key.data(), hit.key.data() + hit.key.size(), row);
      rows.push_back(row);
    }
    return rows;
  }

 private:
  void Add(const std::string& label, const std::string& series, SearchOptions options,
           size_t batch) {
    options.thread_count = 1;
    settings_.push_back({label, series, batch});
    all_options_.push_back(options);
  }

  void Import(const TestSet& set) {
    const Metric metric = set.squared_l2 ? Metric::kL2 : Metric::kCosine;
    Must(collection_->AddColumn(
        "v", {.dimension = static_cast<uint32_t>(dimension_), .metric = metric}));
    WriteBatch batch;
    for (size_t i = 0; i < set.data.row_count; ++i) {
      const std::string key = std::to_string(i);
      const VectorView row(set.data.rows.data() + i * dimension_, dimension_);
      batch.Put({.key = key, .vectors = {{"v", row}}});
      if (batch.change_count() < kRowsPerWrite && i + 1 < set.data.row_count) continue;
      Must(collection_->Write(batch, {.sync = false}));
      batch.Clear();
    }
    Must(database_->Flush());
  }

  void Build(int threads) {
    IndexReport report;
    build = BuildTime::Of([&] {
      report = Must(collection_->BuildIndex({.thread_count = static_cast<uint32_t>(threads)}));
    });
    char text[200];
    std::snprintf(text, sizeof(text),
                  "%zu lists; train %.1f s, assign %.1f s, write %.1f s, sync %.1f s, calibrate "
                  "%.1f s",
                  static_cast<size_t>(report.list_count), report.train_ms / 1000,
                  report.assign_ms / 1000, report.write_ms / 1000, report.sync_ms / 1000,
                  report.calibrate_ms / 1000);
    report_ = text;
  }

  bool indexed_;
  size_t dimension_ = 0;
  std::string path_;
  std::string report_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Collection> collection_;
  std::vector<PeerSetting> settings_;
  std::vector<SearchOptions> all_options_;
  SearchOptions options_;
  SearchResult found_;
};

}  // namespace

void AddVdb(bool small, Peers* peers) {
  if (small) peers->push_back(std::make_unique<Vdb>(false, small));
  peers->push_back(std::make_unique<Vdb>(true, small));
}

}  // namespace vdb::bench
