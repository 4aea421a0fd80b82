// One look at the filter. What may be there is JavaScript's. JavaScript thread only.

#include "negatives.h"

#include "name_hash.h"
#include "validity.h"

namespace stratafs {
namespace {

constexpr size_t kNameMax = 255;

}  // namespace

bool Negatives::Serve(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  if (known_.slots == 0 || header.total_extlen != 0 || size < 2 || body[size - 1] != 0) return false;
  const double* directory = known_.directories + 2 * (header.nodeid % known_.slots);
  const size_t length = size - 1;
  if (directory[0] != static_cast<double>(header.nodeid) || length > kNameMax) return false;
  if (MayHave(directory[1], reinterpret_cast<const char*>(body), length)) return false;
  const Validity valid(valid_);
  fuse::EntryOut out = {};
  out.entry_valid = valid.seconds;
  out.entry_valid_nsec = valid.nanoseconds;
  counters_->missed++;
  answers_->Reply(header.unique, &out, sizeof out);
  return true;
}

// Negatives of lib/union/negatives.ts finds the bit in the same way.
bool Negatives::MayHave(double salt, const char* name, size_t length) const {
  const uint32_t hash = static_cast<uint32_t>(HashOf(name, length));
  const uint32_t salted = hash ^ (static_cast<uint32_t>(salt) * 0x9e3779b1u);
  const uint32_t bit = (salted * 0x85ebca6bu) >> (32 - known_.filter_log);
  return (known_.filter[bit >> 5] >> (bit & 31) & 1) != 0;
}

}  // namespace stratafs
