// Keys of a JSON cache that come more than once.
#include <algorithm>
#include <tuple>

#include "format/legacy_json_outline.h"
#include "format/status_macros.h"

namespace vdb::format {
namespace {

struct Key {
  uint64_t hash;
  uint32_t part;
  uint64_t place;
};

class Dropper {
 public:
  Dropper(const ByteSource& source, std::vector<JsonPlace>* places)
      : source_(source), places_(*places), keep_(places->size(), true) {}

  StatusOr<JsonDuplicates> Run();

 private:
  // The places of one hash and part, ascending; more than one.
  Status Group(std::vector<uint64_t> group);
  void Settle(const std::vector<uint64_t>& same);
  Status ReadKey(uint64_t place, std::string* key, bool* number) const;

  const ByteSource& source_;
  std::vector<JsonPlace>& places_;
  std::vector<bool> keep_;
  JsonDuplicates done_;
};

Status Dropper::ReadKey(uint64_t place, std::string* key, bool* number) const {
  const JsonPlace& p = places_[place];
  std::string text(p.key_bytes, '\0');
  VDB_RETURN_IF_ERROR(source_.ReadAt(p.key_offset, {text.data(), text.size()}));
  *number = text[0] != '"';
  if (!DecodeJsonKey(text, key)) *key = text;
  return Status::Ok();
}

// Of entries with one key the last one stands.
void Dropper::Settle(const std::vector<uint64_t>& same) {
  uint64_t values = 0;
  for (const uint64_t place : same) {
    values += places_[place].deleted == 0;
    keep_[place] = false;
  }
  const bool deleted = places_[same.back()].deleted != 0;
  keep_[same.back()] = !deleted;
  done_.deleted += deleted;
  if (values > 0) done_.replaced += values - 1;
}

Status Dropper::Group(std::vector<uint64_t> group) {
  // Nearly always all have the key of the first; what has not is looked at again.
  std::string standing_text;  // of those that were settled last
  uint64_t standing = 0;
  bool standing_number = false, any = false;
  while (!group.empty()) {
    std::string first_key, key;
    bool first_number = false, number = false;
    std::vector<uint64_t> same, rest;
    VDB_RETURN_IF_ERROR(ReadKey(group[0], &first_key, &first_number));
    for (const uint64_t place : group) {
      VDB_RETURN_IF_ERROR(ReadKey(place, &key, &number));
      (key == first_key && number == first_number ? same : rest).push_back(place);
    }
    Settle(same);
    if (!keep_[same.back()]) {
      group = std::move(rest);
      continue;
    }
    if (any && standing_text == first_key) {  // a number and a string: the string stays
      done_.renamed.push_back(standing_number ? standing : same.back());
    }
    any = true;
    standing = same.back();
    standing_number = first_number;
    standing_text = first_key;
    group = std::move(rest);
  }
  return Status::Ok();
}

StatusOr<JsonDuplicates> Dropper::Run() {
  std::vector<Key> keys;
  keys.reserve(places_.size());
  for (uint64_t i = 0; i < places_.size(); ++i) {
    const JsonPlace& place = places_[i];
    if (place.key_bytes == 0 || place.key_bytes == JsonPlace::kTooLong) continue;
    keys.push_back({place.key_hash, place.part, i});
  }
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    return std::tie(a.hash, a.part, a.place) < std::tie(b.hash, b.part, b.place);
  });
  for (size_t from = 0; from < keys.size();) {
    size_t to = from + 1;
    while (to < keys.size() && keys[to].hash == keys[from].hash &&
           keys[to].part == keys[from].part) {
      ++to;
    }
    if (to - from > 1) {
      std::vector<uint64_t> group;
      for (size_t i = from; i < to; ++i) group.push_back(keys[i].place);
      VDB_RETURN_IF_ERROR(Group(std::move(group)));
    } else if (places_[keys[from].place].deleted != 0) {
      Settle({keys[from].place});
    }
    from = to;
  }
  std::sort(done_.renamed.begin(), done_.renamed.end());
  // Close the gaps; `renamed` follows.
  uint64_t kept = 0;
  size_t next = 0;
  for (uint64_t i = 0; i < places_.size(); ++i) {
    if (next < done_.renamed.size() && done_.renamed[next] == i) done_.renamed[next++] = kept;
    if (keep_[i]) places_[kept++] = places_[i];
  }
  places_.resize(kept);
  places_.shrink_to_fit();
  return std::move(done_);
}

}  // namespace

StatusOr<JsonDuplicates> DropReplaced(const ByteSource& source, std::vector<JsonPlace>* places) {
  return Dropper(source, places).Run();
}

}  // namespace vdb::format
