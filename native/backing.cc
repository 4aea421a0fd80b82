// Passthrough registration: the two ioctls that name a descriptor to the kernel as a backing file.
// Owns no id: who opened one closes it. Refuses to know which file deserves one.

#include <errno.h>
#include <sys/ioctl.h>

#include "channel.h"
#include "fuse_abi.h"

namespace stratafs {

int BackingOpen(int device, int fd) {
  fuse::BackingMap map = {fd, 0, 0};
  int id = ioctl(device, fuse::kIocBackingOpen, &map);
  return id < 0 ? -errno : id;
}

int BackingClose(int device, uint32_t id) {
  return ioctl(device, fuse::kIocBackingClose, &id) < 0 ? -errno : 0;
}

}  // namespace stratafs
