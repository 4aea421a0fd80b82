// Changes of an inode's mode, owner, times and flags, by name or by descriptor ('' as the name).
// None follows a symlink; each works on an O_PATH descriptor, through /proc where the kernel is old.
// Refuses to know who is allowed to ask.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "calls.h"
#include "modules.h"
#include "node_api_util.h"
#include "unique_fd.h"

namespace stratafs {
namespace {

constexpr long kSysFchmodat2 = 452;
std::atomic<bool> has_fchmodat2{true};

int EmptyFlag(const ByteString& name) { return name.empty() ? AT_EMPTY_PATH : 0; }

int ChmodByProc(int fd, uint32_t mode) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -1;
  if (S_ISLNK(st.st_mode)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return chmod(ProcPath(fd).text, mode);
}

napi_value ChmodAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t mode = args.U32(2);
  if (!args.ok()) return args.Refuse();
  return args.Answer(ChmodNoFollow(dirfd, name, mode));
}

napi_value ChownAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t uid = args.U32(2), gid = args.U32(3);
  if (!args.ok()) return args.Refuse();
  return args.Answer(ChownNoFollow(dirfd, name, uid, gid));
}

napi_value UtimensAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  struct timespec times[2];
  times[0].tv_sec = args.I64(2);
  times[0].tv_nsec = args.I64(3);
  times[1].tv_sec = args.I64(4);
  times[1].tv_nsec = args.I64(5);
  if (!args.ok()) return args.Refuse();
  return args.Answer(SetTimes(dirfd, name, times));
}

// The ioctl's size says long, the kernel moves an int.
napi_value GetFlags(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  uint32_t flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return args.Answer(-1);
  return Number(env, flags);
}

napi_value SetFlags(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  uint32_t flags = args.U32(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

static_assert(sizeof(struct fsxattr) == 28, "fsxattr");

napi_value GetFsx(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  struct fsxattr raw = {};
  if (ioctl(fd, FS_IOC_FSGETXATTR, &raw) < 0) return args.Answer(-1);
  return CopyToUint8Array(env, &raw, sizeof raw);
}

napi_value SetFsx(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  Bytes bytes = args.U8(1);
  struct fsxattr raw;
  if (bytes.length != sizeof raw) args.Fail(EINVAL);
  if (!args.ok()) return args.Refuse();
  memcpy(&raw, bytes.data, sizeof raw);
  return args.Answer(ioctl(fd, FS_IOC_FSSETXATTR, &raw));
}

}  // namespace

int ChmodNoFollow(int dirfd, const ByteString& name, uint32_t mode) {
  if (has_fchmodat2) {
    int flags = AT_SYMLINK_NOFOLLOW | EmptyFlag(name);
    long rc = syscall(kSysFchmodat2, dirfd, name.c_str(), mode, flags);
    if (rc == 0 || errno != ENOSYS) return static_cast<int>(rc);
    has_fchmodat2 = false;
  }
  if (name.empty()) return ChmodByProc(dirfd, mode);
  UniqueFd fd(openat(dirfd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.ok()) return -1;
  return ChmodByProc(fd.get(), mode);
}

int ChownNoFollow(int dirfd, const ByteString& name, uint32_t uid, uint32_t gid) {
  return fchownat(dirfd, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW | EmptyFlag(name));
}

// utimensat learned AT_EMPTY_PATH in 5.8; before, it answers EINVAL.
int SetTimes(int dirfd, const ByteString& name, const struct timespec times[2]) {
  int rc = utimensat(dirfd, name.c_str(), times, AT_SYMLINK_NOFOLLOW | EmptyFlag(name));
  if (rc < 0 && errno == EINVAL && name.empty()) rc = utimensat(AT_FDCWD, ProcPath(dirfd).text, times, 0);
  return rc;
}

void RegisterMetadata(napi_env env, napi_value target) {
  const Method methods[] = {
      {"chmodAt", ChmodAt},   {"chownAt", ChownAt}, {"utimensAt", UtimensAt}, {"getFlags", GetFlags},
      {"setFlags", SetFlags}, {"getFsx", GetFsx},   {"setFsx", SetFsx},
  };
  Expose(env, target, methods);
}

}  // namespace stratafs
