// vdbtool put, get, delete: one document.
#include <cstdio>
#include <utility>

#include "tools/commands.h"
#include "tools/common.h"
#include "tools/json_out.h"
#include "vdb/database.h"
#include "vdb/import.h"
#include "vdb/json_text.h"

namespace vdb::tools {
namespace {

struct NamedValues {
  std::string column;
  std::vector<float> values;
};

// "COLUMN=1,2,3". The numbers are those of a JSON array.
StatusOr<NamedValues> ParseVector(const std::string& text) {
  const size_t equals = text.rfind('=');
  auto parsed = ParseVectorLines("[" + text.substr(equals + 1) + "]");
  if (!parsed.ok()) {
    return Status::InvalidArgument("--vector '" + text + "': in [" + text.substr(equals + 1) +
                                   "], " + parsed.status().message());
  }
  return NamedValues{text.substr(0, equals), std::move(parsed->values)};
}

StatusOr<std::string> ReadBodyFile(const std::string& path) {
  FILE* file = path == "-" ? stdin : fopen(path.c_str(), "rbe");
  if (file == nullptr) return Status::IoError("--body-file '" + path + "': cannot be opened");
  std::string body;
  char block[1 << 16];
  size_t count = 0;
  while ((count = fread(block, 1, sizeof(block), file)) > 0 && body.size() <= kBodyBytesMax) {
    body.append(block, count);
  }
  const bool failed = ferror(file) != 0;
  if (file != stdin) fclose(file);
  if (failed) return Status::IoError("--body-file '" + path + "': cannot be read");
  return body;
}

// Puts one document, making collection and columns where missing. What it made is dropped again if
// the document is refused, so that a refusal leaves nothing behind.
class Putter {
 public:
  Putter(Database* db, const PutArgs& args) : db_(db), args_(args) {}

  StatusOr<WriteResult> Put(const DocumentView& document) {
    StatusOr<WriteResult> result = TryPut(document);
    if (!result.ok()) Undo();
    return result;
  }

 private:
  StatusOr<WriteResult> TryPut(const DocumentView& document) {
    auto collection = db_->OpenCollection(args_.collection);
    if (collection.status().code() == StatusCode::kNotFound) {
      collection = db_->CreateCollection(args_.collection);
      made_collection_ = collection.ok();
    }
    if (!collection.ok()) return collection.status();
    for (const NamedVector& vector : document.vectors) {
      if (const Status made = MakeColumn(*collection, vector); !made.ok()) return made;
    }
    return collection->Put(document);
  }

  Status MakeColumn(Collection& collection, const NamedVector& vector) {
    const auto columns = collection.Columns();
    if (!columns.ok()) return columns.status();
    for (const ColumnInfo& info : *columns) {
      if (info.name == vector.column) return Status::Ok();
    }
    ColumnOptions options;
    options.dimension = static_cast<uint32_t>(vector.values.size());
    options.metric = MetricFromName(args_.metric);
    const Status added = collection.AddColumn(vector.column, options);
    if (added.ok()) made_columns_.emplace_back(vector.column);
    return added;
  }

  void Undo() {
    constexpr const char* kWhy = "the error that led here is the one to report";
    if (made_collection_) {
      db_->DropCollection(args_.collection).IgnoreError(kWhy);
      return;
    }
    auto collection = db_->OpenCollection(args_.collection);
    if (!collection.ok()) return;
    for (const std::string& column : made_columns_) {
      collection->DropColumn(column).IgnoreError(kWhy);
    }
  }

  Database* db_;
  const PutArgs& args_;
  bool made_collection_ = false;
  std::vector<std::string> made_columns_;
};

void PrintJson(const Document& document) {
  JsonOut out;
  out.BeginObject();
  out.Key("id").String(document.key).Key("version").Uint(document.version);
  out.Key("metadata").Raw(document.metadata);
  out.Key("body");
  document.body ? out.String(*document.body) : out.Null();
  out.Key("vectors").BeginObject();
  for (const DocumentVector& vector : document.vectors) {
    out.Key(vector.column).BeginArray();
    for (const float value : vector.values) out.Float(value);
    out.EndArray();
  }
  out.EndObject().EndObject();
  Print(out.text() + "\n");
}

void PrintText(const Document& document) {
  std::string text = "key       " + Printable(document.key) + "\nversion   " +
                     std::to_string(document.version) + "\nmetadata  " + document.metadata + "\n";
  for (const DocumentVector& vector : document.vectors) {
    text += "vector    " + Printable(vector.column) + " (" + std::to_string(vector.values.size()) +
            "): ";
    for (size_t i = 0; i < vector.values.size(); ++i) {
      if (i > 0) text += ", ";
      AppendJsonFloat(&text, vector.values[i]);
    }
    text += "\n";
  }
  if (document.body) text += "body      " + Printable(*document.body) + "\n";
  Print(text);
}

}  // namespace

StatusOr<int> RunPut(const PutArgs& args) {
  DocumentView document;
  document.key = args.key;
  document.metadata = args.metadata;
  std::string body;
  if (!args.body_file.empty()) {
    auto read = ReadBodyFile(args.body_file);
    if (!read.ok()) return read.status();
    body = std::move(*read);
    document.body = body;
  } else if (args.body) {
    document.body = *args.body;
  }
  std::vector<NamedValues> vectors;
  for (const std::string& text : args.vectors) {
    if (text.find('=', 1) == std::string::npos) {
      PrintError("--vector '" + text + "': expected COLUMN=1,2,3");
      return kUsage;
    }
    auto vector = ParseVector(text);
    if (!vector.ok()) return vector.status();
    vectors.push_back(std::move(*vector));
  }
  for (const NamedValues& vector : vectors) {
    document.vectors.push_back({vector.column, vector.values});
  }
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  const auto result = Putter(&*db, args).Put(document);
  const Status closed = db->Close();
  if (!result.ok()) return result.status();
  if (!closed.ok()) return closed;
  if (!args.json) {
    Print("put " + Printable(args.key) + ", version " + std::to_string(result->batch_number) +
          "\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("id").String(args.key);
  out.Key("version").Uint(result->batch_number).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

StatusOr<int> RunGet(const KeyArgs& args) {
  auto db = OpenForReading(args.database, args.as_of);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto document = collection->Get(args.key);
  if (!document.ok()) return AboutKey(args.key, document.status());
  for (const DocumentVector& vector : document->vectors) {
    if (!vector.values.empty()) continue;
    return Status::FailedPrecondition("key '" + Printable(args.key) + "', column '" +
                                      vector.column +
                                      "': norm times unit vector overflows float32; read it by "
                                      "Collection::Get, which has both");
  }
  args.json ? PrintJson(*document) : PrintText(*document);
  if (const Status closed = db->Close(); !closed.ok()) return closed;
  return kDone;
}

StatusOr<int> RunDelete(const DeleteArgs& args) {
  if (args.filter.has_value() == !args.key.empty()) {
    PrintError("delete takes either a KEY or --filter");
    return kUsage;
  }
  if (args.filter) return DeleteMatching(args);
  auto db = OpenForWriting(args.database);
  if (!db.ok()) return db.status();
  auto collection = db->OpenCollection(args.collection);
  if (!collection.ok()) return collection.status();
  const auto result = collection->Delete(args.key);
  const Status closed = db->Close();
  if (!result.ok()) return AboutKey(args.key, result.status());
  if (!closed.ok()) return closed;
  if (!args.json) {
    Print("deleted " + Printable(args.key) + "\n");
    return kDone;
  }
  JsonOut out;
  out.BeginObject().Key("id").String(args.key);
  out.Key("deleted").Uint(result->deleted_count).EndObject();
  Print(out.text() + "\n");
  return kDone;
}

}  // namespace vdb::tools
