// See verify_indexes.h.
#include "engine/verify_indexes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "format/status_macros.h"
#include "index/kernels/kernels.h"

namespace vdb::engine {
namespace {

constexpr uint64_t kSampleRows = 2000;  // of each segment, beside the ends of its lists
constexpr uint32_t kSampleLists = 1000;

// Evenly spread rows, and the first and last ones of lists: where a moved boundary shows.
std::set<uint64_t> SampleOf(const index::InvertedLists& lists) {
  std::set<uint64_t> rows;
  const uint64_t coded = lists.loose_begin();
  const uint64_t step = std::max<uint64_t>(1, coded / kSampleRows);
  for (uint64_t row = 0; row < coded; row += step) rows.insert(row);
  const uint32_t count = lists.header().list_count;
  for (uint32_t list = 0; list < count; list += std::max<uint32_t>(1, count / kSampleLists)) {
    if (lists.row_begin(list) == lists.row_end(list)) continue;
    rows.insert(lists.row_begin(list));
    rows.insert(lists.row_end(list) - 1);
  }
  return rows;
}

// Encodes rows as a build does, and compares with what is stored.
class CodeChecker {
 public:
  CodeChecker(const index::Codebook& codebook, const index::Kernels& kernels,
              const index::InvertedLists& lists, const storage::Segment& segment)
      : codebook_(codebook), kernels_(kernels), lists_(lists), segment_(segment),
        padded_(codebook.padded()), source_(segment.identity().dimension), coded_(padded_),
        scratch_(padded_), block_(lists.block_bytes()), fine_(lists.fine_bytes()) {}

  /// Empty, or what is wrong with the codes of a row.
  std::string Check(uint64_t row, uint32_t list) {
    if (!SourceVector(row) ||
        !codebook_.ToCoded(kernels_, source_.data(), coded_.data(), scratch_.data())) {
      return "it has codes, but cannot be coded";
    }
    const double length =
        std::sqrt(kernels_.sum_squares(source_.data(), segment_.identity().dimension));
    const auto slot = static_cast<uint32_t>(row % format::kBlockRows);
    std::fill(block_.begin(), block_.end(), uint8_t{0});
    index::EncodeCoarse(codebook_.metric(), padded_, coded_.data(), codebook_.centroid(list),
                        codebook_.mean(), block_.data(), slot);
    const index::EncodedRow encoded = index::EncodeFine(
        codebook_.metric(), padded_, coded_.data(), codebook_.centroid(list), codebook_.mean(),
        codebook_.RoundingBound(length), fine_.data());
    const uint64_t block = row / format::kBlockRows;
    const uint8_t* stored = lists_.Blocks(block, block + 1);
    if (stored == nullptr) return "";  // a damaged chunk is reported as such
    if (!SameSlot(stored, slot)) return "its coarse code is not that of its row";
    if (lists_.has_fine_codes()) {
      const uint8_t* fine = lists_.FineRows(row, row + 1);
      if (fine != nullptr && std::memcmp(fine, fine_.data(), fine_.size()) != 0) {
        return "its fine code is not that of its row";
      }
    }
    if (encoded.reconstructed > lists_.radius(list)) {
      return "it lies further from its centroid than the radius of list " + std::to_string(list);
    }
    return "";
  }

 private:
  bool SourceVector(uint64_t row) {
    const uint32_t dimension = segment_.identity().dimension;
    const float* unit = segment_.rows() + row * dimension;
    const double norm =
        codebook_.metric() == Metric::kCosine ? 1.0 : segment_.records()[row].norm;
    for (uint32_t i = 0; i < dimension; ++i) {
      source_[i] = static_cast<float>(norm * static_cast<double>(unit[i]));
    }
    return kernels_.find_not_finite(source_.data(), dimension) == dimension;
  }

  // A block: 64 bytes per 8 dimensions, a byte a row; then bases and factors, two bytes a row.
  bool SameSlot(const uint8_t* stored, uint32_t slot) const {
    for (uint32_t g = 0; g < padded_ / 8; ++g) {
      if (stored[64 * g + slot] != block_[64 * g + slot]) return false;
    }
    const size_t base = size_t{8} * padded_ + 2 * slot, factor = base + 128;
    return std::memcmp(stored + base, block_.data() + base, 2) == 0 &&
           std::memcmp(stored + factor, block_.data() + factor, 2) == 0;
  }

  const index::Codebook& codebook_;
  const index::Kernels& kernels_;
  const index::InvertedLists& lists_;
  const storage::Segment& segment_;
  const uint32_t padded_;
  std::vector<float> source_, coded_, scratch_;
  std::vector<uint8_t> block_, fine_;
};

Status VerifyCodes(VerifyRun* run, const std::string& file, const index::Codebook& codebook,
                   const index::InvertedLists& lists, const SegmentView& segment) {
  VDB_ASSIGN_OR_RETURN(const index::Kernels* kernels, index::ActiveKernels());
  CodeChecker checker(codebook, *kernels, lists, *segment.segment);
  for (const uint64_t row : SampleOf(lists)) {
    const uint32_t* begins = lists.row_begins();
    const uint32_t* past = std::upper_bound(begins, begins + lists.header().list_count + 1, row);
    const auto list = static_cast<uint32_t>(past - begins - 1);
    const std::string fault = checker.Check(row, list);
    if (!fault.empty()) run->Problem(file, "row " + std::to_string(row), fault);
    if (++run->report().codes_checked % 256 == 0) {
      VDB_RETURN_IF_ERROR(run->Tick("verify codes", run->report().codes_checked, 0));
    }
  }
  return Status::Ok();
}

// Also a file that never was there is named as the manifest names it.
std::string Below(const std::string& root, const std::string& path) {
  return path.substr(root.size() + 1);
}

}  // namespace

Status VerifyIndex(VerifyRun* run, const format::SegmentEntry& entry,
                   const index::Codebook& codebook, const IndexFile& file,
                   const SegmentView& segment) {
  const std::string name = Below(run->root(), file.path());
  run->report().files_checked += 1;
  const auto lists = file.Get();
  Status status = lists.status();
  if (lists.ok() && run->Does(VerifyLevel::kChecksums)) status = (*lists)->CheckAll();
  if (!status.ok()) {
    run->Problem(name, "index", status.message());
    return Status::Ok();
  }
  run->report().bytes_checked += entry.index_bytes;
  if (!run->Does(VerifyLevel::kFull)) return Status::Ok();
  return VerifyCodes(run, name, codebook, **lists, segment);
}

Status VerifyIndexes(VerifyRun* run, const View& view) {
  const std::string epochs = run->PathOf(format::kEpochsDir);
  const std::string segments = run->PathOf(format::kSegmentsDir);
  const format::Manifest& manifest = *view.manifest;
  for (const format::EpochEntry& entry : manifest.epochs) {
    const format::ColumnEntry& column = *manifest.FindColumn(entry.column_id);
    const EpochFile epoch(run->fs(), epochs, entry, column);
    const auto codebook = epoch.Get();
    run->report().files_checked += 1;
    if (codebook.ok()) {
      run->report().bytes_checked += entry.file_bytes;
    } else {
      run->Problem(Below(run->root(), epoch.path()), "index", codebook.status().message());
    }
    for (const format::SegmentEntry& segment : manifest.segments) {
      if (segment.epoch_id != entry.id) continue;
      const IndexFile file(run->fs(), segments, segment, column.dimension, entry.list_count);
      if (!codebook.ok()) continue;  // without centroids codes mean nothing
      for (const SegmentView& one : view.columns.at(entry.column_id)->segments) {
        if (one.segment->id() != segment.id) continue;
        VDB_RETURN_IF_ERROR(VerifyIndex(run, segment, **codebook, file, one));
      }
    }
  }
  return Status::Ok();
}

}  // namespace vdb::engine
