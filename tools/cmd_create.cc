// vdbtool create: makes an empty database.
#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {

StatusOr<int> RunCreate(const CreateArgs& args) {
  DatabaseOptions options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  auto db = Database::Open(args.database, options);
  if (!db.ok()) return db.status();
  const auto stats = db->Stats();
  if (!stats.ok()) return stats.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  if (!args.json) {
    Print("created " + Printable(args.database) + "\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject();
  out.Key("path").String(args.database).Key("uuid").String(stats->uuid);
  out.Key("format_version").Uint(stats->format_version);
  out.EndObject();
  Print(out.text() + "\n");
  return kDone;
}

}  // namespace vdb::tools
