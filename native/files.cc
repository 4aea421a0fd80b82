// Calls on an open descriptor, and the few on the process or thread (umask, ids, limits).
// Owns no descriptor: the numbers are the caller's. Refuses to know which file is behind them.

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "modules.h"
#include "node_api_util.h"
#include "privileges.h"

namespace stratafs {
namespace {

napi_value Close(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return args.Answer(close(fd));
}

napi_value Dup(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return args.Answer(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

napi_value Ftruncate(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  int64_t size = args.I64(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(ftruncate(fd, size));
}

napi_value Fallocate(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0), mode = args.Int(1);
  int64_t offset = args.I64(2), length = args.I64(3);
  if (!args.ok()) return args.Refuse();
  return args.Answer(fallocate(fd, mode, offset, length));
}

napi_value Lseek(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0), whence = args.Int(2);
  int64_t offset = args.I64(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(lseek(fd, offset, whence));
}

napi_value Pread(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  Bytes into = args.U8(1);
  int64_t offset = args.I64(2);
  if (!args.ok()) return args.Refuse();
  ssize_t rc;
  do rc = pread(fd, into.data, into.length, offset);
  while (rc < 0 && errno == EINTR);
  return args.Answer(rc);
}

napi_value Pwrite(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  Bytes from = args.U8(1);
  int64_t offset = args.I64(2);
  if (!args.ok()) return args.Refuse();
  ssize_t rc;
  do rc = pwrite(fd, from.data, from.length, offset);
  while (rc < 0 && errno == EINTR);
  return args.Answer(rc);
}

napi_value StartWriteBack(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return args.Answer(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
}

napi_value OrderData(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  return args.Answer(sync_file_range(fd, 0, 0, flags));
}

napi_value Fsync(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  bool data_only = args.Bool(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(data_only ? fdatasync(fd) : fsync(fd));
}

napi_value Syncfs(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  if (!args.ok()) return args.Refuse();
  return args.Answer(syncfs(fd));
}

napi_value Flock(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0), operation = args.Int(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(flock(fd, operation));
}

// Byte `at` of a file as a lock that whoever asks can see: shared, and the open file's, not the process's.
struct flock ByteLock(short type, int64_t at) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  return lock;
}

napi_value LockByte(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  int64_t at = args.I64(1);
  if (!args.ok()) return args.Refuse();
  struct flock lock = ByteLock(F_RDLCK, at);
  return args.Answer(fcntl(fd, F_OFD_SETLK, &lock));
}

napi_value IsByteLocked(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0);
  int64_t at = args.I64(1);
  if (!args.ok()) return args.Refuse();
  struct flock lock = ByteLock(F_WRLCK, at);
  if (fcntl(fd, F_OFD_GETLK, &lock) < 0) return args.Answer(-1);
  return args.Answer(lock.l_type == F_UNLCK ? 0 : 1);
}

napi_value Umask(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t mask = args.U32(0);
  if (!args.ok()) return args.Refuse();
  return args.Answer(umask(mask));
}

// Raw calls, so that only this thread changes (glibc would signal every thread). Becoming another
// user drops the filesystem capabilities from the effective set; going back to 0 raises them again.
// Back to root is the user first, so that the group changes with every capability in place again.
// The kernel drops the filesystem capabilities when fsuid leaves 0. They are put back: what is made
// belongs to the caller, while directories above are searched with the server's rights (the caller's
// were checked by the kernel, with groups that this thread does not have).
void KeepCapabilities(uint32_t uid) {
  if (uid == 0) return;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return;
  for (auto& word : data) word.effective = word.permitted;
  syscall(SYS_capset, &header, data);
}

napi_value SetFsIds(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t uid = args.U32(0), gid = args.U32(1);
  if (!args.ok()) return args.Refuse();
  if (uid == 0) syscall(SYS_setfsuid, uid);
  syscall(SYS_setfsgid, gid);
  if (uid != 0) syscall(SYS_setfsuid, uid);
  KeepCapabilities(uid);
  // The calls do not fail, they answer the value before; asking for an impossible id tells the truth.
  bool taken = static_cast<uint32_t>(syscall(SYS_setfsuid, -1)) == uid &&
               static_cast<uint32_t>(syscall(SYS_setfsgid, -1)) == gid;
  return taken ? Number(env, 0) : ErrnoResult(env, EPERM);
}

napi_value InGroup(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t pid = args.U32(0), gid = args.U32(1);
  if (!args.ok()) return args.Refuse();
  return Number(env, InGroups(pid, gid) ? 1 : 0);
}

napi_value IdsOfThread(napi_env env, napi_callback_info info) {
  Args args(env, info);
  uint32_t pid = args.U32(0);
  if (!args.ok()) return args.Refuse();
  Changer who = {};
  if (!IdsOf(pid, &who)) return ErrnoResult(env, ENOENT);
  const uint32_t ids[] = {who.uid, who.gid};
  return CopyToTypedArray(env, napi_uint32_array, 4, ids, 2);
}

napi_value Geteuid(napi_env env, napi_callback_info) { return Number(env, geteuid()); }

napi_value Getegid(napi_env env, napi_callback_info) { return Number(env, getegid()); }

napi_value RaiseFileLimit(napi_env env, napi_callback_info) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return Outcome(env, -1);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return Outcome(env, -1);
  return Number(env, static_cast<double>(limit.rlim_cur));
}

}  // namespace

void RegisterFiles(napi_env env, napi_value target) {
  const Method methods[] = {
      {"close", Close},         {"dup", Dup},           {"ftruncate", Ftruncate},
      {"fallocate", Fallocate}, {"lseek", Lseek},       {"pread", Pread},
      {"pwrite", Pwrite},       {"fsync", Fsync},       {"orderData", OrderData},       {"syncfs", Syncfs},
      {"startWriteBack", StartWriteBack},
      {"flock", Flock}, {"lockByte", LockByte}, {"isByteLocked", IsByteLocked},         {"umask", Umask},       {"setFsIds", SetFsIds},
      {"geteuid", Geteuid},     {"getegid", Getegid},   {"inGroup", InGroup},     {"idsOf", IdsOfThread},     {"raiseFileLimit", RaiseFileLimit},
  };
  Expose(env, target, methods);
}

}  // namespace stratafs
