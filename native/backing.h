// Passthrough registration. Owns no id: who opened one closes it.

#ifndef STRATAFS_BACKING_H_
#define STRATAFS_BACKING_H_

#include <cstdint>

#include "answers.h"

namespace stratafs {

// A backing id > 0, or -errno.
int BackingOpen(int device, int fd, Counters* counters);
// 0 or -errno.
int BackingClose(int device, uint32_t id, Counters* counters);

}  // namespace stratafs

#endif  // STRATAFS_BACKING_H_
