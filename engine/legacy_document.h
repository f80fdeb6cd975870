// What a migration makes of one entry's vector, and the hash by which a migration proves itself.
//
// Vectors come in double; the length is taken in double, whatever their magnitude, and the unit
// vector is rounded to float once. A second path (extended precision, no scaling, another order of
// additions) checks every component.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "format/checksum.h"
#include "vdb/status.h"

namespace vdb::engine {

/// `unit` has values.size() places. Returns the length; 0 for a zero vector, infinity for one that
/// is too long for a double (`unit` is not written then). All values must be finite.
double Normalise(std::span<const double> values, float* unit);

/// The second path: kCorruption names the component that is not what it must be.
Status CheckNormalised(std::span<const double> values, const float* unit, double norm);

/// A sum of hashes modulo 2^128: the same whatever the order, and unlike an exclusive or it notices
/// the same document twice.
struct EntriesHash {
  format::Hash128 sum;
  uint64_t count = 0;

  void Add(const format::Hash128& hash);
  void Add(const EntriesHash& other);
  bool operator==(const EntriesHash&) const = default;
};

/// Hashes one document: Begin with key and canonical metadata, then its vectors in the order of
/// their column's names.
class DocumentHasher {
 public:
  DocumentHasher(std::string_view key, std::string_view metadata);
  void Vector(std::string_view column, std::span<const float> unit, double norm);
  format::Hash128 Finish() const { return hash_.Digest128(); }

 private:
  void Text(std::string_view text);

  format::StreamingHash hash_;
};

}  // namespace vdb::engine
