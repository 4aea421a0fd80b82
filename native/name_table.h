// Names as rows of flat arrays in one buffer, in the order of their hashes, as lib/union/packed-names.ts has them too.

#ifndef STRATAFS_NAME_TABLE_H_
#define STRATAFS_NAME_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fuse_abi.h"
#include "name_hash.h"

namespace stratafs {

// A kind from here on: the row is left to the caller. 0: the name was removed.
constexpr uint8_t kTaken = 0x80;

// The arrays of a table of `count` rows; the bytes of the names come last.
struct NameTable {
  double* keys;
  uint32_t* inos;
  uint32_t* ends;
  uint16_t* sources;
  uint8_t* kinds;
  uint8_t* bytes;

  static constexpr size_t kRowBytes = 8 + 8 + 4 + 2 + 1;

  NameTable(void* at, size_t count) {
    keys = static_cast<double*>(at);
    inos = reinterpret_cast<uint32_t*>(keys + count);
    ends = inos + 2 * count;
    sources = reinterpret_cast<uint16_t*>(ends + count);
    kinds = reinterpret_cast<uint8_t*>(sources + count);
    bytes = kinds + count;
  }

  uint32_t StartOf(size_t row) const { return row == 0 ? 0 : ends[row - 1]; }
  uint32_t LengthOf(size_t row) const { return ends[row] - StartOf(row); }
  const uint8_t* NameOf(size_t row) const { return bytes + StartOf(row); }
  uint64_t InoOf(size_t row) const { return inos[2 * row] | uint64_t{inos[2 * row + 1]} << 32; }

  // Of `count` rows the one with this name, removed or not; `count` where there is none.
  size_t Find(const HashedName& name, size_t count) const {
    double key = static_cast<double>(name.hash);
    size_t row = static_cast<size_t>(std::lower_bound(keys, keys + count, key) - keys);
    // Names of one hash, and those that they moved on, follow each other without a gap.
    for (; row < count && keys[row] == key; row++, key++) {
      if (LengthOf(row) == name.length && memcmp(NameOf(row), name.bytes, name.length) == 0) return row;
    }
    return count;
  }

  // What the record of a row takes in a listing, behind `before` bytes.
  size_t SizeOf(size_t row, size_t before) const {
    return (before + sizeof(fuse::Dirent) + LengthOf(row) + 7) & ~size_t{7};
  }

  // Writes all of it but those first bytes.
  void Put(size_t row, uint8_t* record, size_t before) const {
    const uint32_t length = LengthOf(row);
    const size_t end = before + sizeof(fuse::Dirent) + length;
    const fuse::Dirent head = {InoOf(row), static_cast<uint64_t>(keys[row]), length, kinds[row]};
    memcpy(record + before, &head, sizeof head);
    memcpy(record + before + sizeof head, NameOf(row), length);
    memset(record + end, 0, SizeOf(row, before) - end);
  }
};

// Cells of a listing, the same as PUT in lib/sys/name-tables.ts.
struct PutCells {
  uint32_t at, room, from, to, stops, before;

  void Passed(size_t size) {
    at += static_cast<uint32_t>(size);
    room -= static_cast<uint32_t>(size);
  }
};

}  // namespace stratafs

#endif  // STRATAFS_NAME_TABLE_H_
