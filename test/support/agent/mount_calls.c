// Mounts of the client's own: a bind mount that shows other ids (mount_setattr, Linux 5.12).
#include "agent.h"
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int write_map(pid_t pid, const char *file, const char *map) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, map, strlen(map));
  close(fd);
  return written < 0 ? -1 : 0;
}

// Becomes a user namespace of its own, says so by closing `ready`, and waits to be killed.
static void be_namespace(int ready) {
  if (unshare(CLONE_NEWUSER) < 0) _exit(1);
  close(ready);
  for (;;) pause();
}

// A descriptor of a new user namespace with these maps, or -1.
static int new_namespace(const char *uid_map, const char *gid_map) {
  int pair[2];
  char byte, path[64];
  if (pipe2(pair, O_CLOEXEC) < 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    close(pair[0]);
    be_namespace(pair[1]);
  }
  close(pair[1]);
  ssize_t none = read(pair[0], &byte, 1);
  close(pair[0]);
  snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
  int fd = none == 0 && write_map(pid, "uid_map", uid_map) == 0 && write_map(pid, "gid_map", gid_map) == 0
               ? open(path, O_RDONLY | O_CLOEXEC)
               : -1;
  int failure = errno;
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  errno = failure;
  return fd;
}

// idmapbind SOURCE TARGET UID_MAP GID_MAP; a map is `FILESYSTEM SHOWN COUNT` as in /proc/PID/uid_map
static long long do_idmapbind(void) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, str(1), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (tree < 0) return -errno;
  int space = new_namespace(str(3), str(4));
  if (space < 0) {
    close(tree);
    return -errno;
  }
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)space};
  long long result = RESULT(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr));
  if (result == 0) result = RESULT(syscall(SYS_move_mount, tree, "", AT_FDCWD, str(2), MOVE_MOUNT_F_EMPTY_PATH));
  close(space);
  close(tree);
  return result;
}

const struct call mount_calls[] = {
    {"idmapbind", do_idmapbind},
    {0},
};
