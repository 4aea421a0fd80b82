// One sort by hash and name; what has one name stands side by side then.

#include "name_merge.h"

#include <dirent.h>

#include <algorithm>
#include <cstring>

#include "dirent64.h"

namespace stratafs {
namespace {

bool SameName(const NameMerge::Name& a, const NameMerge::Name& b) { return a.hash == b.hash && strcmp(a.name, b.name) == 0; }

}  // namespace

void NameMerge::Add(const uint8_t* records, size_t bytes, uint16_t source, const Apart& apart) {
  for (size_t at = 0; at < bytes;) {
    const Dirent64* entry = reinterpret_cast<const Dirent64*>(records + at);
    at += entry->length;
    if (IsDots(entry->name)) continue;
    const size_t length = strlen(entry->name);
    const bool is_apart = (apart.types >> (entry->type & 31) & 1) != 0 || length > kNameMax ||
                          strncmp(entry->name, apart.prefix, apart.prefix_length) == 0;
    names_.push_back({HashOf(entry->name, length), entry->ino, entry->name, static_cast<uint32_t>(length), source,
                      entry->type, is_apart, false});
  }
}

void NameMerge::Settle() {
  order_.resize(names_.size());
  for (size_t at = 0; at < order_.size(); at++) order_[at] = static_cast<uint32_t>(at);
  const Name* name = names_.data();
  std::sort(order_.begin(), order_.end(), [name](uint32_t a, uint32_t b) {
    if (name[a].hash != name[b].hash) return name[a].hash < name[b].hash;
    const int names = strcmp(name[a].name, name[b].name);
    return names != 0 ? names < 0 : a < b;
  });
  size_t from = 0;
  for (size_t at = 1; at <= order_.size(); at++) {
    if (at < order_.size() && SameName(names_[order_[from]], names_[order_[at]])) continue;
    SettleOne(from, at);
    from = at;
  }
}

// `from`..`to` in order_ have one name.
void NameMerge::SettleOne(size_t from, size_t to) {
  bool apart = false;
  for (size_t at = from; at < to; at++) apart |= names_[order_[at]].apart;
  for (size_t at = from; at < to; at++) {
    Name& name = names_[order_[at]];
    name.apart = apart;
    name.hidden = !apart && at > from;
    apart_ += name.apart, hidden_ += name.hidden;
    if (!name.apart && !name.hidden) text_bytes_ += name.length;
  }
}

void NameMerge::Write(void* into, std::vector<uint32_t>* more) const {
  NameTable table(into, count());
  size_t at = 0;
  uint32_t end = 0;
  uint64_t last = 0;
  bool merges = false;
  for (uint32_t position : order_) {
    const Name& name = names_[position];
    if (name.apart) continue;
    // What is no directory hides those deeper.
    merges = name.type == DT_DIR && (merges || !name.hidden);
    if (name.hidden && merges) more->insert(more->end(), {static_cast<uint32_t>(at - 1), name.source});
    if (name.hidden) continue;
    // Two names of one hash: the second takes the next free number.
    last = std::max(name.hash, last + 1);
    table.keys[at] = static_cast<double>(last);
    table.inos[2 * at] = static_cast<uint32_t>(name.ino);
    table.inos[2 * at + 1] = static_cast<uint32_t>(name.ino >> 32);
    memcpy(table.bytes + end, name.name, name.length);
    end += name.length;
    table.ends[at] = end;
    table.sources[at] = name.source;
    table.kinds[at] = name.type;
    at++;
  }
}

}  // namespace stratafs
