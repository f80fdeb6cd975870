// A small valid epoch file (.vdbe): what layout tests and fuzz seeds damage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/index_layout.h"

namespace vdb::testing {

inline format::EpochHeader SomeEpochHeader() {
  format::EpochHeader header;
  header.epoch_id = 3;
  header.column_id = 1;
  header.dimension = 10;
  header.padded_dimension = 64;
  header.metric = 1;
  header.rotation_algorithm = format::kRotationHadamard;
  header.list_count = 3;
  header.rotation_seed = 99;
  header.scale = 0.25;
  header.trained_rows = 1000;
  header.sample_rows = 192;
  header.mean_residual = 0.5;
  header.imbalance = 1.25;
  return header;
}

struct SomeEpoch {
  format::EpochHeader header = SomeEpochHeader();
  std::vector<float> mean = std::vector<float>(64, 0.5f);
  std::vector<float> centroids = std::vector<float>(3 * 64, -2.0f);
  std::vector<float> rho = {1, 2, 3};
  std::vector<uint8_t> blocks = std::vector<uint8_t>(format::BlockBytes(64), 7);
  std::string Bytes() const {
    return format::EncodeEpoch({header, mean, centroids, rho, blocks});
  }
};

}  // namespace vdb::testing
