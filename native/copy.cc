// Data copies: whole files with their holes, ranges, and extent sharing (FICLONE).
// Blocks for as long as the disk takes; cancellable between chunks when asked.
// Refuses to know what is copied and what happens to a half-made copy.

#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modules.h"
#include "node_api_util.h"

namespace stratafs {
namespace {

constexpr int64_t kChunk = 8 << 20;
constexpr size_t kBounce = 1 << 20;
// Up to this many bytes, reading and writing costs less than having the kernel splice them.
constexpr int64_t kSmall = 64 << 10;

struct Range {
  int64_t at;
  int64_t end;
};

bool Cancelled(const CopyPlan& plan) {
  return plan.cancel != nullptr && __atomic_load_n(plan.cancel, __ATOMIC_RELAXED) != 0;
}

// The next stretch of data at or after `at`; empty at `size` when the rest is a hole.
// A filesystem that cannot tell is all data.
Range NextData(const CopyPlan& plan, int64_t at) {
  int64_t data = lseek(plan.from, at, SEEK_DATA);
  if (data < 0) return errno == ENXIO ? Range{plan.size, plan.size} : Range{at, plan.size};
  int64_t hole = lseek(plan.from, data, SEEK_HOLE);
  if (hole < 0 || hole > plan.size) hole = plan.size;
  if (data > plan.size) data = plan.size;
  return {data, hole};
}

int64_t WriteAll(int fd, const char* bytes, size_t length, int64_t at) {
  for (size_t done = 0; done < length;) {
    ssize_t put = pwrite(fd, bytes + done, length - done, at + static_cast<int64_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return -errno;
    done += static_cast<size_t>(put);
  }
  return 0;
}

int64_t Bounce(const CopyPlan& plan, Range range, char* buffer, int64_t room) {
  while (range.at < range.end) {
    if (Cancelled(plan)) return -EINTR;
    int64_t left = range.end - range.at;
    size_t want = static_cast<size_t>(left < room ? left : room);
    ssize_t got = pread(plan.from, buffer, want, range.at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) return 0;  // the source shrank; ftruncate makes up the size
    int64_t rc = WriteAll(plan.to, buffer, static_cast<size_t>(got), range.at);
    if (rc < 0) return rc;
    if (plan.write_back) sync_file_range(plan.to, range.at, got, SYNC_FILE_RANGE_WRITE);
    range.at += got;
  }
  return 0;
}

int64_t CopyThroughMemory(const CopyPlan& plan, Range range) {
  char* buffer = static_cast<char*>(malloc(kBounce));
  if (buffer == nullptr) return -ENOMEM;
  int64_t rc = Bounce(plan, range, buffer, kBounce);
  free(buffer);
  return rc;
}

// Answers that mean "not between these two files", where plain reads and writes still may work.
bool CannotShare(int code) {
  return code == EXDEV || code == EINVAL || code == EOPNOTSUPP || code == ENOSYS || code == EPERM ||
         code == EBADF || code == ETXTBSY;
}

int64_t CopySmall(const CopyPlan& plan, Range range) {
  char buffer[kSmall];
  return Bounce(plan, range, buffer, kSmall);
}

int64_t CopyExtent(const CopyPlan& plan, Range range) {
  if (range.end - range.at <= kSmall) return CopySmall(plan, range);
  while (range.at < range.end) {
    if (Cancelled(plan)) return -EINTR;
    int64_t left = range.end - range.at;
    int64_t got = CopyRange(plan.from, range.at, plan.to, range.at, left < kChunk ? left : kChunk);
    // Some filesystems answer 0 for files whose size they do not tell; reading decides.
    if (got == 0 || (got < 0 && CannotShare(static_cast<int>(-got)))) return CopyThroughMemory(plan, range);
    if (got < 0) return got;
    if (plan.write_back) sync_file_range(plan.to, range.at, got, SYNC_FILE_RANGE_WRITE);
    range.at += got;
  }
  return 0;
}

napi_value CopyDataNow(napi_env env, napi_callback_info info) {
  Args args(env, info);
  CopyPlan plan = {args.Int(0), args.Int(1), args.I64(2), nullptr, false};
  if (!args.ok()) return args.Refuse();
  return Number(env, static_cast<double>(CopyData(plan)));
}

napi_value CopyRangeNow(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int from = args.Int(0), to = args.Int(2);
  int64_t from_offset = args.I64(1), to_offset = args.I64(3), length = args.I64(4);
  if (!args.ok()) return args.Refuse();
  return Number(env, static_cast<double>(CopyRange(from, from_offset, to, to_offset, length)));
}

napi_value Clone(napi_env env, napi_callback_info info) {
  Args args(env, info);
  int from = args.Int(0), to = args.Int(1);
  if (!args.ok()) return args.Refuse();
  return args.Answer(ioctl(to, FICLONE, from));
}

}  // namespace

int64_t CopyRange(int from, int64_t from_offset, int to, int64_t to_offset, int64_t length) {
  if (length < 0) return -EINVAL;
  loff_t in = from_offset, out = to_offset;
  ssize_t rc;
  do rc = copy_file_range(from, &in, to, &out, static_cast<size_t>(length), 0);
  while (rc < 0 && errno == EINTR);
  return rc < 0 ? -errno : rc;
}

int64_t CopyData(const CopyPlan& plan) {
  for (int64_t at = 0; at < plan.size;) {
    if (Cancelled(plan)) return -EINTR;
    Range data = plan.solid ? Range{at, plan.size} : NextData(plan, at);
    int64_t rc = CopyExtent(plan, data);
    if (rc < 0) return rc;
    at = data.end;
  }
  // A hole at the end, or a source that shrank, leaves the copy short; else there is nothing to journal.
  struct stat made;
  if (fstat(plan.to, &made) == 0 && made.st_size == plan.size) return 0;
  return ftruncate(plan.to, plan.size) < 0 ? -errno : 0;
}

void RegisterCopy(napi_env env, napi_value target) {
  const Method methods[] = {{"copyData", CopyDataNow}, {"copyRange", CopyRangeNow}, {"clone", Clone}};
  Expose(env, target, methods);
}

}  // namespace stratafs
