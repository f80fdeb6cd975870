// Writes wrong contents into the files of a closed database, with every checksum right all the way
// up to CURRENT: only what the contents say is wrong.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "format/checksum.h"
#include "format/frame.h"
#include "format/index_layout.h"
#include "format/manifest.h"
#include "format/segment_layout.h"
#include "storage/mask_file.h"
#include "tests/engine/damage_fixture.h"
#include "tests/support/aligned_bytes.h"

namespace vdb::testing {

class PlantedFiles {
 public:
  explicit PlantedFiles(std::string path) : path_(std::move(path)) {
    const auto current = format::DecodeCurrent(ReadBytes(path_ + "/CURRENT"));
    EXPECT_TRUE(current.ok());
    const std::string name = format::ManifestName(current->generation);
    const auto decoded = format::DecodeManifest(ReadBytes(path_ + "/" + name), name);
    EXPECT_TRUE(decoded.ok());
    manifest_ = decoded->manifest;
  }
  // Under the same generation, so that no other file has to change.
  ~PlantedFiles() {
    const std::string bytes = format::EncodeManifest(manifest_);
    WriteBytes(path_ + "/" + format::ManifestName(manifest_.generation), bytes);
    WriteBytes(path_ + "/" + format::ManifestTwinName(manifest_.generation), bytes);
    WriteBytes(path_ + "/CURRENT",
               format::EncodeCurrent({manifest_.generation, format::Hash64(bytes)}));
  }

  format::Manifest& manifest() { return manifest_; }

  /// The first sealed segment that `wanted` is true of.
  format::SegmentEntry* Find(const std::function<bool(const format::SegmentEntry&)>& wanted) {
    for (format::SegmentEntry& entry : manifest_.segments) {
      if (entry.sealed && wanted(entry)) return &entry;
    }
    ADD_FAILURE() << "no such segment";
    return nullptr;
  }

  struct Rows {
    uint32_t dimension = 0;
    std::vector<format::RowRecord> records;
    std::vector<float> values;
    std::string keys;
    std::vector<uint32_t> order;
  };
  void EditSegment(format::SegmentEntry* entry, const std::function<void(Rows*)>& edit) {
    const uint32_t dimension = manifest_.FindColumn(entry->column_id)->dimension;
    std::string files[4];
    const auto file = [&](int i) {
      const auto kind = i < 3 ? static_cast<format::SegmentFile>(i) : format::SegmentFile::kOrder;
      return path_ + "/segments/" + format::SegmentFileName(entry->id, kind);
    };
    const int count = entry->sorted_rows < entry->rows ? 4 : 3;
    for (int i = 0; i < count; ++i) files[i] = ReadBytes(file(i));
    Rows rows = {dimension, std::vector<format::RowRecord>(entry->rows),
                 std::vector<float>(entry->rows * dimension), files[2].substr(4096),
                 std::vector<uint32_t>(count == 4 ? entry->rows : 0)};
    std::memcpy(rows.values.data(), files[0].data() + 4096, files[0].size() - 4096);
    std::memcpy(rows.records.data(), files[1].data() + 4096, files[1].size() - 4096);
    if (count == 4) std::memcpy(rows.order.data(), files[3].data() + 64, files[3].size() - 64);
    edit(&rows);
    for (uint64_t i = 0; i < entry->rows; ++i) {
      format::RowRecord& record = rows.records[i];
      record.checksum = format::RowChecksum(
          entry->id, i, record, rows.values.data() + i * dimension, dimension,
          std::string_view(rows.keys).substr(record.key_offset, record.key_bytes));
    }
    std::memcpy(files[0].data() + 4096, rows.values.data(), files[0].size() - 4096);
    std::memcpy(files[1].data() + 4096, rows.records.data(), files[1].size() - 4096);
    files[2].replace(4096, std::string::npos, rows.keys);
    if (count == 4) {
      files[3] = format::EncodeFrame(
          format::kOrderMagic, {reinterpret_cast<const char*>(rows.order.data()),
                                rows.order.size() * sizeof(uint32_t)});
    }
    format::SegmentSums sums;
    sums.segment_id = entry->id;
    for (int i = 0; i < count; ++i) {
      format::FileSums one;
      one.file = i < 3 ? static_cast<format::SegmentFile>(i) : format::SegmentFile::kOrder;
      one.file_bytes = files[i].size();
      for (size_t at = 0; at < files[i].size(); at += format::kSumsBlockBytes) {
        one.blocks.push_back(
            format::Hash64(std::string_view(files[i]).substr(at, format::kSumsBlockBytes)));
      }
      sums.files.push_back(one);
      WriteBytes(file(i), files[i]);
    }
    const std::string bytes = format::EncodeSums(sums);
    entry->sums_checksum = format::Hash64(bytes);
    WriteBytes(path_ + "/segments/" +
                   format::SegmentFileName(entry->id, format::SegmentFile::kSums), bytes);
  }

  struct Index {
    format::ListHeader header;
    std::vector<uint32_t> row_begin;
    std::vector<float> radius;
    std::string data;  // from data_offset on
  };
  void EditIndex(format::SegmentEntry* entry, const std::function<void(Index*)>& edit) {
    const std::string name = path_ + "/segments/" +
                             format::SegmentFileName(entry->id, format::SegmentFile::kIndex);
    const AlignedBytes bytes(ReadBytes(name));
    const auto view = format::DecodeListFile(bytes.view(), entry->index_checksum, name);
    ASSERT_TRUE(view.ok());
    Index index = {view->header,
                   {view->row_begin.begin(), view->row_begin.end()},
                   {view->radius.begin(), view->radius.end()},
                   std::string(bytes.view().substr(view->header.data_offset))};
    edit(&index);
    std::vector<uint64_t> sums;
    for (size_t at = 0; at < index.data.size(); at += format::kIndexChunkBytes) {
      sums.push_back(
          format::Hash64(std::string_view(index.data).substr(at, format::kIndexChunkBytes)));
    }
    const std::string directory = format::EncodeListDirectory(
        index.header, index.row_begin, index.radius, sums, &entry->index_checksum);
    WriteBytes(name, directory + index.data);
  }

  /// Marks more rows as dead.
  void EditMask(format::SegmentEntry* entry, const std::vector<uint64_t>& more_dead) {
    auto& fs = *storage::PosixFileSystem();
    storage::DeleteMask none;
    std::shared_ptr<const storage::DeleteMask> mask;
    if (entry->mask_generation != 0) {
      auto old = storage::MaskFile::Open(
          fs, path_ + "/segments/" + format::MaskFileName(entry->id, entry->mask_generation),
          entry->id, entry->mask_checksum);
      ASSERT_TRUE(old.ok());
      auto with = (*old)->With(more_dead);
      ASSERT_TRUE(with.ok());
      mask = *with;
    } else {
      mask = *none.With(more_dead);
    }
    entry->mask_generation = manifest_.generation;
    const auto bytes =
        storage::MaskFile::Encode(*mask, entry->id, entry->rows, &entry->mask_checksum);
    ASSERT_TRUE(bytes.ok());
    WriteBytes(path_ + "/segments/" + format::MaskFileName(entry->id, entry->mask_generation),
               *bytes);
  }

 private:
  const std::string path_;
  format::Manifest manifest_;
};

}  // namespace vdb::testing
