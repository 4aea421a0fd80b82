// Copies of file data, shared by the calls on the JavaScript thread and by the jobs.
// Declarations only; knows descriptors and sizes.

#ifndef STRATAFS_COPY_H_
#define STRATAFS_COPY_H_

#include <cstdint>

namespace stratafs {

// `to` is fresh (no data where `from` has holes). `cancel`, when given, is read between chunks. `write_back` has the disk
// begin while the copying goes on, for a caller that will wait for it. `solid`: `from` has no holes to look for.
struct CopyPlan {
  int from;
  int to;
  int64_t size;
  const int32_t* cancel;
  bool write_back;
  bool solid = false;
};

// 0 or -errno; -EINTR when cancelled.
int64_t CopyData(const CopyPlan& plan);

// copy_file_range(2): bytes copied (may be short), or -errno.
int64_t CopyRange(int from, int64_t from_offset, int to, int64_t to_offset, int64_t length);

}  // namespace stratafs

#endif  // STRATAFS_COPY_H_
