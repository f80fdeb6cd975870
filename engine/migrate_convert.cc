#include "engine/migrate_convert.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "engine/no_throw.h"
#include "format/metadata.h"
#include "format/status_macros.h"
#include "vdb/json_text.h"

namespace vdb::engine {
namespace {

using format::LegacyEntry;
using format::LegacyReason;

// Small enough that a hundred threads hold little, large enough that a commit round costs nothing.
constexpr uint64_t kBatchBytesGoal = 1u << 20;
constexpr uint64_t kBatchEntriesMax = 4096;
// Entries are not alike: a batch that grew past this is handed on before its end.
constexpr size_t kBatchBytesMax = 4u << 20;

void Refuse(LegacyReason reason, std::string detail, LegacyEntry* entry) {
  entry->reason = reason;
  entry->detail = std::move(detail);
}

// A refusal that the reader could not know of. The entry's metadata becomes canonical text.
void CheckLimits(LegacyEntry* entry) {
  if (entry->key.empty()) return Refuse(LegacyReason::kWrongType, "the key is empty", entry);
  if (entry->key.size() > kKeyBytesMax) {
    return Refuse(LegacyReason::kTooLarge,
                  "a key of " + std::to_string(entry->key.size()) + " bytes, at most " +
                      std::to_string(kKeyBytesMax) + " are taken",
                  entry);
  }
  const auto encoded = format::MetadataFromJson(entry->metadata);
  if (!encoded.ok()) {
    return Refuse(LegacyReason::kTooLarge, "metadata: " + encoded.status().message(), entry);
  }
  auto canonical = format::MetadataToJson(*encoded);
  if (!canonical.ok()) {
    return Refuse(LegacyReason::kTooLarge, "metadata: " + canonical.status().message(), entry);
  }
  entry->metadata = std::move(*canonical);
}

struct Unit {
  uint32_t column = 0;
  std::vector<float> values;
  double norm = 0;
};

// The documents of consecutive entries, as they are made.
struct Batch {
  uint64_t number = 0;
  WriteBatch documents;
  std::string report;
  ConvertTotals totals;
};

class Converter {
 public:
  Converter(const format::LegacyCache& cache, const ConvertOptions& options,
            const ConvertSink& sink)
      : cache_(cache), options_(options), sink_(sink) {
    const uint64_t entries = std::max<uint64_t>(1, cache.entry_count());
    // Text is about four times its numbers; what of it is metadata, nobody knows yet.
    const uint64_t bytes =
        std::max(cache.vector_bytes() / entries, options.source_bytes / entries / 4) + 64;
    batch_entries_ = std::clamp<uint64_t>(kBatchBytesGoal / bytes, 1, kBatchEntriesMax);
    batch_count_ = (cache.entry_count() + batch_entries_ - 1) / batch_entries_;
    for (uint32_t i = 0; i < cache.columns().size(); ++i) by_name_.push_back(i);
    std::sort(by_name_.begin(), by_name_.end(), [&](uint32_t a, uint32_t b) {
      return cache.columns()[a].name < cache.columns()[b].name;
    });
    totals_.vectors.resize(by_name_.size());
    totals_.key_bytes.resize(by_name_.size());
  }

  StatusOr<ConvertTotals> Run() {
    const auto threads = static_cast<uint32_t>(
        std::min<uint64_t>(ThreadCount(options_.thread_count), batch_count_));
    std::vector<std::thread> workers;
    workers.reserve(threads);  // growing could fail, with threads to be joined
    for (uint32_t i = 0; i < threads; ++i) {
      try {
        workers.emplace_back([this] { Work(); });
        const std::lock_guard lock(mutex_);
        ++running_;
      } catch (const std::system_error&) {
        break;  // those that there are do it
      }
    }
    if (workers.empty() && batch_count_ > 0) {
      running_ = 1;
      Work();
    }
    Wait();
    for (std::thread& worker : workers) worker.join();
    VDB_RETURN_IF_ERROR(failure_);
    return std::move(totals_);
  }

 private:
  // Until all workers are done; the caller's callback runs on its own thread.
  void Wait() {
    std::unique_lock lock(mutex_);
    while (ended_ < running_) {
      changed_.wait_for(lock, std::chrono::milliseconds(50));
      if (!options_.progress || !failure_.ok() || batch_count_ == 0) continue;
      const uint64_t done = options_.source_bytes * turn_ / batch_count_;
      lock.unlock();
      const bool go_on = options_.progress({"migrate", done, options_.source_bytes});
      lock.lock();
      if (!go_on && failure_.ok()) failure_ = Status::Cancelled("migration cancelled");
      if (!go_on) changed_.notify_all();
    }
  }

  void Work() {
    const Status status = NoThrow([this] { return WorkToTheEnd(); });
    const std::lock_guard lock(mutex_);
    if (failure_.ok()) failure_ = status;
    ++ended_;
    changed_.notify_all();
  }

  Status WorkToTheEnd() {
    while (true) {
      Batch batch;
      {
        const std::lock_guard lock(mutex_);
        if (next_ == batch_count_ || !failure_.ok()) return Status::Ok();
        batch.number = next_++;
      }
      batch.totals.vectors.resize(by_name_.size());
      batch.totals.key_bytes.resize(by_name_.size());
      const uint64_t first = batch.number * batch_entries_;
      VDB_RETURN_IF_ERROR(cache_.ReadEntries(
          first, std::min(batch_entries_, cache_.entry_count() - first),
          [&](LegacyEntry& entry) { return Take(&entry, &batch); }));
      VDB_RETURN_IF_ERROR(HandOn(&batch));
      const std::lock_guard lock(mutex_);
      totals_.Add(batch.totals);
      ++turn_;
      changed_.notify_all();
    }
  }

  // Waits for its turn, which stays this batch's.
  Status HandOn(Batch* batch) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return turn_ == batch->number || !failure_.ok(); });
      VDB_RETURN_IF_ERROR(failure_);
    }
    VDB_RETURN_IF_ERROR(sink_(batch->documents, batch->report));
    batch->documents.Clear();
    batch->report.clear();
    return Status::Ok();
  }

  Status Take(LegacyEntry* entry, Batch* batch) {
    std::vector<Unit> units;
    if (entry->migrates()) CheckLimits(entry);
    if (entry->migrates()) VDB_RETURN_IF_ERROR(NormaliseAll(entry, &units));
    ConvertTotals& totals = batch->totals;
    totals.entries += 1;
    if (entry->migrates()) {
      AddDocument(*entry, units, batch);
    } else {
      totals.refused += 1;
      totals.reasons[entry->reason] += 1;
    }
    if (options_.want_report) batch->report += ReportLine(*entry, !units.empty());
    return batch->documents.size_bytes() + batch->report.size() < kBatchBytesMax ? Status::Ok()
                                                                                 : HandOn(batch);
  }

  // Ascending by the names of their columns, as they are hashed.
  Status NormaliseAll(LegacyEntry* entry, std::vector<Unit>* units) const {
    for (const uint32_t column : by_name_) {
      for (const format::LegacyVector& vector : entry->vectors) {
        if (vector.column != column) continue;
        if (vector.values.size() != cache_.columns()[column].dimension) {
          return Status::Corruption("entry '" + entry->key + "': a vector of another dimension");
        }
        Unit unit = {column, std::vector<float>(vector.values.size())};
        unit.norm = Normalise(vector.values, unit.values.data());
        if (std::isinf(unit.norm)) {
          Refuse(LegacyReason::kNonFinite, "the length of its vector is above 1.8e308", entry);
          return Status::Ok();
        }
        if (unit.norm == 0) {  // readers leave zero vectors out
          entry->reason = LegacyReason::kZeroNorm;
          continue;
        }
        const Status checked = CheckNormalised(vector.values, unit.values.data(), unit.norm);
        if (!checked.ok()) {
          return Status::Corruption("the check of the normalisation failed at key '" + entry->key +
                                    "': " + checked.message());
        }
        units->push_back(std::move(unit));
      }
    }
    return Status::Ok();
  }

  void AddDocument(const LegacyEntry& entry, const std::vector<Unit>& units, Batch* batch) {
    ConvertTotals& totals = batch->totals;
    totals.migrated += 1;
    totals.without_vector += units.empty() ? 1 : 0;
    totals.text_bytes += entry.key.size() + entry.metadata.size();
    DocumentHasher hasher(entry.key, entry.metadata);
    DocumentView document;
    document.key = entry.key;
    document.metadata = entry.metadata;
    for (const Unit& unit : units) {
      const std::string& column = cache_.columns()[unit.column].name;
      hasher.Vector(column, unit.values, unit.norm);
      document.vectors.push_back({column, unit.values, unit.norm});
      totals.vectors[unit.column] += 1;
      totals.key_bytes[unit.column] += entry.key.size();
    }
    totals.hash.Add(hasher.Finish());
    batch->documents.Put(document);
  }

  const format::LegacyCache& cache_;
  const ConvertOptions& options_;
  const ConvertSink& sink_;
  uint64_t batch_entries_ = 1, batch_count_ = 0;
  std::vector<uint32_t> by_name_;  // columns

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  uint64_t next_ = 0;  // batch to be taken
  uint64_t turn_ = 0;  // batch that may be handed on
  uint32_t running_ = 0, ended_ = 0;
  Status failure_;
  ConvertTotals totals_;
};

}  // namespace

void ConvertTotals::Add(const ConvertTotals& other) {
  entries += other.entries;
  migrated += other.migrated;
  without_vector += other.without_vector;
  refused += other.refused;
  text_bytes += other.text_bytes;
  for (const auto& [reason, count] : other.reasons) reasons[reason] += count;
  for (size_t i = 0; i < vectors.size(); ++i) vectors[i] += other.vectors[i];
  for (size_t i = 0; i < key_bytes.size(); ++i) key_bytes[i] += other.key_bytes[i];
  hash.Add(other.hash);
}

StatusOr<ConvertTotals> ConvertEntries(const format::LegacyCache& cache,
                                       const ConvertOptions& options, const ConvertSink& sink) {
  return Converter(cache, options, sink).Run();
}

std::string ReportLine(const format::LegacyEntry& entry, bool has_vector) {
  const auto text = [](std::string_view bytes) {
    std::string json;
    AppendJsonString(&json, bytes);
    return json;
  };
  const char* verdict = !entry.migrates() ? "refused" : has_vector ? "migrated" : "without_vector";
  std::string line = "{\"key\": " + text(entry.key) + ", \"verdict\": \"" + verdict + "\"";
  line += ", \"reason\": " + text(format::LegacyReasonCode(entry.reason));
  line += ", \"detail\": " + text(entry.detail);
  line += ", \"offset\": " + std::to_string(entry.source_offset);
  if (!entry.flags.empty()) {
    line += ", \"flags\": [";
    for (size_t i = 0; i < entry.flags.size(); ++i) {
      line += (i > 0 ? ", " : "") + text(entry.flags[i]);
    }
    line += "]";
  }
  return line + "}\n";
}

uint32_t ThreadCount(uint32_t wanted) {
  const uint32_t count = wanted != 0 ? wanted : std::thread::hardware_concurrency();
  return std::clamp<uint32_t>(count, 1, 256);
}

}  // namespace vdb::engine
