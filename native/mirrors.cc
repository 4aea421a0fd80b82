// One host call for what is asked, one answer. What needs a decision (a size, setuid, privileges that go) is left alone.
// JavaScript thread only.

#include "mirrors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "privileges.h"
#include "validity.h"

namespace stratafs {
namespace {

constexpr uint32_t kPrivileged = S_ISUID | S_ISGID;
constexpr uint32_t kOwners = fuse::kSetUid | fuse::kSetGid;
constexpr uint32_t kTimes = fuse::kSetAtime | fuse::kSetMtime | fuse::kSetAtimeNow | fuse::kSetMtimeNow;
constexpr uint32_t kSimple = fuse::kSetMode | kOwners | kTimes | fuse::kSetByFh | fuse::kSetKillSuidgid;

struct timespec TimeOf(uint32_t valid, uint32_t set, uint32_t now, uint64_t seconds, uint32_t nanoseconds) {
  if ((valid & now) != 0) return {0, UTIME_NOW};
  if ((valid & set) == 0) return {0, UTIME_OMIT};
  return {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
}

// 0 or an errno, of the first call that fails.
int Change(int fd, const fuse::SetattrIn& in) {
  const uid_t uid = (in.valid & fuse::kSetUid) != 0 ? in.uid : static_cast<uid_t>(-1);
  const gid_t gid = (in.valid & fuse::kSetGid) != 0 ? in.gid : static_cast<gid_t>(-1);
  if ((in.valid & kOwners) != 0 && fchown(fd, uid, gid) < 0) return errno;
  if ((in.valid & fuse::kSetMode) != 0 && fchmod(fd, in.mode & 07777) < 0) return errno;
  const struct timespec times[2] = {
      TimeOf(in.valid, fuse::kSetAtime, fuse::kSetAtimeNow, in.atime, in.atimensec),
      TimeOf(in.valid, fuse::kSetMtime, fuse::kSetMtimeNow, in.mtime, in.mtimensec),
  };
  if ((in.valid & kTimes) != 0 && futimens(fd, times) < 0) return errno;
  return 0;
}

}  // namespace

int Mirrors::FileOf(uint64_t nodeid) const {
  auto found = images_.find(nodeid);
  return found == images_.end() || found->second.file == nullptr ? -1 : found->second.file->get();
}

int Mirrors::DirectoryToChange(uint64_t nodeid) const {
  auto found = images_.find(nodeid);
  if (found == images_.end() || found->second.file != nullptr || !found->second.open_to_change) return -1;
  return found->second.directory;
}

bool Mirrors::Serve(const fuse::InHeader& header, const uint8_t* body, size_t size) {
  const uint32_t opcode = header.opcode;
  const bool changes = opcode == fuse::kSetattr || opcode == fuse::kSetxattr || opcode == fuse::kRemovexattr || opcode == fuse::kIoctl;
  if (!changes && opcode != fuse::kGetattr) return false;
  auto found = images_.find(header.nodeid);
  if (found == images_.end()) return false;
  const Image& image = found->second;
  if (opcode == fuse::kGetattr) return ReplyAttributes(header.unique, image);
  if (opcode == fuse::kSetattr && size >= sizeof(fuse::SetattrIn) && image.open_to_change) {
    fuse::SetattrIn in;
    memcpy(&in, body, sizeof in);
    if (Set(header.unique, image, in)) return true;
  }
  images_.erase(found);
  return false;
}

// Of a file, setuid and setgid are JavaScript's to give and to take. The host takes capabilities away with the owner.
bool Mirrors::Set(uint64_t unique, const Image& image, const fuse::SetattrIn& in) {
  const int fd = image.fd();
  const bool kills = (in.valid & fuse::kSetKillSuidgid) != 0;
  struct stat st;
  if ((in.valid & ~kSimple) != 0) return false;
  if (image.file != nullptr && (in.valid & fuse::kSetMode) != 0 && (in.mode & kPrivileged) != 0) return false;
  if (image.file != nullptr && kills) {
    if ((in.valid & kOwners) == 0 || fstat(fd, &st) < 0 || (st.st_mode & kPrivileged) != 0) return false;
    if (MayHaveCapability(fd)) return false;
  }
  const int failed = Change(fd, in);
  if (failed == 0) return ReplyAttributes(unique, image);
  // A directory that may not be read is open in a way that changes nothing.
  if (failed == EBADF) return false;
  answers_->ReplyError(unique, failed);
  return true;
}

bool Mirrors::ReplyAttributes(uint64_t unique, const Image& image) {
  struct stat st;
  if (fstat(image.fd(), &st) < 0) return false;
  Reply(unique, st, image.ino, image.nlink, image.valid);
  return true;
}

void Mirrors::Reply(uint64_t unique, const struct stat& st, uint64_t ino, uint32_t nlink, double seconds) {
  const Validity valid(seconds);
  fuse::AttrOut out = {valid.seconds, valid.nanoseconds, 0, AttrOf(st)};
  out.attr.ino = ino;
  if (nlink != 0) out.attr.nlink = nlink;
  counters_->mirrored++;
  answers_->Reply(unique, &out, sizeof out);
}

}  // namespace stratafs
