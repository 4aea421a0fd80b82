// Calls that are exported one by one and are also parts of the compound ones, and the records that they fill.

#ifndef STRATAFS_CALLS_H_
#define STRATAFS_CALLS_H_

#include <cstdint>
#include <ctime>

#include "node_api_util.h"

namespace stratafs {

// Word offsets of one file's attributes; the same table as W in lib/sys/stat.ts.
enum Word {
  kIno = 0,
  kSize = 2,
  kBlocks = 4,
  kAtime = 6,
  kMtime = 8,
  kCtime = 10,
  kBtime = 12,
  kAtimeNsec = 14,
  kMtimeNsec = 15,
  kCtimeNsec = 16,
  kBtimeNsec = 17,
  kMode = 18,
  kNlink = 19,
  kUid = 20,
  kGid = 21,
  kRdev = 22,
  kBlksize = 23,
  kDev = 24,
  kMntId = 26,
  kAttributes = 28,
  kWords = 32,
};

// The `words` of the record that is argument `i`: at least `least` of them.
inline uint32_t* WordsOf(Args* args, size_t i, size_t least, const char* what) {
  Bytes words = args->TypedOf(args->Property(i, "words"), i, napi_uint32_array, what);
  if (words.length < least) args->Wrong(i, what);
  return reinterpret_cast<uint32_t*>(words.data);
}

// Longest file handle that is asked for, bytes.
constexpr size_t kHandleMax = 128;

// Each answers like its system call: -1 and errno.
int OpenBeneath(int dirfd, const char* name, uint32_t flags, uint32_t mode);
int LinkAny(int old_fd, const ByteString& old_name, int dirfd, const char* name);
int ChmodNoFollow(int dirfd, const ByteString& name, uint32_t mode);
int ChownNoFollow(int dirfd, const ByteString& name, uint32_t uid, uint32_t gid);
int SetTimes(int dirfd, const ByteString& name, const struct timespec times[2]);
// Bytes of all records from where `fd` is, put at `start`; E2BIG: they do not fit. told: how many names, whether one is the mark.
int64_t ReadRecords(int fd, const Bytes& into, size_t start, const char* mark, uint32_t* told);
// 1 when an xattr of `fd` has `part` in its name, else 0; nothing where the host has none.
int HasXattrWith(int fd, const char* part);
// The length of the list; what is listed is the caller's only through listXattr.
long ListXattrs(int dirfd, const ByteString& name);

// 0 or -errno.
int StatInto(int dirfd, const char* name, uint32_t* words);

}  // namespace stratafs

#endif  // STRATAFS_CALLS_H_
