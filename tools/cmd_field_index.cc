// vdbtool field-index add, drop, list; count and delete by a filter.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

FieldIndexKind KindOf(const FieldIndexArgs& args) {
  return args.text ? FieldIndexKind::kText : FieldIndexKind::kOrdered;
}

std::string Named(const FieldIndexArgs& args) {
  return std::string(args.text ? "text" : "field") + " index " + Printable(args.field) + " of " +
         Printable(args.collection);
}

const char* KindName(FieldIndexKind kind) {
  return kind == FieldIndexKind::kText ? "text" : "ordered";
}

std::string Json(const FieldIndexArgs& args, const FieldIndexReport& report) {
  JsonOut out;
  out.BeginObject().Key("done").String("added").Key("collection").String(args.collection);
  out.Key("field").String(args.field).Key("kind").String(KindName(KindOf(args)));
  out.Key("documents").Uint(report.document_count);
  out.Key("entries").Uint(report.entry_count).Key("build_ms").Double(report.build_ms);
  return out.EndObject().text() + "\n";
}

}  // namespace

StatusOr<int> RunFieldIndexAdd(const FieldIndexArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  StatusOr<FieldIndexReport> report = FieldIndexReport();
  {
    ProgressLine line(/*unit_bytes=*/false);
    report = collection->AddFieldIndex(
        {.field = args.field, .kind = KindOf(args), .progress = line.Callback()});
  }
  const Status closed = db->Close();
  if (!report.ok()) return report.status();
  if (!closed.ok()) return closed;
  Print(args.json ? Json(args, *report)
                  : "added the " + Named(args) + ": " + std::to_string(report->entry_count) +
                        " entries of " + std::to_string(report->document_count) +
                        " documents\n");
  return kDone;
}

StatusOr<int> RunFieldIndexDrop(const FieldIndexArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const Status dropped = collection->DropFieldIndex(args.field, KindOf(args));
  const Status closed = db->Close();
  if (!dropped.ok()) return dropped;
  if (!closed.ok()) return closed;
  if (!args.json) {
    Print("dropped the " + Named(args) +
          (args.text ? "\n" : "; its filters read all documents again\n"));
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("done").String("dropped").Key("collection").String(args.collection);
  out.Key("field").String(args.field).Key("kind").String(KindName(KindOf(args))).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

StatusOr<int> RunFieldIndexList(const FieldIndexArgs& args) {
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto indexes = collection->FieldIndexes();
  if (!indexes.ok()) return indexes.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  std::string text;
  for (const FieldIndexInfo& index : *indexes) {
    if (args.json) {
      JsonOut out;
      out.BeginObject().Key("field").String(index.field).Key("kind").String(KindName(index.kind));
      out.Key("ready").Bool(index.ready).EndObject();
      text += out.text() + "\n";
    } else {
      text += Padded(Printable(index.field), 30) + " " + KindName(index.kind) +
              (index.ready ? "" : ", not ready: its build was cut short; add it again") + "\n";
    }
  }
  if (indexes->empty() && !args.json) {
    text = Printable(args.collection) + " has no field indexes: filters read all documents\n";
  }
  Print(text);
  return kDone;
}

StatusOr<int> RunCount(const CountArgs& args) {
  const auto filter = ParseFilter(args.filter);
  if (!filter) return kUsage;
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  const auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto count = collection->Count(*filter);
  if (!count.ok()) return count.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  if (!args.json) {
    Print(std::to_string(*count) + "\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("count").Uint(*count).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

StatusOr<int> DeleteMatching(const DeleteArgs& args) {
  const auto filter = ParseFilter(*args.filter);
  if (!filter) return kUsage;
  if (filter->matches_all()) {  // an empty variable of a script must not empty a collection
    PrintError("--filter: it is empty, and would match every document; `vdbtool drop` drops a "
               "collection");
    return kUsage;
  }
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto deleted = collection->DeleteWhere(*filter);
  const Status closed = db->Close();
  if (!deleted.ok()) return deleted.status();
  if (!closed.ok()) return closed;
  if (!args.json) {
    Print("deleted " + std::to_string(*deleted) + " documents\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("deleted").Uint(*deleted).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

}  // namespace vdb::tools
