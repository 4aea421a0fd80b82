// The header of a request carries one group; the others are read from /proc, and only for the rare
// file that is setgid without being executable by its group.

#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "unique_fd.h"

namespace stratafs {
namespace {

constexpr char kCapability[] = "security.capability";

// A process may have 65536 groups of up to 11 bytes each.
constexpr size_t kStatusMax = 1 << 20;

bool ReadAll(int fd, std::string* text) {
  char chunk[4096];
  while (text->size() < kStatusMax) {
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    text->append(chunk, static_cast<size_t>(got));
  }
  return false;
}

bool ReadStatus(uint32_t pid, std::string* status) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%u/status", pid);
  UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  return fd.ok() && ReadAll(fd.get(), status);
}

// What follows `label`, which begins a line; null when no line has it.
const char* Field(const std::string& status, const char* label) {
  size_t at = status.find(label);
  return at == std::string::npos ? nullptr : status.c_str() + at + strlen(label);
}

// The fourth of the ids in a line: the one that counts for filesystems.
bool FilesystemId(const std::string& status, const char* label, uint32_t* id) {
  unsigned ids[4];
  const char* text = Field(status, label);
  if (text == nullptr || sscanf(text, "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4) return false;
  *id = ids[3];
  return true;
}

// PIDFD_GET_INFO of Linux 6.13, which costs a third of reading /proc; not in the headers of this host's libc.
struct PidfdInfo {
  uint64_t mask;
  uint64_t cgroup;
  uint32_t pid, tgid, ppid;
  uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64, "pidfd_info, version 0");
static_assert(offsetof(PidfdInfo, fsuid) == 52, "pidfd_info.fsuid");

constexpr unsigned kPidfdThread = O_EXCL;
constexpr uint64_t kPidfdCreds = 1u << 1;
std::atomic<bool> has_pidfd_info{true};

bool AskPidfd(uint32_t pid, Changer* who) {
  if (!has_pidfd_info) return false;
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, kPidfdThread)));
  if (!fd.ok()) return false;
  PidfdInfo info = {};
  info.mask = kPidfdCreds;
  if (ioctl(fd.get(), _IOWR(0xff, 11, PidfdInfo), &info) < 0) {
    if (errno == ENOTTY || errno == EINVAL) has_pidfd_info = false;
    return false;
  }
  if ((info.mask & kPidfdCreds) == 0) return false;
  who->uid = info.fsuid;
  who->gid = info.fsgid;
  return true;
}

bool IsMember(const Changer& header, gid_t gid) {
  Changer who = header;
  if (who.uid == kNoId && !IdsOf(who.pid, &who)) return false;
  return who.uid == 0 || who.gid == gid || InGroups(who.pid, gid);
}

}  // namespace

bool IdsOf(uint32_t pid, Changer* who) {
  if (pid == 0) return false;
  if (AskPidfd(pid, who)) return true;
  std::string status;
  return ReadStatus(pid, &status) && FilesystemId(status, "\nUid:", &who->uid) &&
         FilesystemId(status, "\nGid:", &who->gid);
}

// An unseen process (another pid namespace) has no groups: what is in doubt is taken away.
bool InGroups(uint32_t pid, gid_t gid) {
  std::string status;
  const char* next = ReadStatus(pid, &status) ? Field(status, "\nGroups:") : nullptr;
  if (next == nullptr) return false;
  for (char* end = nullptr;; next = end) {
    while (*next == ' ' || *next == '\t') next++;
    unsigned long group = strtoul(next, &end, 10);
    if (end == next) return false;
    if (group == gid) return true;
  }
}

bool IsCapability(const uint8_t* name, size_t size) {
  return size == sizeof kCapability && memcmp(name, kCapability, size) == 0;
}

bool MayHaveCapability(int fd) { return fgetxattr(fd, kCapability, nullptr, 0) >= 0 || errno != ENODATA; }

int StripPrivileges(int fd, const Changer& who) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  mode_t kill = st.st_mode & S_ISUID;
  bool setgid = (st.st_mode & S_ISGID) != 0;
  if (setgid && ((st.st_mode & S_IXGRP) || !IsMember(who, st.st_gid))) kill |= S_ISGID;
  // EPERM: the server is a plain user, whose own write the host strips. File capabilities go with every
  // write, whoever makes it, and only a privileged server could take them away by hand.
  if (kill != 0 && fchmod(fd, (st.st_mode & 07777) & ~kill) < 0 && errno != EPERM) return -errno;
  return kill != 0 ? 1 : 0;
}

}  // namespace stratafs
