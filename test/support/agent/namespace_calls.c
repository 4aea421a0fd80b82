// What is mounted where, and as whom files are used: calls that only root's agents can make.
#include "agent.h"
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/syscall.h>

// mount SOURCE TARGET TYPE FLAGS DATA
static long long do_mount(void) {
  return RESULT(mount(str(1), str(2), str(3), (unsigned long)num(4), str(5)));
}

static long long do_umount(void) { return RESULT(umount2(str(1), (int)num(2))); }

// fsids UID GID: the ids that files are used with. Only 0 has capabilities.
static long long do_fsids(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  setfsgid((gid_t)num(2));
  setfsuid((uid_t)num(1));
  if (syscall(SYS_capget, &header, sets) < 0) return -errno;
  for (int i = 0; i < 2; i++) sets[i].effective = num(1) == 0 ? sets[i].permitted : 0;
  return RESULT(syscall(SYS_capset, &header, sets));
}

const struct call namespace_calls[] = {
    {"mount", do_mount}, {"umount", do_umount}, {"fsids", do_fsids}, {NULL, NULL}};
