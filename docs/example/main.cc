// Writes two documents with their vectors, then finds the one nearest to a query.
#include <vdb/database.h>

#include <iostream>

vdb::Status Run() {
  auto db = vdb::Database::Open("fruit.vdb", {.create_if_missing = true});
  if (!db.ok()) return db.status();
  auto fruit = db->CreateCollection("fruit");
  if (!fruit.ok()) return fruit.status();
  if (auto s = fruit->AddColumn("taste", {.dimension = 3}); !s.ok()) return s;
  const float lemon[] = {0.9f, 0.1f, 0.0f}, mango[] = {0.2f, 0.9f, 0.1f}, sour[] = {1, 0, 0};
  vdb::WriteBatch batch;  // one atomic step
  batch.Put({.key = "lemon", .metadata = R"({"peel": true})", .vectors = {{"taste", lemon}}});
  batch.Put({.key = "mango", .body = "sweet", .vectors = {{"taste", mango}}});
  auto written = fruit->Write(batch);  // durable once this returns OK
  if (!written.ok()) return written.status();
  auto found = fruit->Search(vdb::VectorView(sour), {.k = 1});
  if (!found.ok()) return found.status();
  for (const auto& hit : found->answers[0].hits) std::cout << hit.key << " " << hit.score << "\n";
  return db->Close();
}

int main() {
  const vdb::Status status = Run();
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
