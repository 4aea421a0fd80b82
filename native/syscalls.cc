// Calls that take a name relative to a directory descriptor: open, make, link, remove, rename.
// No open follows a final symlink, crosses a mount or leaves its directory.
// Refuses to know why a name is opened or made.

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "calls.h"
#include "modules.h"
#include "node_api_util.h"
#include "unique_fd.h"

namespace stratafs {
namespace {

struct OpenHow {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
static_assert(sizeof(OpenHow) == 24, "open_how");

constexpr uint64_t kNoXdev = 0x01, kNoMagiclinks = 0x02, kNoSymlinks = 0x04, kBeneath = 0x08;

// glibc defines O_LARGEFILE as 0 on 64-bit hosts, but openat2 (unlike openat) does not add the
// kernel's own bit, and without it an open of a file above 2 GiB fails with EOVERFLOW.
#if defined(__aarch64__) || defined(__arm__)
constexpr uint64_t kLargeFile = 0400000;
#else
constexpr uint64_t kLargeFile = 0100000;
#endif

// openat2 refuses what openat ignores: a mode without a creation, or extra flags beside O_PATH.
OpenHow How(uint64_t flags, uint32_t mode) {
  OpenHow how = {flags | O_NOFOLLOW | O_CLOEXEC, 0, kNoMagiclinks | kNoXdev | kBeneath | kNoSymlinks};
  if (flags & O_PATH) {
    how.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    return how;
  }
  how.flags |= kLargeFile;
  if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) how.mode = mode & 07777;
  return how;
}

// EAGAIN: a rename raced with the walk and RESOLVE_BENEATH could not be proven.
constexpr int kOpenRetries = 16;
std::atomic<bool> has_openat2{true};

napi_value OpenPath(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString path;
  args.Text(0, &path);
  int flags = args.Int(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(open(path.c_str(), flags | O_CLOEXEC, 0));
}

napi_value OpenAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t flags = args.U32(2), mode = args.U32(3);
  if (!args.ok()) return args.Refuse();
  return args.Answer(OpenBeneath(dirfd, name.empty() ? "." : name.c_str(), flags, mode));
}

napi_value Reopen(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int fd = args.Int(0), flags = args.Int(1);
  if (!args.ok()) return args.Refuse();
  // The magic link must be followed, so O_NOFOLLOW would turn the call into an open of the link.
  return args.Answer(open(ProcPath(fd).text, (flags & ~O_NOFOLLOW) | O_CLOEXEC, 0));
}

napi_value ReadlinkAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  if (!args.ok()) return args.Refuse();
  char target[ByteString::kMax + 1];
  ssize_t length = readlinkat(dirfd, name.c_str(), target, sizeof target);
  if (length < 0) return args.Answer(-1);
  return Latin1(env, target, static_cast<size_t>(length));
}

napi_value MkdirAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t mode = args.U32(2);
  if (!args.ok()) return args.Refuse();
  return args.Answer(mkdirat(dirfd, name.c_str(), mode));
}

// The raw call: glibc would re-encode rdev, and ours is already the kernel's encoding.
napi_value MknodAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t mode = args.U32(2), rdev = args.U32(3);
  if (!args.ok()) return args.Refuse();
  return args.Answer(syscall(SYS_mknodat, dirfd, name.c_str(), mode, rdev));
}

napi_value SymlinkAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString target, name;
  args.Text(0, &target);
  int dirfd = args.Int(1);
  args.Text(2, &name);
  if (!args.ok()) return args.Refuse();
  return args.Answer(symlinkat(target.c_str(), dirfd, name.c_str()));
}

// AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH (ENOENT without it); the magic link does not.
int LinkDescriptor(int fd, int dirfd, const char* name) {
  if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) == 0) return 0;
  if (errno != ENOENT && errno != EPERM && errno != EINVAL) return -1;
  return linkat(AT_FDCWD, ProcPath(fd).text, dirfd, name, AT_SYMLINK_FOLLOW);
}

napi_value LinkAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString old_name, name;
  int old_fd = args.Int(0);
  args.Text(1, &old_name);
  int dirfd = args.Int(2);
  args.Text(3, &name);
  if (!args.ok()) return args.Refuse();
  return args.Answer(LinkAny(old_fd, old_name, dirfd, name.c_str()));
}

napi_value UnlinkAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  int flags = args.Int(2);
  if (!args.ok()) return args.Refuse();
  return args.Answer(unlinkat(dirfd, name.c_str(), flags));
}

napi_value RenameAt(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString old_name, new_name;
  int old_fd = args.Int(0);
  args.Text(1, &old_name);
  int new_fd = args.Int(2);
  args.Text(3, &new_name);
  uint32_t flags = args.U32(4);
  if (!args.ok()) return args.Refuse();
  return args.Answer(syscall(SYS_renameat2, old_fd, old_name.c_str(), new_fd, new_name.c_str(), flags));
}

struct HandleBuffer {
  alignas(struct file_handle) uint8_t raw[sizeof(struct file_handle) + kHandleMax];
  struct file_handle* get() { return reinterpret_cast<struct file_handle*>(raw); }
};

napi_value NameToHandle(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0), mount_id = 0;
  args.Text(1, &name);
  if (!args.ok()) return args.Refuse();
  HandleBuffer buffer;
  struct file_handle* handle = buffer.get();
  handle->handle_bytes = kHandleMax;
  int flags = name.empty() ? AT_EMPTY_PATH : 0;
  if (name_to_handle_at(dirfd, name.c_str(), handle, &mount_id, flags) < 0) return args.Answer(-1);
  napi_value out = nullptr;
  napi_create_object(env, &out);
  SetNamed(env, out, "type", Number(env, handle->handle_type));
  SetNamed(env, out, "bytes", CopyToUint8Array(env, handle->f_handle, handle->handle_bytes));
  return out;
}

napi_value OpenHandle(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int mount_fd = args.Int(0), flags = args.Int(2);
  int32_t type = 0;
  if (napi_get_value_int32(env, args.Property(1, "type"), &type) != napi_ok) args.Wrong(1, "a HostHandle");
  Bytes bytes = args.TypedOf(args.Property(1, "bytes"), 1, napi_uint8_array, "a HostHandle");
  if (bytes.length > kHandleMax) args.Fail(EINVAL);
  if (!args.ok()) return args.Refuse();
  HandleBuffer buffer;
  struct file_handle* handle = buffer.get();
  handle->handle_bytes = static_cast<unsigned>(bytes.length);
  handle->handle_type = type;
  if (bytes.length > 0) memcpy(handle->f_handle, bytes.data, bytes.length);
  return args.Answer(open_by_handle_at(mount_fd, handle, flags | O_CLOEXEC));
}

}  // namespace

int OpenBeneath(int dirfd, const char* name, uint32_t flags, uint32_t mode) {
  OpenHow how = How(flags, mode);
  for (int attempt = 0; attempt < kOpenRetries && has_openat2; attempt++) {
    int fd = static_cast<int>(syscall(SYS_openat2, dirfd, name, &how, sizeof how));
    if (fd >= 0) return fd;
    if (errno == ENOSYS) has_openat2 = false;
    else if (errno != EINTR && errno != EAGAIN) return -1;
  }
  if (has_openat2) return -1;
  return openat(dirfd, name, static_cast<int>(how.flags), static_cast<mode_t>(how.mode));
}

int LinkAny(int old_fd, const ByteString& old_name, int dirfd, const char* name) {
  if (old_name.empty()) return LinkDescriptor(old_fd, dirfd, name);
  return linkat(old_fd, old_name.c_str(), dirfd, name, 0);
}

void RegisterNames(napi_env env, napi_value target) {
  const Method methods[] = {
      {"openPath", OpenPath},         {"openAt", OpenAt},       {"reopen", Reopen},
      {"readlinkAt", ReadlinkAt},     {"mkdirAt", MkdirAt},     {"mknodAt", MknodAt},
      {"symlinkAt", SymlinkAt},       {"linkAt", LinkAt},       {"unlinkAt", UnlinkAt},
      {"renameAt", RenameAt},         {"nameToHandle", NameToHandle},
      {"openHandle", OpenHandle},
  };
  Expose(env, target, methods);
}

}  // namespace stratafs
