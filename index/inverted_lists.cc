// See inverted_lists.h.
#include "index/inverted_lists.h"

#include <algorithm>
#include <cmath>

#include "format/checksum.h"
#include "format/status_macros.h"
#include "index/codes.h"
#include "index/parallel.h"

namespace vdb::index {
namespace {

using format::kBlockRows;
using format::kIndexChunkBytes;

constexpr size_t kRowsAtOnce = 1024;

uint8_t* Bytes(std::vector<std::byte>* bytes) { return reinterpret_cast<uint8_t*>(bytes->data()); }

// The list of each row in [first, first + count), from list `at` on.
std::vector<uint32_t> ListsOf(const std::vector<uint32_t>& row_begin, uint64_t first, size_t count,
                              uint32_t* at) {
  std::vector<uint32_t> lists(count);
  for (size_t i = 0; i < count; ++i) {
    while (first + i >= row_begin[*at + 1]) ++*at;
    lists[i] = *at;
  }
  return lists;
}

}  // namespace

StatusOr<std::shared_ptr<const InvertedLists>> InvertedLists::Open(
    std::string_view bytes, uint64_t checksum, std::string file,
    std::shared_ptr<const void> keep) {
  auto lists = std::shared_ptr<InvertedLists>(new InvertedLists());
  VDB_ASSIGN_OR_RETURN(lists->view_, format::DecodeListFile(bytes, checksum, file));
  lists->bytes_ = bytes;
  lists->file_ = std::move(file);
  lists->keep_ = std::move(keep);
  lists->block_bytes_ = format::BlockBytes(lists->header().padded_dimension);
  lists->fine_bytes_ = format::FineRowBytes(lists->header().padded_dimension);
  // As many as the file has chunks: the decoder has compared the count with its size.
  const uint64_t chunks = lists->header().chunk_count;
  lists->checked_ = std::make_unique<std::atomic<uint8_t>[]>(chunks);
  return std::shared_ptr<const InvertedLists>(std::move(lists));
}

// Two threads may both compute the same sum; they store the same answer.
bool InvertedLists::CheckChunk(uint64_t chunk) const {
  if (checked_[chunk].load(std::memory_order_acquire) == kDamaged) return false;
  const uint64_t from = view_.header.data_offset + chunk * kIndexChunkBytes;
  const bool whole =
      format::Hash64(bytes_.substr(from, kIndexChunkBytes)) == view_.chunk_sums[chunk];
  checked_[chunk].store(whole ? kWhole : kDamaged, std::memory_order_release);
  if (!whole) damaged_.store(true, std::memory_order_relaxed);
  return whole;
}

Status InvertedLists::CheckAll() const {
  for (uint64_t chunk = 0; chunk < view_.header.chunk_count; ++chunk) {
    if (CheckChunk(chunk)) continue;
    const uint64_t from = view_.header.data_offset + chunk * kIndexChunkBytes;
    return Status::Corruption(
        "'" + file_ + "': checksum mismatch in bytes " + std::to_string(from) + " to " +
        std::to_string(std::min<uint64_t>(from + kIndexChunkBytes, bytes_.size()) - 1) +
        "; searches go without these codes; the index can be built again from its rows");
  }
  return Status::Ok();
}

InvertedListsWriter::InvertedListsWriter(const Codebook& codebook, uint64_t segment_id,
                                         uint64_t rows, std::vector<uint32_t> row_begin,
                                         ByteSink sink)
    : codebook_(codebook),
      row_begin_(std::move(row_begin)),
      radius_(codebook.list_count()),
      sink_(std::move(sink)) {
  header_.segment_id = segment_id;
  header_.epoch_id = codebook.header().epoch_id;
  header_.rows = rows;
  header_.padded_dimension = codebook.padded();
  header_.list_count = codebook.list_count();
  format::LayOutListFile(&header_);
  chunk_sums_.resize(header_.chunk_count);
  coarse_.offset = header_.data_offset;
  fine_.offset = header_.fine_offset;
}

Status InvertedListsWriter::CheckArguments() const {
  if (header_.rows > UINT32_MAX || row_begin_.size() != size_t{header_.list_count} + 1 ||
      row_begin_.front() != 0 || !std::is_sorted(row_begin_.begin(), row_begin_.end()) ||
      row_begin_.back() > header_.rows) {
    return Status::InvalidArgument("index of segment " + std::to_string(header_.segment_id) +
                                   ": the lists do not ascend within its rows");
  }
  return Status::Ok();
}

Status InvertedListsWriter::CheckRoom(size_t count) const {
  VDB_RETURN_IF_ERROR(CheckArguments());
  if (count <= row_begin_.back() - next_row_) return Status::Ok();
  return Status::InvalidArgument("index of segment " + std::to_string(header_.segment_id) +
                                 ": more rows than its lists have");
}

Status InvertedListsWriter::Add(const float* y, const double* lengths, size_t count,
                                uint32_t thread_count) {
  VDB_RETURN_IF_ERROR(CheckRoom(count));
  while (count > 0) {
    const size_t some = std::min(count, kRowsAtOnce);
    VDB_RETURN_IF_ERROR(AddSome(y, lengths, some, thread_count));
    y += some * header_.padded_dimension;
    lengths += some;
    count -= some;
  }
  return Status::Ok();
}

// Pending coarse bytes end with the block of the last row, which may get more rows.
size_t InvertedListsWriter::Extend(size_t count) {
  const size_t block_bytes = format::BlockBytes(header_.padded_dimension);
  const uint64_t blocks = (next_row_ + count + kBlockRows - 1) / kBlockRows;
  coarse_.pending.resize(blocks * block_bytes - (coarse_.offset - header_.data_offset));
  const size_t fine_begin = fine_.pending.size();
  fine_.pending.resize(fine_begin + count * format::FineRowBytes(header_.padded_dimension));
  return fine_begin;
}

// Written bytes end anywhere, but only in whole blocks, which get no more rows.
Status InvertedListsWriter::Advance(size_t count) {
  next_row_ += count;
  const uint64_t written = coarse_.offset - header_.data_offset;
  const size_t block_bytes = format::BlockBytes(header_.padded_dimension);
  VDB_RETURN_IF_ERROR(Flush(&coarse_, next_row_ / kBlockRows * block_bytes - written, false));
  return Flush(&fine_, fine_.pending.size(), false);
}

Status InvertedListsWriter::AddSome(const float* y, const double* lengths, size_t count,
                                    uint32_t thread_count) {
  const uint32_t padded = header_.padded_dimension;
  const size_t block_bytes = format::BlockBytes(padded), fine_bytes = format::FineRowBytes(padded);
  const Metric metric = codebook_.metric();
  const auto lists = ListsOf(row_begin_, next_row_, count, &next_list_);
  const uint64_t written = coarse_.offset - header_.data_offset;
  const size_t fine_begin = Extend(count);
  std::vector<EncodedRow> rows(count);
  ForBlocks(thread_count, (count + kBlockRows - 1) / kBlockRows, [&](size_t part) {
    for (size_t i = part * kBlockRows; i < std::min((part + 1) * kBlockRows, count); ++i) {
      const uint64_t row = next_row_ + i;
      const float* centroid = codebook_.centroid(lists[i]);
      EncodeCoarse(metric, padded, y + i * padded, centroid, codebook_.mean(),
                   Bytes(&coarse_.pending) + row / kBlockRows * block_bytes - written,
                   static_cast<uint32_t>(row % kBlockRows));
      rows[i] = EncodeFine(metric, padded, y + i * padded, centroid, codebook_.mean(),
                           codebook_.RoundingBound(lengths[i]),
                           Bytes(&fine_.pending) + fine_begin + i * fine_bytes);
    }
  });
  for (size_t i = 0; i < count; ++i) {
    radius_[lists[i]] = std::max(radius_[lists[i]], rows[i].reconstructed);
    header_.base_max = std::max(header_.base_max, std::abs(double{rows[i].base}));
    header_.residual_sum += rows[i].residual;
  }
  return Advance(count);
}

Status InvertedListsWriter::AddCoded(const uint8_t* coarse, const uint8_t* fine, size_t count) {
  VDB_RETURN_IF_ERROR(CheckRoom(count));
  if (count == 0) return Status::Ok();
  const uint32_t padded = header_.padded_dimension;
  const size_t block_bytes = format::BlockBytes(padded), fine_bytes = format::FineRowBytes(padded);
  const uint64_t written = coarse_.offset - header_.data_offset;
  const size_t fine_begin = Extend(count);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t row = next_row_ + i;
    PlaceCoarse(padded, coarse + i * CoarseRowBytes(padded),
                Bytes(&coarse_.pending) + row / kBlockRows * block_bytes - written,
                static_cast<uint32_t>(row % kBlockRows));
    header_.base_max =
        std::max(header_.base_max, std::abs(double{FineBase(fine + i * fine_bytes)}));
  }
  std::copy_n(fine, count * fine_bytes, Bytes(&fine_.pending) + fine_begin);
  return Advance(count);
}

void InvertedListsWriter::CoverList(uint32_t list, float radius) {
  radius_[list] = std::max(radius_[list], radius);
}

Status InvertedListsWriter::Flush(Plane* plane, size_t ready, bool last) {
  const size_t size = last ? ready : ready / kIndexChunkBytes * kIndexChunkBytes;
  if (size == 0) return Status::Ok();
  const std::span<const std::byte> bytes(plane->pending.data(), size);
  for (size_t at = 0; at < size; at += kIndexChunkBytes) {
    const auto chunk = bytes.subspan(at, std::min<size_t>(kIndexChunkBytes, size - at));
    chunk_sums_[(plane->offset + at - header_.data_offset) / kIndexChunkBytes] =
        format::Hash64(chunk.data(), chunk.size());
  }
  VDB_RETURN_IF_ERROR(sink_(plane->offset, bytes));
  plane->offset += size;
  plane->pending.erase(plane->pending.begin(),
                       plane->pending.begin() + static_cast<ptrdiff_t>(size));
  return Status::Ok();
}

Status InvertedListsWriter::Pad(Plane* plane, uint64_t past) {
  VDB_RETURN_IF_ERROR(Flush(plane, plane->pending.size(), false));
  while (plane->offset < past) {
    const uint64_t size = std::min<uint64_t>(kIndexChunkBytes, past - plane->offset);
    plane->pending.resize(size);
    VDB_RETURN_IF_ERROR(Flush(plane, size, true));
  }
  return Status::Ok();
}

Status InvertedListsWriter::Finish(uint64_t* checksum) {
  VDB_RETURN_IF_ERROR(CheckArguments());
  if (next_row_ != row_begin_.back()) {
    return Status::InvalidArgument("index of segment " + std::to_string(header_.segment_id) +
                                   ": rows are missing");
  }
  VDB_RETURN_IF_ERROR(Pad(&coarse_, header_.fine_offset));
  VDB_RETURN_IF_ERROR(Pad(&fine_, header_.file_bytes));
  const std::string directory =
      format::EncodeListDirectory(header_, row_begin_, radius_, chunk_sums_, checksum);
  return sink_(0, std::as_bytes(std::span(directory)));
}

}  // namespace vdb::index
