// Database::Compact: column by column, then the documents. What runs under the commit mutex is in
// index_publish.cc, shared with index builds; the work itself in compactor.cc.
#include <algorithm>

#include "engine/build_plan.h"
#include "engine/clock.h"
#include "engine/compaction_choice.h"
#include "engine/compactor.h"
#include "engine/disk_usage.h"
#include "engine/no_throw.h"
#include "format/status_macros.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kSpareBytes = 4u << 20;  // manifests, logs, block sums

uint64_t SegmentCount(const View& view, uint32_t column_id) {
  const ColumnView* column = view.FindColumn(column_id);
  return column == nullptr ? 0 : column->segments.size();
}

}  // namespace

struct DatabaseImpl::CompactionTarget {
  format::ColumnEntry column;
  bool due = false;
  uint64_t bytes = 0;  // that rewriting it takes
};

// The columns asked for, in the order of their ids, and which of them have something to gain.
StatusOr<std::vector<DatabaseImpl::CompactionTarget>> DatabaseImpl::CompactionTargets(
    const CompactionOptions& options) const {
  if (options.collection.empty() && !options.column.empty()) {
    return Status::InvalidArgument("compaction: column '" + options.column +
                                   "' without its collection");
  }
  VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
  const Manifest& manifest = *view->manifest;
  const format::CollectionEntry* only = nullptr;
  if (!options.collection.empty()) {
    only = manifest.FindCollection(options.collection);
    if (only == nullptr) return Status::NotFound("no collection '" + options.collection + "'");
    if (!options.column.empty() && format::FindColumn(*only, options.column) == nullptr) {
      return Status::NotFound("collection '" + options.collection + "' has no column '" +
                              options.column + "'");
    }
  }
  std::vector<CompactionTarget> targets;
  for (const format::CollectionEntry& collection : manifest.collections) {
    if (only != nullptr && collection.id != only->id) continue;
    for (const format::ColumnEntry& column : collection.columns) {
      if (!options.column.empty() && column.name != options.column) continue;
      CompactionTarget target = {column};
      if (const ColumnView* segments = view->FindColumn(column.id)) {
        const auto choice =
            ChooseSegments(*segments, UsualCapacity(column.dimension), options.full);
        target.due = !choice.empty();
        for (const auto* chosen : {&choice.indexed, &choice.loose}) {
          for (const SegmentView* segment : *chosen) {
            target.bytes += LiveBytes(*segment, column.dimension);
          }
        }
      }
      targets.push_back(std::move(target));
    }
  }
  return targets;
}

// One column after the other: the files that one gave up are gone when the next begins.
Status DatabaseImpl::CheckSpaceToCompact(const std::vector<CompactionTarget>& targets) const {
  VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
  const std::string docs = PathOf(format::DocsDirName(view->manifest->docs_directory));
  VDB_ASSIGN_OR_RETURN(uint64_t needed, DirectoryBytes(fs(), docs));
  std::string what = "the documents";
  for (const CompactionTarget& target : targets) {
    if (!target.due || target.bytes <= needed) continue;
    needed = target.bytes;
    what = "column '" + target.column.name + "'";
  }
  needed += kSpareBytes;
  VDB_ASSIGN_OR_RETURN(const uint64_t free, fs().FreeBytes(path_));  // at the limit, too
  if (free >= needed) return Status::Ok();
  return Status::ResourceExhausted("compaction: the copy of " + what + " needs " +
                                   std::to_string(needed) + " bytes of disk, " +
                                   std::to_string(free) + " are free; free some space");
}

Status DatabaseImpl::CompactColumn(const CompactionTarget& target,
                                   const CompactionOptions& options, CompactionReport* report) {
  BuildPlan plan;
  const Status begun = NoThrow([&]() -> Status {
    const std::lock_guard lock(commit_mutex_);
    VDB_ASSIGN_OR_RETURN(const Manifest manifest, EditableManifest());
    if (manifest.FindColumn(target.column.id) == nullptr) return Status::Ok();  // dropped
    plan.column = target.column;
    return BeginRewrite(/*with_epoch=*/false, &plan);
  });
  if (!begun.ok()) return EndRewrite(plan, begun, {});
  if (plan.ids.column_id == 0) return Status::Ok();
  Compactor compactor({&fs(), SegmentsDir(), plan.column, plan.view, plan.ids.first_segment,
                       plan.ids.past_segment, UsualCapacity(plan.column.dimension), &options,
                       report});
  const Status ran = NoThrow([&] { return compactor.Run(); });
  const SegmentRewrite rewrite = compactor.rewrite();
  if (ran.ok() && rewrite.sources.empty()) {  // nothing to do any more
    EndRewrite(plan, Status::Cancelled(""), {}).IgnoreError("it only gives back what was reserved");
    return Status::Ok();
  }
  VDB_RETURN_IF_ERROR(EndRewrite(plan, ran, rewrite));
  report->column_count += 1;
  return Status::Ok();
}

Status DatabaseImpl::CompactDocuments(const CompactionOptions& options,
                                      CompactionReport* report) {
  const auto start = std::chrono::steady_clock::now();
  VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());  // keeps the store open
  const Status compacted = view->store->CompactAll(options.full, [&options] {
    return !options.progress || options.progress({"compact documents", 0, 0});
  });
  report->documents_ms += MillisecondsSince(start);
  return compacted;
}

StatusOr<CompactionReport> DatabaseImpl::Compact(const CompactionOptions& options) {
  {
    const std::lock_guard lock(commit_mutex_);
    VDB_RETURN_IF_ERROR(EditableManifest().status());
  }
  CompactionReport report;
  VDB_ASSIGN_OR_RETURN(report.bytes_before, DirectoryBytes(fs(), path_));
  VDB_ASSIGN_OR_RETURN(const auto targets, CompactionTargets(options));
  VDB_RETURN_IF_ERROR(CheckSpaceToCompact(targets));
  for (const CompactionTarget& target : targets) {
    VDB_ASSIGN_OR_RETURN(const auto before, CurrentView());
    report.segment_count_before += SegmentCount(*before, target.column.id);
    if (target.due) VDB_RETURN_IF_ERROR(CompactColumn(target, options, &report));
    VDB_ASSIGN_OR_RETURN(const auto after, CurrentView());
    report.segment_count_after += SegmentCount(*after, target.column.id);
  }
  VDB_RETURN_IF_ERROR(CompactDocuments(options, &report));
  VDB_ASSIGN_OR_RETURN(report.bytes_after, DirectoryBytes(fs(), path_));
  return report;
}

// In the background: columns that are worth it. Their documents are compacted with them.
Status DatabaseImpl::CompactDueColumns() {
  std::vector<CompactionOptions> due;
  {
    VDB_ASSIGN_OR_RETURN(const auto view, CurrentView());
    for (const format::CollectionEntry& collection : view->manifest->collections) {
      for (const format::ColumnEntry& column : collection.columns) {
        const ColumnView* segments = view->FindColumn(column.id);
        if (segments == nullptr ||
            !DueForCompaction(*segments, column.dimension, UsualCapacity(column.dimension))) {
          continue;
        }
        due.push_back({.collection = collection.name, .column = column.name});
      }
    }
  }
  Status first;
  for (CompactionOptions& options : due) {  // one that cannot be compacted keeps no other from it
    options.progress = [this](const Progress&) {
      const std::lock_guard lock(indexer_mutex_);
      return !indexer_stop_;
    };
    const auto compacted = CompactJob(options);  // one job at a time
    if (compacted.status().code() == StatusCode::kNotFound) continue;  // dropped meanwhile
    if (compacted.status().code() == StatusCode::kCancelled) return compacted.status();
    if (!compacted.ok()) {
      if (first.ok()) first = compacted.status();
      continue;
    }
    Log(LogLevel::kInfo, "background compaction: column '" + options.column + "', " +
                             std::to_string(compacted->rows_dropped) + " dead rows dropped");
  }
  return first;
}

}  // namespace vdb::engine
