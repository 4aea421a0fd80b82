// What getdents64 gives: the kernel's linux_dirent64, which libc's headers leave out.

#ifndef STRATAFS_DIRENT64_H_
#define STRATAFS_DIRENT64_H_

#include <cstddef>
#include <cstdint>

namespace stratafs {

struct Dirent64 {
  uint64_t ino;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[1];
};
static_assert(offsetof(Dirent64, type) == 18, "linux_dirent64.d_type");
static_assert(offsetof(Dirent64, name) == 19, "linux_dirent64.d_name");

inline bool IsDots(const char* name) {
  return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

}  // namespace stratafs

#endif  // STRATAFS_DIRENT64_H_
