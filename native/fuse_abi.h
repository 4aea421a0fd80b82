// The few FUSE structures the data plane reads and writes itself; everything else is TypeScript's
// (lib/wire). Sizes and offsets are asserted, so a wrong edit does not compile.
// Knows no files and no policy.

#ifndef STRATAFS_FUSE_ABI_H_
#define STRATAFS_FUSE_ABI_H_

#include <linux/ioctl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>

namespace stratafs::fuse {

enum Opcode : uint32_t {
  kLookup = 1,
  kForget = 2,
  kGetattr = 3,
  kSetattr = 4,
  kSymlink = 6,
  kMkdir = 9,
  kUnlink = 10,
  kRename = 12,
  kOpen = 14,
  kRead = 15,
  kWrite = 16,
  kRelease = 18,
  kFsync = 20,
  kSetxattr = 21,
  kGetxattr = 22,
  kRemovexattr = 24,
  kReaddir = 28,
  kCreate = 35,
  kInterrupt = 36,
  kIoctl = 39,
  kBatchForget = 42,
  kReaddirplus = 44,
  kRename2 = 45,
  kStatx = 52,
};

// The writer lacks CAP_FSETID: set-id bits and file capabilities go before the data is written.
constexpr uint32_t kWriteKillSuidgid = 1u << 2;

struct InHeader {
  uint32_t len;
  uint32_t opcode;
  uint64_t unique;
  uint64_t nodeid;
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
  uint16_t total_extlen;
  uint16_t padding;
};
static_assert(sizeof(InHeader) == 40, "fuse_in_header");
static_assert(offsetof(InHeader, unique) == 8, "fuse_in_header.unique");
static_assert(offsetof(InHeader, total_extlen) == 36, "fuse_in_header.total_extlen");

struct OutHeader {
  uint32_t len;
  int32_t error;
  uint64_t unique;
};
static_assert(sizeof(OutHeader) == 16, "fuse_out_header");
static_assert(offsetof(OutHeader, unique) == 8, "fuse_out_header.unique");

struct Attr {
  uint64_t ino;
  uint64_t size;
  uint64_t blocks;
  uint64_t atime;
  uint64_t mtime;
  uint64_t ctime;
  uint32_t atimensec;
  uint32_t mtimensec;
  uint32_t ctimensec;
  uint32_t mode;
  uint32_t nlink;
  uint32_t uid;
  uint32_t gid;
  uint32_t rdev;
  uint32_t blksize;
  uint32_t flags;
};
static_assert(sizeof(Attr) == 88, "fuse_attr");
static_assert(offsetof(Attr, mode) == 60, "fuse_attr.mode");

// Seconds and nanoseconds for which they stay valid.
struct AttrOut {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec;
  uint32_t dummy;
  Attr attr;
};
static_assert(sizeof(AttrOut) == 104, "fuse_attr_out");

// The kernel's struct statx, but for what the mount knows of the device.
struct StatxOut {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec;
  uint32_t flags;
  uint64_t spare[2];
  struct statx stat;
};
static_assert(sizeof(StatxOut) == 288, "fuse_statx_out");

// nodeid 0: there is no such name.
struct EntryOut {
  uint64_t nodeid;
  uint64_t generation;
  uint64_t entry_valid;
  uint64_t attr_valid;
  uint32_t entry_valid_nsec;
  uint32_t attr_valid_nsec;
  Attr attr;
};
static_assert(sizeof(EntryOut) == 128, "fuse_entry_out");
static_assert(offsetof(EntryOut, entry_valid_nsec) == 32, "fuse_entry_out.entry_valid_nsec");

struct ForgetIn {
  uint64_t nlookup;
};
static_assert(sizeof(ForgetIn) == 8, "fuse_forget_in");

// So many of the next follow.
struct BatchForgetIn {
  uint32_t count;
  uint32_t dummy;
};
static_assert(sizeof(BatchForgetIn) == 8, "fuse_batch_forget_in");

struct ForgetOne {
  uint64_t nodeid;
  uint64_t nlookup;
};
static_assert(sizeof(ForgetOne) == 16, "fuse_forget_one");

struct SetattrIn {
  uint32_t valid;
  uint32_t padding;
  uint64_t fh;
  uint64_t size;
  uint64_t lock_owner;
  uint64_t atime;
  uint64_t mtime;
  uint64_t ctime;
  uint32_t atimensec;
  uint32_t mtimensec;
  uint32_t ctimensec;
  uint32_t mode;
  uint32_t unused4;
  uint32_t uid;
  uint32_t gid;
  uint32_t unused5;
};
static_assert(sizeof(SetattrIn) == 88, "fuse_setattr_in");
static_assert(offsetof(SetattrIn, mode) == 68, "fuse_setattr_in.mode");

// What a SETATTR sets.
enum SetattrValid : uint32_t {
  kSetMode = 1u << 0,
  kSetUid = 1u << 1,
  kSetGid = 1u << 2,
  kSetAtime = 1u << 4,
  kSetMtime = 1u << 5,
  kSetByFh = 1u << 6,
  kSetAtimeNow = 1u << 7,
  kSetMtimeNow = 1u << 8,
  kSetKillSuidgid = 1u << 11,
};

// The name follows.
struct GetxattrIn {
  uint32_t size;
  uint32_t padding;
};
static_assert(sizeof(GetxattrIn) == 8, "fuse_getxattr_in");

struct OpenIn {
  uint32_t flags;
  uint32_t open_flags;
};
static_assert(sizeof(OpenIn) == 8, "fuse_open_in");

struct OpenOut {
  uint64_t fh;
  uint32_t open_flags;
  int32_t backing_id;
};
static_assert(sizeof(OpenOut) == 16, "fuse_open_out");

// How the kernel is to treat an open.
enum OpenFlags : uint32_t {
  kOpenKeepCache = 1u << 1,
  kOpenNoFlush = 1u << 5,
  kOpenPassthrough = 1u << 7,
};

// The name follows.
struct CreateIn {
  uint32_t flags;
  uint32_t mode;
  uint32_t umask;
  uint32_t open_flags;
};
static_assert(sizeof(CreateIn) == 16, "fuse_create_in");

// The name follows.
struct MkdirIn {
  uint32_t mode;
  uint32_t umask;
};
static_assert(sizeof(MkdirIn) == 8, "fuse_mkdir_in");

// The two names follow.
struct RenameIn {
  uint64_t newdir;
};
static_assert(sizeof(RenameIn) == 8, "fuse_rename_in");

struct Rename2In {
  uint64_t newdir;
  uint32_t flags;
  uint32_t padding;
};
static_assert(sizeof(Rename2In) == 16, "fuse_rename2_in");

struct ReleaseIn {
  uint64_t fh;
  uint32_t flags;
  uint32_t release_flags;
  uint64_t lock_owner;
};
static_assert(sizeof(ReleaseIn) == 24, "fuse_release_in");

struct ReadIn {
  uint64_t fh;
  uint64_t offset;
  uint32_t size;
  uint32_t read_flags;
  uint64_t lock_owner;
  uint32_t flags;
  uint32_t padding;
};
static_assert(sizeof(ReadIn) == 40, "fuse_read_in");
static_assert(offsetof(ReadIn, size) == 16, "fuse_read_in.size");

struct WriteIn {
  uint64_t fh;
  uint64_t offset;
  uint32_t size;
  uint32_t write_flags;
  uint64_t lock_owner;
  uint32_t flags;
  uint32_t padding;
};
static_assert(sizeof(WriteIn) == 40, "fuse_write_in");
static_assert(offsetof(WriteIn, write_flags) == 20, "fuse_write_in.write_flags");

struct IoctlIn {
  uint64_t fh;
  uint32_t flags;
  uint32_t cmd;
  uint64_t arg;
  uint32_t in_size;
  uint32_t out_size;
};
static_assert(sizeof(IoctlIn) == 32, "fuse_ioctl_in");

struct FsyncIn {
  uint64_t fh;
  uint32_t fsync_flags;
  uint32_t padding;
};
static_assert(sizeof(FsyncIn) == 16, "fuse_fsync_in");
constexpr uint32_t kFsyncDataOnly = 1;

struct InterruptIn {
  uint64_t unique;
};
static_assert(sizeof(InterruptIn) == 8, "fuse_interrupt_in");

struct WriteOut {
  uint32_t size;
  uint32_t padding;
};
static_assert(sizeof(WriteOut) == 8, "fuse_write_out");

// A listed name; its bytes follow.
struct Dirent {
  uint64_t ino;
  uint64_t off;
  uint32_t namelen;
  uint32_t type;
};
static_assert(sizeof(Dirent) == 24, "fuse_dirent");

// A negative offset drops attributes and leaves the pages alone.
struct NotifyInvalInode {
  uint64_t ino;
  int64_t off;
  int64_t len;
};
static_assert(sizeof(NotifyInvalInode) == 24, "fuse_notify_inval_inode_out");
constexpr int32_t kNotifyInvalInode = 2;

struct BackingMap {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};
static_assert(sizeof(BackingMap) == 16, "fuse_backing_map");

constexpr unsigned long kIocBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kIocBackingClose = _IOW(229, 2, uint32_t);

}  // namespace stratafs::fuse

#endif  // STRATAFS_FUSE_ABI_H_
