// See api_run.h.
#include "tests/fuzz/api_run.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "format/byte_io.h"
#include "format/status_macros.h"
#include "tests/crash/workload.h"
#include "tests/support/power_cut.h"
#include "tests/support/recording_file_system.h"
#include "tests/support/scratch_dir.h"

namespace vdb::fuzz {
namespace {

using namespace vdb::testing;  // NOLINT: the crash tests' vocabulary

constexpr char kProgress[] = "progress";
constexpr char kField[] = "n";

Status Wrong(const std::string& what) { return Status::Corruption("WRONG: " + what); }

// What must be there, whatever happens.
struct Promises {
  size_t durable = 0;                   // number of a state
  std::map<std::string, Model> named;   // snapshots
  bool field_index = false;
};

class ApiRun {
 public:
  ApiRun(std::string_view bytes, const ApiOptions& options) : input_(bytes), options_(options) {}

  Status Run(ApiCounts* counts);
  const std::string& trace() const { return trace_; }

 private:
  Status Start();
  Status Open();
  Status Next(ApiCounts* counts);
  Status Write();
  Status WriteNonsense();
  Status Flush();
  Status BuildIndex();
  Status Compact();
  Status ChangeFieldIndex();
  Status KeepSnapshot();
  Status DropSnapshot();
  Status UseSnapshot();
  Status ReadNamed();
  Status Search();
  Status Reopen();
  Status CutPower();
  Status CheckPromises(const Model& model);

  uint64_t Pick(uint64_t bound) { return input_.U8() % bound; }
  const Model& model() const { return states_.back(); }
  Change AnyChange(const Model& model);

  format::ByteReader input_;
  const ApiOptions options_;
  std::string trace_;
  std::unique_ptr<ScratchDir> root_;
  std::unique_ptr<RecordingFileSystem> fs_;
  std::optional<Database> database_;
  std::optional<Collection> collection_;
  std::vector<Model> states_ = {Model()};  // [n]: after the write with number n in `progress`
  Promises before_, now_;                  // of the last operation
  size_t log_before_ = 0;                  // operations of the disk before it
  std::optional<Snapshot> snapshot_;
  Model snapshot_model_;
  uint64_t number_ = 0;  // of a document, so that no two are alike
};

Status ApiRun::Start() {
  root_ = std::make_unique<ScratchDir>();
  fs_ = std::make_unique<RecordingFileSystem>(root_->path());
  VDB_RETURN_IF_ERROR(Open());
  VDB_RETURN_IF_ERROR(MakeCollection(&*database_));
  VDB_ASSIGN_OR_RETURN(collection_, database_->OpenCollection(kCollection));
  log_before_ = fs_->size();
  if (!options_.disk_lies) return Status::Ok();
  fs_->SetHook([](const Operation& operation, size_t) -> Verdict {
    if (operation.kind == OpKind::kSync) return {Verdict::Action::kSkip};
    return {};
  });
  return Status::Ok();
}

Status ApiRun::Open() {
  VDB_ASSIGN_OR_RETURN(database_, engine::OpenDatabase(*root_ / "db", SmallOptions(fs_.get())));
  return Status::Ok();
}

Status ApiRun::Run(ApiCounts* counts) {
  VDB_RETURN_IF_ERROR(Start());
  for (size_t i = 0; i < options_.operations_max && !input_.AtEnd(); ++i) {
    VDB_RETURN_IF_ERROR(Next(counts));
    ++counts->operations;
  }
  counts->writes += states_.size() - 1;
  VDB_RETURN_IF_ERROR(CheckPromises(model()));
  VDB_RETURN_IF_ERROR(CutPower());
  ++counts->cuts;
  snapshot_.reset();
  return database_->Close();
}

Status ApiRun::Next(ApiCounts* counts) {
  const uint64_t kind = Pick(24);
  if (kind < 20) {  // of a cut, the operation before is of interest
    before_ = now_;
    log_before_ = fs_->size();
  }
  switch (kind) {
    case 8: return WriteNonsense();
    case 9: return Flush();
    case 10: case 11: return BuildIndex();
    case 12: case 13: return Compact();
    case 14: return ChangeFieldIndex();
    case 15: case 16: return KeepSnapshot();
    case 17: return DropSnapshot();
    case 18: return Search();
    case 19: return UseSnapshot();
    case 20: return ReadNamed();
    case 21: ++counts->reopens; return Reopen();
    case 22: case 23: ++counts->cuts; return CutPower();
    default: return Write();
  }
}

Change ApiRun::AnyChange(const Model& model) {
  Change change;
  change.key = "k" + std::to_string(Pick(20));
  const uint64_t kind = Pick(10);
  ++number_;
  if (kind < 5 || !model.contains(change.key)) {
    change.document = MakeDocument(number_, Pick(256) * 8);
    if (kind == 1) change.document.vectors.erase(kL2Column);
    if (kind == 2) change.document.body.reset();
    if (kind == 3) change.document.vectors.clear();
  } else if (kind < 7) {
    change.kind = Change::Kind::kDelete;
  } else if (kind < 9) {
    change.kind = Change::Kind::kSetVector;
    const std::string column = kind == 7 ? kCosineColumn : kL2Column;
    change.document.vectors[column] = MakeDocument(number_).vectors.at(column);
  } else {
    change.kind = Change::Kind::kSetMetadata;
    change.document.metadata = MakeDocument(number_).metadata;
  }
  return change;
}

Status ApiRun::Write() {
  Model next = model();
  Step step;
  step.sync = Pick(2) == 0;
  for (uint64_t i = Pick(12) + 1; i > 0; --i) {
    step.changes.push_back(AnyChange(next));
    Apply(step.changes.back(), &next);
  }
  Change progress = {Change::Kind::kPut, kProgress, {}};
  progress.document.metadata = R"({"n":)" + std::to_string(states_.size()) + "}";
  Apply(progress, &next);
  step.changes.push_back(progress);
  trace_ += step.sync ? " write-sync" : " write";
  states_.push_back(std::move(next));
  VDB_RETURN_IF_ERROR(collection_->Write(ToBatch(step), {.sync = step.sync}).status());
  if (step.sync) now_.durable = states_.size() - 1;
  return Status::Ok();
}

// A batch with one bad change among good ones changes nothing.
Status ApiRun::WriteNonsense() {
  trace_ += " nonsense";
  WriteBatch batch;
  batch.Delete(kProgress);
  const std::vector<float> three = {1, 2, 3};
  if (Pick(2) == 0) {
    batch.SetVector("no such key", kL2Column, three);
  } else {
    batch.SetVector(kProgress, kCosineColumn, three);  // a wrong dimension
  }
  if (collection_->Write(batch).ok()) return Wrong("a batch of nonsense was written");
  return CheckModel(*database_, model());
}

Status ApiRun::Flush() {
  trace_ += " flush";
  VDB_RETURN_IF_ERROR(database_->Flush());
  now_.durable = states_.size() - 1;
  return Status::Ok();
}

Status ApiRun::BuildIndex() {
  IndexOptions options;
  options.column = Pick(2) == 0 ? kCosineColumn : kL2Column;
  options.list_count = 1 + static_cast<uint32_t>(Pick(3));
  options.retrain = Pick(2) == 0;
  options.thread_count = 1;
  trace_ += " index-" + options.column;
  const auto built = collection_->BuildIndex(options);
  // Too few rows are refused, which changes nothing.
  return built.status().code() == StatusCode::kFailedPrecondition ? Status::Ok() : built.status();
}

Status ApiRun::Compact() {
  trace_ += " compact";
  return database_->Compact({.full = Pick(2) == 0}).status();
}

Status ApiRun::ChangeFieldIndex() {
  trace_ += now_.field_index ? " drop-field" : " add-field";
  if (now_.field_index) {
    before_.field_index = false;  // a cut may leave either
    now_.field_index = false;
    return collection_->DropFieldIndex(kField);
  }
  VDB_RETURN_IF_ERROR(collection_->AddFieldIndex({.field = kField}).status());
  now_.field_index = true;
  return Status::Ok();
}

Status ApiRun::KeepSnapshot() {
  const std::string name = "s" + std::to_string(Pick(3));
  trace_ += " keep-" + name;
  const bool there = now_.named.contains(name);
  const Status made = database_->CreateSnapshot(name);
  if (there) {
    if (made.code() == StatusCode::kAlreadyExists) return Status::Ok();
    return Wrong("made " + name + " twice");
  }
  now_.named[name] = model();
  return made;
}

Status ApiRun::DropSnapshot() {
  const std::string name = "s" + std::to_string(Pick(3));
  trace_ += " drop-" + name;
  const bool there = now_.named.erase(name) > 0;
  const Status dropped = database_->DropSnapshot(name);
  if (there) return dropped;
  return dropped.code() == StatusCode::kNotFound ? Status::Ok() : Wrong("dropped " + name);
}

// Of one in memory: taken, then asked after other operations, then let go.
Status ApiRun::UseSnapshot() {
  trace_ += " snapshot";
  if (!snapshot_) {
    VDB_ASSIGN_OR_RETURN(snapshot_, database_->GetSnapshot());
    snapshot_model_ = model();
    return Status::Ok();
  }
  VDB_ASSIGN_OR_RETURN(const uint64_t count, collection_->Count({.snapshot = &*snapshot_}));
  if (count != snapshot_model_.size()) return Wrong("Count of a snapshot");
  std::set<std::string> expected, found;
  for (const auto& [key, document] : snapshot_model_) {
    if (document.vectors.contains(kL2Column)) expected.insert(key);
    VDB_ASSIGN_OR_RETURN(const Document read, collection_->Get(key, {.snapshot = &*snapshot_}));
    if (read.body != document.body) return Wrong("the body of '" + key + "' in a snapshot");
  }
  const std::vector<float> query = {1, 2, 3};
  SearchOptions options;
  options.k = snapshot_model_.size() + 10;
  options.column = kL2Column;
  options.snapshot = &*snapshot_;
  VDB_ASSIGN_OR_RETURN(const SearchResult result, collection_->Search(VectorView(query), options));
  for (const Hit& hit : result.answers.at(0).hits) found.insert(hit.key);
  if (found != expected) return Wrong("a search in a snapshot");
  snapshot_.reset();
  return Status::Ok();
}

Status ApiRun::ReadNamed() {
  trace_ += " read-named";
  for (const auto& [name, model] : now_.named) {
    engine::EngineOptions options = SmallOptions();
    options.user.create_if_missing = false;
    options.user.read_only = true;
    options.user.as_of = name;
    VDB_ASSIGN_OR_RETURN(const Database kept, engine::OpenDatabase(*root_ / "db", options));
    if (model.empty()) continue;
    VDB_RETURN_IF_ERROR(CheckModel(kept, model));
  }
  return Status::Ok();
}

// Exact, and by as many lists as there can be: both are what brute force says.
Status ApiRun::Search() {
  trace_ += " search";
  const std::string column = Pick(2) == 0 ? kCosineColumn : kL2Column;
  const std::vector<float> query = MakeDocument(1000 + Pick(256)).vectors.at(column);
  SearchOptions by_rows, by_codes;
  by_rows.column = by_codes.column = column;
  by_rows.k = by_codes.k = 1 + Pick(30);
  by_rows.exact = true;
  by_codes.nprobe = 8;
  if (Pick(2) == 0) {
    const auto least = static_cast<int64_t>(number_ / 2);
    by_rows.filter = by_codes.filter = Field(kField).GreaterOrEqual(least);
  }
  VDB_ASSIGN_OR_RETURN(const auto rows, collection_->Search(VectorView(query), by_rows));
  VDB_ASSIGN_OR_RETURN(const auto codes, collection_->Search(VectorView(query), by_codes));
  const auto& a = rows.answers.at(0).hits;
  const auto& b = codes.answers.at(0).hits;
  if (a.size() != b.size()) return Wrong("a probe of all lists has another number of hits");
  if (!a.empty() && a[0].score < b[0].score) return Wrong("a probe found better than exact search");
  return CheckModel(*database_, model());
}

Status ApiRun::Reopen() {
  trace_ += " reopen";
  snapshot_.reset();
  VDB_RETURN_IF_ERROR(database_->Close());
  now_.durable = states_.size() - 1;
  before_ = now_;
  collection_.reset();
  database_.reset();
  VDB_RETURN_IF_ERROR(Open());
  VDB_ASSIGN_OR_RETURN(collection_, database_->OpenCollection(kCollection));
  log_before_ = fs_->size();
  return CheckPromises(model());
}

// The disk as some policy leaves it, somewhere in the last operation or after it.
Status ApiRun::CutPower() {
  const Log log = fs_->log();
  const auto policies = AllPolicies(number_ + log.size());
  const CutPolicy& policy = policies[Pick(policies.size())];
  const size_t span = log.size() - log_before_;
  const size_t at = log.size() - (span == 0 ? 0 : (Pick(256) * (span + 1)) / 256);
  trace_ += " cut(" + policy.ToString() + " " + std::to_string(log.size() - at) + " before " +
            std::to_string(log.size()) + ")";
  auto root = std::make_unique<ScratchDir>();
  CutPowerAt(log, at, policy, root->path());
  snapshot_.reset();
  collection_.reset();
  database_.reset();
  root_ = std::move(root);
  fs_ = std::make_unique<RecordingFileSystem>(root_->path(), DurableImage(root_->path()));
  VDB_RETURN_IF_ERROR(Open());
  // What the last operation promised counts only if it was let finish.
  const Promises& kept = at == log.size() ? now_ : before_;
  VDB_ASSIGN_OR_RETURN(const size_t state,
                       CheckState(*database_, states_, kept.durable, states_.size() - 1));
  states_.resize(state + 1);
  std::map<std::string, Model> possible = before_.named;
  possible.insert(now_.named.begin(), now_.named.end());
  std::map<std::string, Model> must = now_.named;
  std::erase_if(must, [&](const auto& one) { return !kept.named.contains(one.first); });
  VDB_ASSIGN_OR_RETURN(collection_, database_->OpenCollection(kCollection));
  VDB_ASSIGN_OR_RETURN(const auto snapshots, database_->ListSnapshots());
  Promises found;
  for (const SnapshotInfo& one : snapshots) {
    if (!possible.contains(one.name)) return Wrong("there is a snapshot " + one.name + one.damage);
    found.named[one.name] = possible.at(one.name);
    must.erase(one.name);
  }
  if (!must.empty()) return Wrong("snapshot " + must.begin()->first + " is lost");
  VDB_ASSIGN_OR_RETURN(const auto indexes, collection_->FieldIndexes());
  const bool ready = !indexes.empty() && indexes[0].ready;
  if (before_.field_index && now_.field_index && !ready) return Wrong("the field index is lost");
  if (!indexes.empty() && !ready) VDB_RETURN_IF_ERROR(collection_->DropFieldIndex(kField));
  found.field_index = ready;
  // What was seen after a recovery is durable: the open made it so.
  found.durable = state;
  now_ = before_ = found;
  log_before_ = fs_->size();
  return ReadNamed();
}

Status ApiRun::CheckPromises(const Model& model) {
  VDB_RETURN_IF_ERROR(CheckModel(*database_, model));
  VDB_ASSIGN_OR_RETURN(const auto snapshots, database_->ListSnapshots());
  if (snapshots.size() != now_.named.size()) return Wrong("the number of named snapshots");
  return ReadNamed();
}

}  // namespace

Status RunApi(std::string_view bytes, const ApiOptions& options, ApiCounts* counts) {
  ApiRun run(bytes, options);
  const Status status = run.Run(counts);
  return status.ok() ? status : Status(status.code(), status.message() + " after" + run.trace());
}

}  // namespace vdb::fuzz
