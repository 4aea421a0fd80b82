// Taking setuid, setgid and file capabilities away, as Linux does when somebody without CAP_FSETID
// changes a file (file_remove_privs). Refuses to know which operation the change was.

#ifndef STRATAFS_PRIVILEGES_H_
#define STRATAFS_PRIVILEGES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace stratafs {

// In a header: the kernel did not say, because the mount may be idmapped and nothing is being made.
constexpr uint32_t kNoId = 0xffffffff;

// Who changes a file, as the request's header says.
struct Changer {
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
};

// The filesystem ids of thread `pid`, which waits for our answer; false when it is not seen from here.
bool IdsOf(uint32_t pid, Changer* who);

// Whether thread `pid`, which waits for our answer, has `gid` among its supplementary groups.
bool InGroups(uint32_t pid, gid_t gid);

// Whether `name`, NUL included, is the attribute that has a file's capabilities.
bool IsCapability(const uint8_t* name, size_t size);

// The file has capabilities, or does not say.
bool MayHaveCapability(int fd);

// 1 when the mode changed (which the kernel may remember), 0 when not, or -errno.
int StripPrivileges(int fd, const Changer& who);

}  // namespace stratafs

#endif  // STRATAFS_PRIVILEGES_H_
