// vdbtool drop, column add, column drop, column default: collections and columns as a whole.
#include <functional>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

// Runs `change` on a database opened for writing and says what was done.
StatusOr<int> Change(const CommonArgs& args, const std::string& done, const std::string& collection,
                     const std::string& column, const std::function<Status(Database*)>& change) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  const Status changed = change(&*db);
  const Status closed = db->Close();
  if (!changed.ok()) return changed;
  if (!closed.ok()) return closed;
  if (args.json) {
    JsonOut out;
    out.BeginObject().Key("done").String(done).Key("collection").String(collection);
    if (!column.empty()) out.Key("column").String(column);
    out.EndObject();
    Print(out.text() + "\n");
  } else {
    Print(done + " " + Printable(collection) + (column.empty() ? "" : " " + Printable(column)) +
          "\n");
  }
  return kDone;
}

StatusOr<int> ChangeColumn(const ColumnArgs& args, const std::string& done,
                           const std::function<Status(Collection*)>& change) {
  return Change(args, done, args.collection, args.column, [&](Database* db) -> Status {
    auto collection = db->OpenCollection(args.collection);
    return collection.ok() ? change(&*collection) : collection.status();
  });
}

}  // namespace

StatusOr<int> RunDrop(const DropArgs& args) {
  return Change(args, "dropped", args.collection, "",
                [&](Database* db) { return db->DropCollection(args.collection); });
}

StatusOr<int> RunColumnAdd(const ColumnArgs& args) {
  return ChangeColumn(args, "added", [&](Collection* collection) {
    return collection->AddColumn(args.column, {.dimension = args.dimension,
                                               .metric = MetricFromName(args.metric),
                                               .model = args.model});
  });
}

StatusOr<int> RunColumnDrop(const ColumnArgs& args) {
  return ChangeColumn(args, "dropped",
                      [&](Collection* collection) { return collection->DropColumn(args.column); });
}

StatusOr<int> RunColumnDefault(const ColumnArgs& args) {
  return ChangeColumn(args, "default is", [&](Collection* collection) {
    return collection->SetDefaultColumn(args.column);
  });
}

}  // namespace vdb::tools
