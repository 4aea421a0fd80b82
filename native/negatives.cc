// One look at the filter. What may be there is JavaScript's. JavaScript thread only.

#include "negatives.h"

namespace stratafs {

// Its nodeid and salt; null: we are not told of it.
const double* Negatives::DirectoryOf(uint64_t nodeid) const {
  if (known_.slots == 0) return nullptr;
  const double* directory = known_.directories + 2 * (nodeid % known_.slots);
  return directory[0] == static_cast<double>(nodeid) ? directory : nullptr;
}

bool Negatives::Lacks(uint64_t nodeid, const HashedName& name) const {
  const double* directory = DirectoryOf(nodeid);
  if (directory == nullptr) return false;
  const uint32_t bit = BitOf(directory[1], name);
  return (known_.filter[bit >> 5] >> (bit & 31) & 1) == 0;
}

bool Negatives::IsVacant(uint64_t nodeid, const HashedName& name) const {
  if (Lacks(nodeid, name)) return true;
  const double* vacant = known_.vacant;
  return vacant != nullptr && vacant[0] == static_cast<double>(nodeid) && vacant[1] == static_cast<double>(name.hash);
}

void Negatives::Note(uint64_t nodeid, const HashedName& name) {
  known_.vacant[0] = 0;
  const double* directory = DirectoryOf(nodeid);
  if (directory == nullptr) return;
  const uint32_t bit = BitOf(directory[1], name);
  known_.filter[bit >> 5] |= 1u << (bit & 31);
}

bool Negatives::Serve(const fuse::InHeader& header, const HashedName& name) {
  if (!Lacks(header.nodeid, name)) return false;
  answers_->ReplyAbsent(header.unique, valid_);
  return true;
}

// Negatives of lib/union/negatives.ts finds the bit in the same way.
uint32_t Negatives::BitOf(double salt, const HashedName& name) const {
  const uint32_t salted = static_cast<uint32_t>(name.hash) ^ (static_cast<uint32_t>(salt) * 0x9e3779b1u);
  return (salted * 0x85ebca6bu) >> (32 - known_.filter_log);
}

}  // namespace stratafs
