// vdbtool snapshot create, list, drop, diff: named snapshots.
#include <ctime>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"

namespace vdb::tools {
namespace {

const char* ChangeName(DocumentChange change) {
  switch (change) {
    case DocumentChange::kAdded: return "added";
    case DocumentChange::kChanged: return "changed";
    case DocumentChange::kRemoved: return "removed";
  }
  return "unknown";
}

StatusOr<int> Done(const SnapshotArgs& args, const char* what) {
  if (!args.json) {
    Print(std::string(what) + " snapshot " + Printable(args.name) + "\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("done").String(what).Key("snapshot").String(args.name).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

}  // namespace

std::string TimeText(uint64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts = {};
  char text[40] = "";
  if (gmtime_r(&seconds, &parts) != nullptr) {
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

StatusOr<int> RunSnapshotCreate(const SnapshotArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  const Status made = db->CreateSnapshot(args.name);
  const Status closed = db->Close();
  if (!made.ok()) return made;
  if (!closed.ok()) return closed;
  return Done(args, "created");
}

StatusOr<int> RunSnapshotDrop(const SnapshotArgs& args) {
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  const Status dropped = db->DropSnapshot(args.name);
  const Status closed = db->Close();
  if (!dropped.ok()) return dropped;
  if (!closed.ok()) return closed;
  return Done(args, "dropped");
}

StatusOr<int> RunSnapshotList(const SnapshotArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  const auto snapshots = db->ListSnapshots();
  if (!snapshots.ok()) return snapshots.status();
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  std::string text;
  for (const SnapshotInfo& one : *snapshots) {
    if (args.json) {
      JsonOut out;
      out.BeginObject().Key("name").String(one.name);
      if (one.damage.empty()) {
        out.Key("batch_number").Uint(one.batch_number);
        out.Key("created").String(TimeText(one.created_unix_ms));
        out.Key("documents").Uint(one.document_count);
      } else {
        out.Key("damage").String(one.damage);
      }
      text += out.EndObject().text() + "\n";
      continue;
    }
    text += Padded(Printable(one.name), 30) + " ";
    text += one.damage.empty() ? TimeText(one.created_unix_ms) + ", batch " +
                                     std::to_string(one.batch_number) + ", " +
                                     std::to_string(one.document_count) + " documents\n"
                               : "damaged: " + one.damage + "; drop it\n";
  }
  Print(text);
  return kDone;
}

StatusOr<int> RunSnapshotDiff(const SnapshotArgs& args) {
  auto db = OpenForReading(args.database);
  if (!db.ok()) return db.status();
  uint64_t counts[3] = {};
  const Status status = db->DiffSnapshots(args.name, args.to, [&](const SnapshotDiff& diff) {
    counts[static_cast<int>(diff.change)] += 1;
    if (args.json) {
      JsonOut out;
      out.BeginObject().Key("collection").String(diff.collection).Key("key").String(diff.key);
      out.Key("change").String(ChangeName(diff.change)).EndObject();
      Print(out.text() + "\n");
    } else {
      Print(Padded(ChangeName(diff.change), 8) + " " + Printable(diff.collection) + " " +
            Printable(diff.key) + "\n");
    }
    return true;
  });
  if (!status.ok()) return status;
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  PrintNote(std::to_string(counts[0]) + " added, " + std::to_string(counts[1]) + " changed, " +
            std::to_string(counts[2]) + " removed\n");
  return kDone;
}

}  // namespace vdb::tools
