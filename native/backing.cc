// Passthrough registration: the two ioctls that name a descriptor to the kernel as a backing file.
// Refuses to know which file deserves one.

#include "backing.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "fuse_abi.h"

namespace stratafs {

int BackingOpen(int device, int fd, Counters* counters) {
  fuse::BackingMap map = {fd, 0, 0};
  int id = ioctl(device, fuse::kIocBackingOpen, &map);
  if (id < 0) return -errno;
  counters->backings++;
  return id;
}

int BackingClose(int device, uint32_t id, Counters* counters) {
  counters->backings--;
  return ioctl(device, fuse::kIocBackingClose, &id) < 0 ? -errno : 0;
}

}  // namespace stratafs
