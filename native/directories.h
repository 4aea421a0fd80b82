// Directories of one name below several parents, read in one call (directories.cc).

#ifndef STRATAFS_DIRECTORIES_H_
#define STRATAFS_DIRECTORIES_H_

#include <cstddef>
#include <cstdint>

#include "node_api_util.h"

namespace stratafs {

// Words of one directory, the same as READ in lib/sys/compound.ts.
enum ReadWord { kReadFd, kReadTo, kReadCount, kReadWords };

// What makes a directory one that is not plain: a file of this name, or an xattr with this in its name.
struct Marks {
  const char* file;
  const char* part;
};

// Opens a directory below another one; reading it leaves its access time, where its owner lets us. -1 and errno.
int OpenQuietly(int parent, const char* name);

// How many directories `name` below the first of `parents` are plain. Their records are put into `into` from `end` on, one behind
// the other; `out` has three words for each. Descriptors are the caller's, also that of the first that is not plain.
uint32_t ReadPlain(const int32_t* parents, uint32_t count, const char* name, const Marks& marks, const Bytes& into, size_t end,
                   int32_t* out);

}  // namespace stratafs

#endif  // STRATAFS_DIRECTORIES_H_
