// For how long the kernel may trust an answer, as the wire has it.

#ifndef STRATAFS_VALIDITY_H_
#define STRATAFS_VALIDITY_H_

#include <cstdint>

namespace stratafs {

struct Validity {
  uint64_t seconds;
  uint32_t nanoseconds;

  // `valid`: seconds, from 68 years on without end.
  explicit Validity(double valid) {
    constexpr uint64_t kForever = 0x7fffffff;
    const bool ends = valid < static_cast<double>(kForever);
    seconds = ends ? static_cast<uint64_t>(valid) : kForever;
    nanoseconds = ends ? static_cast<uint32_t>((valid - static_cast<double>(seconds)) * 1e9) : 0;
  }
};

}  // namespace stratafs

#endif  // STRATAFS_VALIDITY_H_
