// The hash of a name: 51 bits, above 2.

#ifndef STRATAFS_NAME_HASH_H_
#define STRATAFS_NAME_HASH_H_

#include <cstddef>
#include <cstdint>

namespace stratafs {

constexpr size_t kNameMax = 255;

// Spreads what differs in few bits over all 32.
inline uint32_t Mixed(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

// InodeNumbers.cookie of lib/union/inode-numbers.ts, bit by bit.
inline uint64_t HashOf(const char* name, size_t length) {
  uint32_t low = 0x811c9dc5u;
  uint32_t high = static_cast<uint32_t>(length);
  for (size_t at = 0; at < length; at++) {
    uint32_t byte = static_cast<uint8_t>(name[at]);
    low = (low ^ byte) * 0x01000193u;
    high = ((high ^ byte) * 0x2c1b3c6du) ^ (low >> 15);
  }
  return (uint64_t{Mixed(high) & 0x7ffffu} << 32) + Mixed(low ^ high) + 3;
}

// A name that is looked for in several places.
struct HashedName {
  const char* bytes;
  size_t length;
  uint64_t hash;

  HashedName(const char* name, size_t size) : bytes(name), length(size), hash(HashOf(name, size)) {}
};

}  // namespace stratafs

#endif  // STRATAFS_NAME_HASH_H_
