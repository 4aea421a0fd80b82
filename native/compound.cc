// Calls that are often made one after the other, made in one: each way between JavaScript and here costs as
// much as a small call. What they do with single calls is written in lib/sys/compound.ts, and must be the same.
// Refuses to know what they are made for.

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "copy.h"
#include "modules.h"
#include "node_api_util.h"
#include "unique_fd.h"

namespace stratafs {
namespace {

// Words of an Examined behind those of its Stat; the same table as E in lib/sys/examined.ts.
enum ExaminedWord {
  kOpened = kWords,
  kFlags,
  kListed,
  kHandleType,
  kHandleLength,
  kHandle,
  kExaminedWords = kHandle + kHandleMax / 4,
};

uint32_t Coded(int64_t rc) { return static_cast<uint32_t>(rc < 0 ? -errno : rc); }

uint32_t FlagsOf(int fd) {
  uint32_t flags = 0;
  return ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ? static_cast<uint32_t>(-errno) : flags;
}

void ReadHandle(int dirfd, const ByteString& name, uint32_t* words) {
  alignas(struct file_handle) uint8_t raw[sizeof(struct file_handle) + kHandleMax];
  struct file_handle* handle = reinterpret_cast<struct file_handle*>(raw);
  int mount_id = 0;
  handle->handle_bytes = kHandleMax;
  int rc = name_to_handle_at(dirfd, name.c_str(), handle, &mount_id, name.empty() ? AT_EMPTY_PATH : 0);
  words[kHandleLength] = rc < 0 ? Coded(rc) : handle->handle_bytes;
  if (rc < 0) return;
  words[kHandleType] = static_cast<uint32_t>(handle->handle_type);
  memcpy(words + kHandle, handle->f_handle, handle->handle_bytes);
}

napi_value Examine(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int dirfd = args.Int(0);
  args.Text(1, &name);
  uint32_t* words = WordsOf(&args, 2, kExaminedWords, "an Examined");
  if (!args.ok()) return args.Refuse();
  int rc = StatInto(dirfd, name.c_str(), words);
  if (rc < 0) return Number(env, rc);
  int fd = -1;
  errno = EBADF;
  // Devices and fifos are never opened.
  if (!name.empty() && S_ISREG(words[kMode])) fd = OpenBeneath(dirfd, name.c_str(), O_RDONLY | O_NONBLOCK, 0);
  words[kOpened] = Coded(fd);
  words[kFlags] = FlagsOf(name.empty() ? dirfd : fd);
  words[kListed] = Coded(ListXattrs(dirfd, name));
  ReadHandle(dirfd, name, words);
  return Number(env, 0);
}

napi_value CopyUnnamed(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int dirfd = args.Int(0), from = args.Int(1);
  int64_t size = args.I64(2);
  bool solid = args.Bool(3), write_back = args.Bool(4);
  if (!args.ok()) return args.Refuse();
  UniqueFd to(OpenBeneath(dirfd, ".", O_TMPFILE | O_RDWR, 0600));
  if (!to.ok()) return args.Answer(-1);
  int64_t rc = CopyData({from, to.get(), size, nullptr, false, solid});
  if (rc < 0) return Number(env, static_cast<double>(rc));
  if (write_back) sync_file_range(to.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  return Number(env, to.Release());
}

struct timespec TimeOf(const uint32_t* words, Word seconds, Word nanoseconds) {
  uint64_t whole = words[seconds] | static_cast<uint64_t>(words[seconds + 1]) << 32;
  return {static_cast<time_t>(whole), static_cast<long>(words[nanoseconds])};
}

int TakeTimes(int fd, const ByteString& name, const uint32_t* words) {
  const struct timespec times[2] = {TimeOf(words, kAtime, kAtimeNsec), TimeOf(words, kMtime, kMtimeNsec)};
  return SetTimes(fd, name, times);
}

napi_value TakeAttributes(napi_env env, napi_callback_info info) {
  Args args(env, info);
  ByteString name;
  int fd = args.Int(0);
  args.Text(1, &name);
  const uint32_t* words = WordsOf(&args, 2, kWords, "a Stat");
  bool owner = args.Bool(3);
  if (!args.ok()) return args.Refuse();
  if (owner && ChownNoFollow(fd, name, words[kUid], words[kGid]) < 0) return args.Answer(-1);
  if (!S_ISLNK(words[kMode]) && ChmodNoFollow(fd, name, words[kMode] & 07777) < 0) return args.Answer(-1);
  return args.Answer(TakeTimes(fd, name, words));
}

using Give = int (*)(int old_fd, const ByteString& old_name, int dirfd, const ByteString& name);

int GiveByLink(int old_fd, const ByteString& old_name, int dirfd, const ByteString& name) {
  return LinkAny(old_fd, old_name, dirfd, name.c_str());
}

int GiveByRename(int old_fd, const ByteString& old_name, int dirfd, const ByteString& name) {
  return static_cast<int>(syscall(SYS_renameat2, old_fd, old_name.c_str(), dirfd, name.c_str(), 0));
}

// What cannot be told afterwards is all zeros: the name is given, and stays.
void TellLater(int dirfd, const char* name, uint32_t* words) {
  if (StatInto(dirfd, name, words) < 0) memset(words, 0, kWords * sizeof *words);
}

napi_value Quietly(napi_env env, napi_callback_info info, Give give) {
  Args args(env, info);
  ByteString old_name, name, itself;
  itself.bytes[0] = 0;
  int old_fd = args.Int(0), dirfd = args.Int(2);
  args.Text(1, &old_name);
  args.Text(3, &name);
  uint32_t* before = WordsOf(&args, 4, kWords, "a Stat");
  uint32_t* after = WordsOf(&args, 5, kWords, "a Stat");
  uint32_t* made = WordsOf(&args, 6, kWords, "a Stat");
  if (!args.ok()) return args.Refuse();
  int told = StatInto(dirfd, "", before);
  if (told < 0) return Number(env, told);
  if (give(old_fd, old_name, dirfd, name) < 0) return args.Answer(-1);
  TakeTimes(dirfd, itself, before);
  TellLater(dirfd, "", after);
  TellLater(dirfd, name.c_str(), made);
  return Number(env, 0);
}

napi_value LinkQuietly(napi_env env, napi_callback_info info) { return Quietly(env, info, GiveByLink); }
napi_value RenameQuietly(napi_env env, napi_callback_info info) { return Quietly(env, info, GiveByRename); }

}  // namespace

void RegisterCompound(napi_env env, napi_value target) {
  const Method methods[] = {{"examine", Examine},
                            {"copyUnnamed", CopyUnnamed},
                            {"takeAttributes", TakeAttributes},
                            {"linkQuietly", LinkQuietly},
                            {"renameQuietly", RenameQuietly}};
  Expose(env, target, methods);
}

}  // namespace stratafs
