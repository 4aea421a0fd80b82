// Extended attributes of (directory, name) or of a descriptor ('' as the name), never following.
// Uses the *xattrat calls of 6.13; before them, and for O_PATH descriptors they refuse, /proc.
// Refuses to know what any attribute means.

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>

#include "calls.h"
#include "modules.h"
#include "node_api_util.h"

namespace stratafs {
namespace {

constexpr long kSysSetxattrat = 463, kSysGetxattrat = 464, kSysListxattrat = 465, kSysRemovexattrat = 466;
constexpr size_t kValueMax = 64 * 1024;  // XATTR_SIZE_MAX and XATTR_LIST_MAX

struct XattrArgs {
  uint64_t value;
  uint32_t size;
  uint32_t flags;
};
static_assert(sizeof(XattrArgs) == 16, "xattr_args");

std::atomic<bool> has_xattrat{true};
thread_local char value_buffer[kValueMax];

struct Target {
  int dirfd = -1;
  ByteString name;

  bool descriptor() const { return name.empty(); }
  int flags() const { return AT_SYMLINK_NOFOLLOW | (descriptor() ? AT_EMPTY_PATH : 0); }
};

XattrArgs Pack(const void* value, size_t size, uint32_t flags) {
  return {reinterpret_cast<uint64_t>(value), static_cast<uint32_t>(size), flags};
}

// True when the answer stands. False when /proc must be asked: no such call here, or an O_PATH
// descriptor, for which AT_EMPTY_PATH answers EBADF. A really bad descriptor fails there as well.
bool Stands(const Target& target, long rc) {
  if (rc >= 0) return true;
  if (errno == ENOSYS) {
    has_xattrat = false;
    return false;
  }
  return !(errno == EBADF && target.descriptor());
}

// /proc/self/fd/N of a descriptor nobody has is ENOENT; the caller is owed EBADF.
long ProcAnswer(const Target& target, long rc) {
  if (rc < 0 && errno == ENOENT && fcntl(target.dirfd, F_GETFD) < 0) errno = EBADF;
  return rc;
}

long Get(const Target& target, const char* key) {
  if (has_xattrat) {
    XattrArgs packed = Pack(value_buffer, kValueMax, 0);
    long rc = syscall(kSysGetxattrat, target.dirfd, target.name.c_str(), target.flags(), key, &packed,
                      sizeof packed);
    if (Stands(target, rc)) return rc;
  }
  if (target.descriptor()) {
    return ProcAnswer(target, getxattr(ProcPath(target.dirfd).text, key, value_buffer, kValueMax));
  }
  ProcPath path(target.dirfd, target.name.c_str());
  return ProcAnswer(target, lgetxattr(path.text, key, value_buffer, kValueMax));
}

long Set(const Target& target, const char* key, Bytes value, int flags) {
  if (has_xattrat) {
    XattrArgs packed = Pack(value.data, value.length, static_cast<uint32_t>(flags));
    long rc = syscall(kSysSetxattrat, target.dirfd, target.name.c_str(), target.flags(), key, &packed,
                      sizeof packed);
    if (Stands(target, rc)) return rc;
  }
  if (target.descriptor()) {
    return ProcAnswer(target, setxattr(ProcPath(target.dirfd).text, key, value.data, value.length, flags));
  }
  ProcPath path(target.dirfd, target.name.c_str());
  return ProcAnswer(target, lsetxattr(path.text, key, value.data, value.length, flags));
}

long Remove(const Target& target, const char* key) {
  if (has_xattrat) {
    long rc = syscall(kSysRemovexattrat, target.dirfd, target.name.c_str(), target.flags(), key);
    if (Stands(target, rc)) return rc;
  }
  if (target.descriptor()) return ProcAnswer(target, removexattr(ProcPath(target.dirfd).text, key));
  ProcPath path(target.dirfd, target.name.c_str());
  return ProcAnswer(target, lremovexattr(path.text, key));
}

long List(const Target& target) {
  if (has_xattrat) {
    long rc = syscall(kSysListxattrat, target.dirfd, target.name.c_str(), target.flags(), value_buffer,
                      kValueMax);
    if (Stands(target, rc)) return rc;
  }
  if (target.descriptor()) {
    return ProcAnswer(target, listxattr(ProcPath(target.dirfd).text, value_buffer, kValueMax));
  }
  ProcPath path(target.dirfd, target.name.c_str());
  return ProcAnswer(target, llistxattr(path.text, value_buffer, kValueMax));
}

void ReadTarget(Args* args, Target* target) {
  target->dirfd = args->Int(0);
  args->Text(1, &target->name);
}

napi_value GetXattr(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Target target;
  ByteString key;
  ReadTarget(&args, &target);
  args.Text(2, &key);
  if (!args.ok()) return args.Refuse();
  long size = Get(target, key.c_str());
  if (size < 0) return args.Answer(-1);
  return CopyToUint8Array(env, value_buffer, static_cast<size_t>(size));
}

napi_value SetXattr(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Target target;
  ByteString key;
  ReadTarget(&args, &target);
  args.Text(2, &key);
  Bytes value = args.U8(3);
  int flags = args.Int(4);
  if (value.length > kValueMax) args.Fail(E2BIG);
  if (!args.ok()) return args.Refuse();
  return args.Answer(Set(target, key.c_str(), value, flags));
}

napi_value RemoveXattr(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Target target;
  ByteString key;
  ReadTarget(&args, &target);
  args.Text(2, &key);
  if (!args.ok()) return args.Refuse();
  return args.Answer(Remove(target, key.c_str()));
}

napi_value ListXattr(napi_env env, napi_callback_info info) {
  Args args(env, info);
  Target target;
  ReadTarget(&args, &target);
  if (!args.ok()) return args.Refuse();
  long size = List(target);
  if (size < 0) return args.Answer(-1);
  napi_value out = nullptr;
  napi_create_array(env, &out);
  uint32_t count = 0;
  for (long at = 0; at < size;) {
    size_t length = strlen(value_buffer + at);
    napi_set_element(env, out, count++, Latin1(env, value_buffer + at, length));
    at += static_cast<long>(length) + 1;
  }
  return out;
}

}  // namespace

long ListXattrs(int dirfd, const ByteString& name) {
  Target target;
  target.dirfd = dirfd;
  target.name = name;
  return List(target);
}

int HasXattrWith(int fd, const char* part) {
  ByteString itself;
  itself.bytes[0] = 0;
  const long size = ListXattrs(fd, itself);
  if (size < 0) return errno == EOPNOTSUPP ? 0 : -1;
  for (long at = 0; at < size; at += static_cast<long>(strlen(value_buffer + at)) + 1) {
    if (strstr(value_buffer + at, part) != nullptr) return 1;
  }
  return 0;
}

void RegisterXattr(napi_env env, napi_value target) {
  const Method methods[] = {{"getXattr", GetXattr},
                            {"setXattr", SetXattr},
                            {"removeXattr", RemoveXattr},
                            {"listXattr", ListXattr}};
  Expose(env, target, methods);
}

}  // namespace stratafs
