// See power_cut.h.
#include "tests/support/power_cut.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <tuple>
#include <utility>

namespace vdb::testing {
namespace {

constexpr uint64_t kRootDir = 0;

struct SplitPath {
  std::string dir;
  std::string name;
};

SplitPath Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// One generator per file and directory, so that what happens to one does not depend on the others.
std::mt19937_64 Generator(uint64_t seed, uint64_t kind, uint64_t id) {
  std::seed_seq sequence{seed, kind, id};
  return std::mt19937_64(sequence);
}

size_t Below(std::mt19937_64* random, size_t bound) { return (*random)() % bound; }

}  // namespace

std::string CutPolicy::ToString() const {
  static constexpr std::string_view kNames[] = {"none", "all", "prefix", "random"};
  return "data=" + std::string(kNames[static_cast<int>(data)]) +
         " names=" + std::string(kNames[static_cast<int>(names)]) +
         " seed=" + std::to_string(seed);
}

std::vector<CutPolicy> AllPolicies(uint64_t seed) {
  using P = CutPolicy::Pending;
  return {{P::kNone, P::kNone, seed},     {P::kAll, P::kAll, seed},
          {P::kNone, P::kAll, seed},      {P::kAll, P::kNone, seed},
          {P::kPrefix, P::kPrefix, seed}, {P::kRandom, P::kRandom, seed}};
}

DiskModel::DiskModel() { dirs_[kRootDir] = {}; }

DiskModel::Names DiskModel::DirState::live() const {
  Names names = durable;
  for (const NameChange& change : pending) ApplyChange(&names, change);
  return names;
}

void DiskModel::ApplyChange(Names* names, const NameChange& change) {
  if (!change.removed.empty()) names->erase(change.removed);
  if (!change.added.empty()) (*names)[change.added] = change.entry;
}

void DiskModel::ApplyWrite(std::string* contents, const PendingWrite& write) {
  if (write.truncate) {
    contents->resize(write.offset);
    return;
  }
  const uint64_t end = write.offset + write.bytes.size();
  if (contents->size() < end) contents->resize(end);  // a gap reads as zeros
  contents->replace(write.offset, write.bytes.size(), write.bytes);
}

std::optional<uint64_t> DiskModel::FindDir(std::string_view path) const {
  uint64_t dir = kRootDir;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const Names names = dirs_.at(dir).live();
    const auto found = names.find(std::string(path.substr(0, slash)));
    if (found == names.end() || !found->second.is_dir) return std::nullopt;
    dir = found->second.id;
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return dir;
}

void DiskModel::Apply(const Operation& op) {
  const auto parent = [&](const std::string& path) -> DirState& {
    const auto found = FindDir(Split(path).dir);
    if (!found) std::abort();  // the log speaks of a directory that it never made
    return dirs_.at(*found);
  };
  const std::string name = Split(op.path).name;
  const uint64_t order = next_order_++;
  switch (op.kind) {
    case OpKind::kCreate:
      files_[op.file] = {};
      parent(op.path).pending.push_back({"", name, {false, op.file}, order});
      break;
    case OpKind::kWrite:
      files_[op.file].pending.push_back({false, op.offset, op.bytes, order});
      break;
    case OpKind::kTruncate:
      files_[op.file].pending.push_back({true, op.offset, "", order});
      break;
    case OpKind::kSync: {
      FileState& file = files_[op.file];
      for (const PendingWrite& write : file.pending) ApplyWrite(&file.durable, write);
      file.pending.clear();
      break;
    }
    case OpKind::kRename:
      if (Split(op.path).dir != Split(op.target).dir) {  // two changes, each as durable as its own
        parent(op.target).pending.push_back({"", Split(op.target).name,
                                             parent(op.path).live().at(name), order});
        parent(op.path).pending.push_back({name, "", {}, order});
        break;
      }
      parent(op.path).pending.push_back({name, Split(op.target).name,
                                         parent(op.path).live().at(name), order});
      break;
    case OpKind::kRemove:
    case OpKind::kRemoveDir:
      parent(op.path).pending.push_back({name, "", {}, order});
      break;
    case OpKind::kMakeDir: {
      const uint64_t id = next_dir_++;
      dirs_[id] = {};
      parent(op.path).pending.push_back({"", name, {true, id}, order});
      break;
    }
    case OpKind::kSyncDir: {
      const auto found = FindDir(op.path);
      if (!found) std::abort();
      DirState& dir = dirs_.at(*found);
      dir.durable = dir.live();
      dir.pending.clear();
      break;
    }
    case OpKind::kMark: break;
  }
}

std::string DiskModel::Contents(const FileState& file, CutPolicy::Pending keep, uint64_t seed) {
  std::string contents = file.durable;
  if (keep == CutPolicy::Pending::kNone || file.pending.empty()) return contents;
  if (keep == CutPolicy::Pending::kAll) {
    for (const PendingWrite& write : file.pending) ApplyWrite(&contents, write);
    return contents;
  }
  std::mt19937_64 random(seed);
  const size_t unit = Below(&random, 2) == 0 ? 512 : 4096;
  if (keep == CutPolicy::Pending::kPrefix) {
    const size_t count = Below(&random, file.pending.size() + 1);
    for (size_t i = 0; i < count; ++i) {
      PendingWrite write = file.pending[i];
      if (i + 1 == count && !write.truncate) {  // torn at a border of the disk, not of the write
        const uint64_t past = write.offset + write.bytes.size();
        const uint64_t border =
            (write.offset + Below(&random, write.bytes.size() + 1)) / unit * unit;
        const bool whole = Below(&random, 2) == 0 || border <= write.offset;
        write.bytes.resize((whole ? past : border) - write.offset);
      }
      ApplyWrite(&contents, write);
    }
    return contents;
  }
  for (const PendingWrite& write : file.pending) {
    if (write.truncate) {
      if (Below(&random, 2) == 0) ApplyWrite(&contents, write);
      continue;
    }
    const uint64_t past = write.offset + write.bytes.size();
    for (uint64_t at = write.offset; at < past;) {
      const uint64_t end = std::min(past, (at / unit + 1) * unit);
      if (Below(&random, 2) == 0) {
        ApplyWrite(&contents, {false, at, write.bytes.substr(at - write.offset, end - at), 0});
      }
      at = end;
    }
  }
  return contents;
}

DiskModel::Names DiskModel::NamesOf(const DirState& dir, CutPolicy::Pending keep, uint64_t seed) {
  if (keep == CutPolicy::Pending::kNone) return dir.durable;
  if (keep == CutPolicy::Pending::kAll) return dir.live();
  std::mt19937_64 random(seed);
  Names names = dir.durable;
  const size_t count = Below(&random, dir.pending.size() + 1);
  for (size_t i = 0; i < count; ++i) ApplyChange(&names, dir.pending[i]);
  return names;
}

void DiskModel::Collect(uint64_t dir, const std::string& prefix, const Choice& choice,
                        DiskImage* out) const {
  for (const auto& [name, entry] : choice.names(dir, dirs_.at(dir))) {
    if (entry.is_dir) {
      (*out)[prefix + name + "/"] = "";
      Collect(entry.id, prefix + name + "/", choice, out);
    } else {
      (*out)[prefix + name] = choice.contents(entry.id, files_.at(entry.id));
    }
  }
}

DiskImage DiskModel::Survivors(const CutPolicy& policy) const {
  const Choice choice = {
      [&](uint64_t id, const FileState& file) {
        return Contents(file, policy.data, Generator(policy.seed, 2, id)());
      },
      [&](uint64_t id, const DirState& dir) {
        return NamesOf(dir, policy.names, Generator(policy.seed, 1, id)());
      }};
  DiskImage out;
  Collect(kRootDir, "", choice, &out);
  return out;
}

std::vector<PendingChange> DiskModel::Pending() const {
  std::vector<PendingChange> all;
  for (const auto& [id, file] : files_) {
    for (const PendingWrite& write : file.pending) {
      all.push_back({write.order, false, id, write.offset, write.bytes.size()});
    }
  }
  for (const auto& [id, dir] : dirs_) {
    for (const NameChange& change : dir.pending) all.push_back({change.order, true, id, 0, 0});
  }
  std::sort(all.begin(), all.end(), [](const PendingChange& a, const PendingChange& b) {
    return std::tie(a.order, a.owner) < std::tie(b.order, b.owner);
  });
  return all;
}

void DiskModel::ApplyTorn(std::string* contents, PendingWrite write, const Fate& fate) {
  if (fate.kind == Fate::Kind::kLost) return;
  if (fate.kind == Fate::Kind::kKept) return ApplyWrite(contents, write);
  const uint64_t past = write.offset + write.bytes.size();
  const uint64_t border = (write.offset + past) / 2 / fate.unit * fate.unit;
  const bool tail = fate.kind == Fate::Kind::kTail;
  if (write.truncate || border <= write.offset) {  // inside of one sector: there or not
    return tail ? ApplyWrite(contents, write) : void();
  }
  if (tail) {
    write.bytes.erase(0, border - write.offset);
    write.offset = border;
  } else {
    write.bytes.resize(border - write.offset);
  }
  ApplyWrite(contents, write);
}

DiskImage DiskModel::Survivors(const std::vector<PendingChange>& pending,
                               const std::vector<Fate>& fates) const {
  std::map<std::tuple<bool, uint64_t, uint64_t>, Fate> by_change;
  for (size_t i = 0; i < pending.size(); ++i) {
    by_change[{pending[i].of_names, pending[i].owner, pending[i].order}] = fates[i];
  }
  const Choice choice = {
      [&](uint64_t id, const FileState& file) {
        std::string contents = file.durable;
        for (const PendingWrite& write : file.pending) {
          ApplyTorn(&contents, write, by_change.at({false, id, write.order}));
        }
        return contents;
      },
      [&](uint64_t id, const DirState& dir) {
        Names names = dir.durable;
        for (const NameChange& change : dir.pending) {
          if (by_change.at({true, id, change.order}).kind == Fate::Kind::kLost) break;
          ApplyChange(&names, change);
        }
        return names;
      }};
  DiskImage out;
  Collect(kRootDir, "", choice, &out);
  return out;
}

void WriteImage(const DiskImage& image, const std::string& out) {
  for (const auto& [name, contents] : image) {
    const std::string path = out + "/" + name;
    if (name.back() == '/') {
      std::filesystem::create_directory(path);
    } else {
      std::ofstream file(path, std::ios::binary);
      file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
      if (!file.flush()) std::abort();  // no room for the test itself
    }
  }
}

void DiskModel::Materialise(const CutPolicy& policy, const std::string& out) const {
  WriteImage(Survivors(policy), out);
}

void CutPowerAt(const Log& log, size_t position, const CutPolicy& policy, const std::string& out) {
  DiskModel disk;
  for (size_t i = 0; i < position && i < log.size(); ++i) disk.Apply(log[i]);
  disk.Materialise(policy, out);
}

}  // namespace vdb::testing
