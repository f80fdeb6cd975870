#include "tests/query/list_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "index/kernels/kernels.h"

namespace vdb::query {

std::vector<float> ClusteredVectors(size_t count, uint32_t dimension, size_t clusters,
                                    uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centers(clusters * dimension), spread(clusters);
  for (float& x : centers) x = normal(random);
  for (float& x : spread) x = 0.3f + 0.5f * static_cast<float>(random() % 1000) / 1000;
  std::vector<float> vectors;
  vectors.reserve(count * dimension);
  for (size_t i = 0; i < count; ++i) {
    const size_t c = std::min(random() % clusters, random() % clusters);
    for (uint32_t d = 0; d < dimension; ++d) {
      vectors.push_back(centers[c * dimension + d] + spread[c] * normal(random));
    }
  }
  return vectors;
}

ListFixture::ListFixture(const ListFixtureOptions& options, const std::vector<float>& vectors)
    : options_(options), scans_(options.dimension) {
  const index::Kernels& kernels = **index::ActiveKernels();
  const uint32_t dimension = options.dimension;
  const size_t count = vectors.size() / dimension;
  const size_t indexed = count - options.unindexed_rows;

  // The source vectors as the engine gives them: unit under cosine, norm * unit else.
  ScanFixture stored(dimension);
  for (size_t i = 0; i < count; ++i) {
    stored.Add({vectors.begin() + static_cast<long>(i * dimension),
                vectors.begin() + static_cast<long>((i + 1) * dimension)},
               i + 1);
  }
  const auto source = [&](uint64_t row, float* out) {
    const double norm = options.metric == Metric::kCosine ? 1 : stored.record(0, row)->norm;
    kernels.scale_to_float(stored.row(0, row), norm, out, dimension);
    return kernels.find_not_finite(out, dimension) == dimension;
  };
  index::TrainOptions train;
  train.epoch_id = 1;
  train.column_id = 1;
  train.dimension = dimension;
  train.metric = options.metric;
  train.list_count = options.list_count;
  auto codebook = index::Codebook::Train(train, indexed, source);
  EXPECT_TRUE(codebook.ok()) << codebook.status().ToString();
  codebook_ = *codebook;

  std::vector<Coded> coded(indexed);
  std::vector<float> x(dimension), scratch(codebook_->padded()), assign;
  for (size_t i = 0; i < indexed; ++i) {
    Coded& row = coded[i];
    row = {i + 1, codebook_->list_count(), vectors.data() + i * dimension,
           std::vector<float>(codebook_->padded()), 0};
    if (!source(i, x.data())) continue;
    if (!codebook_->ToCoded(kernels, x.data(), row.y.data(), scratch.data())) continue;
    row.length = std::sqrt(kernels.sum_squares(x.data(), dimension));
    codebook_->Assign(row.y.data(), 1, &row.list, &assign);
  }
  std::vector<Coded*> order;
  for (Coded& row : coded) order.push_back(&row);
  std::stable_sort(order.begin(), order.end(),
                   [](const Coded* a, const Coded* b) { return a->list < b->list; });
  for (size_t s = 0; s < options.segment_count; ++s) {
    const size_t first = indexed * s / options.segment_count;
    const size_t past = indexed * (s + 1) / options.segment_count;
    const auto at = order.begin();
    BuildSegment({at + static_cast<long>(first), at + static_cast<long>(past)}, s + 1);
  }
  if (options.unindexed_rows > 0) {
    scans_.StartSegment();
    docnos_.emplace_back();
    for (size_t i = indexed; i < count; ++i) {
      scans_.Add({vectors.begin() + static_cast<long>(i * dimension),
                  vectors.begin() + static_cast<long>((i + 1) * dimension)},
                 i + 1);
      docnos_.back().push_back(i + 1);
    }
  }
}

void ListFixture::BuildSegment(const std::vector<Coded*>& rows, uint64_t segment_id) {
  scans_.StartSegment();
  docnos_.emplace_back();
  std::vector<uint32_t> begin(codebook_->list_count() + 1, 0);
  for (const Coded* row : rows) {
    for (uint32_t l = row->list + 1; l <= codebook_->list_count(); ++l) ++begin[l];
  }
  auto file = std::make_unique<IndexFile>();
  const auto sink = [&file](uint64_t offset, std::span<const std::byte> bytes) {
    if (file->owned.size() < offset + bytes.size()) file->owned.resize(offset + bytes.size());
    std::memcpy(file->owned.data() + offset, bytes.data(), bytes.size());
    return Status::Ok();
  };
  index::InvertedListsWriter writer(*codebook_, segment_id, rows.size(), begin, sink);
  for (const Coded* row : rows) {
    scans_.Add({row->vector, row->vector + options_.dimension}, row->docno);
    docnos_.back().push_back(row->docno);
    if (row->list == codebook_->list_count()) continue;  // loose
    EXPECT_TRUE(writer.Add(row->y.data(), &row->length, 1, 1).ok());
  }
  EXPECT_TRUE(writer.Finish(&file->checksum).ok());
  file->size = file->owned.size();
  file->owned.resize(file->size + 64);
  const auto at = reinterpret_cast<uintptr_t>(file->owned.data());
  file->bytes = file->owned.data() + (64 - at % 64) % 64;
  std::memmove(file->bytes, file->owned.data(), file->size);
  OpenIndex(file.get());
  files_.push_back(std::move(file));
}

void ListFixture::OpenIndex(IndexFile* file) {
  auto lists = index::InvertedLists::Open(
      {reinterpret_cast<const char*>(file->bytes), file->size}, file->checksum, "test.ivf",
      nullptr);
  ASSERT_TRUE(lists.ok()) << lists.status().ToString();
  file->lists = *lists;
}

ListSearchInput ListFixture::Input(const std::vector<float>& queries, size_t k) const {
  all_ = scans_.Segments();
  indexed_.clear();
  for (size_t s = 0; s < files_.size(); ++s) indexed_.push_back({all_[s], files_[s]->lists.get()});
  ListSearchInput input;
  input.codebook = codebook_;
  input.indexed = indexed_;
  input.unindexed = std::span(all_).subspan(files_.size());
  input.metric = options_.metric;
  input.dimension = options_.dimension;
  input.queries = {queries.data(), queries.size() / options_.dimension, options_.dimension};
  input.k = k;
  input.thread_count = 1;
  return input;
}

void ListFixture::Kill(const std::vector<uint64_t>& docnos) {
  for (size_t s = 0; s < docnos_.size(); ++s) {
    std::vector<uint64_t> rows;
    for (size_t r = 0; r < docnos_[s].size(); ++r) {
      if (std::find(docnos.begin(), docnos.end(), docnos_[s][r]) != docnos.end()) rows.push_back(r);
    }
    if (!rows.empty()) scans_.Kill(s, rows);
  }
}

void ListFixture::Damage(size_t segment, uint64_t data_byte) {
  IndexFile& file = *files_[segment];
  file.bytes[file.lists->header().data_offset + data_byte] ^= std::byte{4};
  OpenIndex(&file);
}

}  // namespace vdb::query
