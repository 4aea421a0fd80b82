// The header of a request carries one group; the others are read from /proc, and only for the rare
// file that is setgid without being executable by its group.

#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "unique_fd.h"

namespace stratafs {
namespace {

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

bool IsMember(const Changer& who, gid_t gid) { return who.uid == 0 || who.gid == gid || InGroups(who.pid, gid); }

}  // namespace

// An unseen process (another pid namespace) has no groups: what is in doubt is taken away.
bool InGroups(uint32_t pid, gid_t gid) {
  char path[32];
  std::string status;
  snprintf(path, sizeof path, "/proc/%u/status", pid);
  UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  if (!fd.ok() || !ReadAll(fd.get(), &status)) return false;
  size_t at = status.find("\nGroups:");
  if (at == std::string::npos) return false;
  const char* next = status.c_str() + at + strlen("\nGroups:");
  for (char* end = nullptr;; next = end) {
    while (*next == ' ' || *next == '\t') next++;
    unsigned long group = strtoul(next, &end, 10);
    if (end == next) return false;
    if (group == gid) return true;
  }
}

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
