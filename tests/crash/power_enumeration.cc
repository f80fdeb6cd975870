// See power_enumeration.h.
#include "tests/crash/power_enumeration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>

#include "tests/support/power_cut.h"

namespace vdb::testing {
namespace {

constexpr size_t kPairsMax = 12;
constexpr size_t kMixtures = 12;
// A run is checked again, after what was found, on every so many images.
constexpr size_t kAgainEvery = 8;
constexpr size_t kNearPoints = 9;  // after a place of EnumerationOptions::near

using Fates = std::vector<Fate>;
using Kind = Fate::Kind;

class FateList {
 public:
  explicit FateList(const std::vector<PendingChange>& pending) : pending_(pending) {}

  std::vector<Fates> All(uint64_t seed, bool only_plain) {
    Plain();
    if (only_plain) return std::move(list_);
    for (size_t i = 0; i < pending_.size(); ++i) One(i);
    if (pending_.size() <= kPairsMax) Pairs();
    Mixtures(seed);
    return std::move(list_);
  }

 private:
  Fates Every(Kind kind) const { return Fates(pending_.size(), Fate{kind}); }
  // Keeps a change; of names, with those of its directory before it, on which it rests.
  void Keep(size_t i, Fates* fates) const {
    (*fates)[i] = {Kind::kKept};
    for (size_t j = 0; j < i && pending_[i].of_names; ++j) {
      if (pending_[j].of_names && pending_[j].owner == pending_[i].owner) {
        (*fates)[j] = {Kind::kKept};
      }
    }
  }

  void Plain() {
    Fates data = Every(Kind::kLost), names = data;
    for (size_t i = 0; i < pending_.size(); ++i) {
      (pending_[i].of_names ? names : data)[i] = {Kind::kKept};
    }
    list_.push_back(Every(Kind::kLost));
    list_.push_back(names);
    list_.push_back(data);
    for (size_t count = pending_.size(); count > 0; --count) {
      Fates fates = Every(Kind::kLost);
      std::fill_n(fates.begin(), count, Fate{Kind::kKept});
      list_.push_back(fates);
    }
  }

  void One(size_t i) {
    Fates alone = Every(Kind::kLost), others = Every(Kind::kKept), before = alone;
    std::fill_n(before.begin(), i, Fate{Kind::kKept});
    Keep(i, &alone);
    list_.push_back(alone);
    others[i] = {Kind::kLost};
    list_.push_back(others);
    for (const uint32_t unit : {512u, 4096u}) {
      if (pending_[i].size <= 1 || pending_[i].of_names) break;
      for (const Kind torn : {Kind::kHead, Kind::kTail}) {
        for (Fates fates : {alone, others, before}) {
          fates[i] = {torn, unit};
          list_.push_back(std::move(fates));
        }
      }
    }
  }

  void Pairs() {
    for (size_t i = 0; i < pending_.size(); ++i) {
      for (size_t j = i + 1; j < pending_.size(); ++j) {
        Fates kept = Every(Kind::kLost), lost = Every(Kind::kKept);
        Keep(i, &kept);
        Keep(j, &kept);
        lost[i] = lost[j] = {Kind::kLost};
        list_.push_back(kept);
        list_.push_back(lost);
      }
    }
  }

  void Mixtures(uint64_t seed) {
    std::mt19937_64 random(seed);
    for (size_t n = 0; n < kMixtures && pending_.size() > 2; ++n) {
      Fates fates = Every(Kind::kKept);
      for (Fate& fate : fates) {
        fate = {static_cast<Kind>(random() % 4), random() % 2 == 0 ? 512u : 4096u};
      }
      list_.push_back(fates);
    }
  }

  const std::vector<PendingChange>& pending_;
  std::vector<Fates> list_;
};

std::pair<size_t, size_t> HashOf(const DiskImage& image) {
  const std::hash<std::string_view> hash;
  size_t one = 1, other = 2;
  for (const auto& [name, contents] : image) {
    one = (one * 1000003) ^ hash(name);
    one = (one * 1000003) ^ hash(contents);
    other = (other + hash(contents)) * 0x9e3779b97f4a7c15u + hash(name);
  }
  return {one, other};
}

bool IsSync(const Operation& op) {
  return op.kind == OpKind::kSync || op.kind == OpKind::kSyncDir;
}

}  // namespace

RecordedScenario RecordScenario(const FaultScenario& scenario) {
  RecordedScenario run;
  run.scenario = scenario;
  Log image;
  {
    ScratchDir root;
    run.start.root = root.path();
    const Status prepared = scenario.prepare(run.start);
    EXPECT_TRUE(prepared.ok()) << scenario.name << ": " << prepared.ToString();
    image = DurableImage(root.path());
  }
  run.start.promise.bounds.min = run.start.promise.bounds.max = run.start.state;
  ScratchDir root;
  CutPowerAt(image, image.size(), {}, root.path());
  RecordingFileSystem fs(root.path(), image);
  World world = run.start;
  world.root = root.path();
  world.fs = &fs;
  world.mark = [&fs](const std::string& text) { fs.Mark(text); };
  run.first = image.size();
  const Status done = scenario.run(world);
  EXPECT_TRUE(done.ok()) << scenario.name << ": " << done.ToString();
  run.log = fs.log();
  return run;
}

const Enumeration::Finding& Enumeration::Look(const DiskImage& image, EnumerationReport* report) {
  const auto [found, is_new] = findings_.try_emplace(HashOf(image));
  Finding& finding = found->second;
  if (!is_new) return finding;
  ++report->images;
  ScratchDir root;
  WriteImage(image, root.path());
  const auto after = CheckAfter(run_.scenario, run_.start, root.path(),
                                findings_.size() % kAgainEvery == 0);
  finding.status = after.status();
  if (after.ok()) {
    finding.state = after->state;
    finding.found = after->found;
  }
  return finding;
}

EnumerationReport Enumeration::Run(const Log& log, const EnumerationOptions& options) {
  EnumerationReport report;
  DiskModel disk;
  Promise promise = run_.start.promise;
  size_t points = 0, near = options.near.empty() ? SIZE_MAX : 0;
  for (size_t i = 0; i <= log.size(); ++i) {
    if (options.near.contains(i)) near = kNearPoints;
    const bool point = i >= run_.first && i < log.size() && IsSync(log[i]);
    const bool wanted = point && near > 0 && points++ % options.point_step == 0;
    near -= wanted && !options.near.empty() ? 1 : 0;
    if (wanted || i == log.size()) {
      ++report.sync_points;
      const auto pending = disk.Pending();
      auto list = FateList(pending).All(options.seed + i, options.only_plain);
      if (options.states_per_point != 0 && list.size() > options.states_per_point) {
        std::shuffle(list.begin(), list.end(), std::mt19937_64(options.seed + i));
        list.resize(options.states_per_point);
      }
      if (options.plain_max != 0) list.resize(std::min(list.size(), options.plain_max));
      for (size_t n = 0; n < list.size(); ++n) {
        ++report.states;
        const Finding& finding = Look(disk.Survivors(pending, list[n]), &report);
        const Status status = finding.status.ok() ? promise.Judge(finding.state, finding.found)
                                                  : finding.status;
        if (status.ok()) continue;
        report.violation = "cut at " + std::to_string(i) + " (" +
                           (i < log.size() ? "before " + log[i].ToString() : "at the end") +
                           "), state " + std::to_string(n) + " of " +
                           std::to_string(list.size()) + ": " + status.ToString();
        return report;
      }
    }
    if (i == log.size()) break;
    disk.Apply(log[i]);
    if (log[i].kind == OpKind::kMark && i >= run_.first) promise.Apply(log[i].path);
  }
  return report;
}

std::string SyncKind(const Operation& op) {
  if (!IsSync(op)) return "";
  std::string kind(OpKindName(op.kind));
  kind += ' ';
  std::string path = op.path.empty() ? "." : op.path;
  const size_t chunks = path.find("/chunks/");  // of a backup: named by their hashes
  if (chunks != std::string::npos) path = path.substr(0, chunks) + "/chunks/#";
  for (const char c : path) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) kind += c;
    if (digit && kind.back() != '#') kind += '#';
  }
  return kind;
}

}  // namespace vdb::testing
