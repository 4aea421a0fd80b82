// One look at the filter. What may be there is JavaScript's. JavaScript thread only.

#include "negatives.h"

#include "validity.h"

namespace stratafs {

bool Negatives::Serve(const fuse::InHeader& header, const HashedName& name) {
  if (known_.slots == 0) return false;
  const double* directory = known_.directories + 2 * (header.nodeid % known_.slots);
  if (directory[0] != static_cast<double>(header.nodeid) || MayHave(directory[1], name)) return false;
  const Validity valid(valid_);
  fuse::EntryOut out = {};
  out.entry_valid = valid.seconds;
  out.entry_valid_nsec = valid.nanoseconds;
  counters_->missed++;
  answers_->Reply(header.unique, &out, sizeof out);
  return true;
}

// Negatives of lib/union/negatives.ts finds the bit in the same way.
bool Negatives::MayHave(double salt, const HashedName& name) const {
  const uint32_t salted = static_cast<uint32_t>(name.hash) ^ (static_cast<uint32_t>(salt) * 0x9e3779b1u);
  const uint32_t bit = (salted * 0x85ebca6bu) >> (32 - known_.filter_log);
  return (known_.filter[bit >> 5] >> (bit & 31) & 1) != 0;
}

}  // namespace stratafs
