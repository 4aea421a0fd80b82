// Calls that name a file by its path, relative to the agent's working directory.
#include "agent.h"
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static long long do_setids(void) {
  if (setgroups(0, NULL) < 0) return -errno;
  if (setresgid((gid_t)num(2), (gid_t)num(2), (gid_t)num(2)) < 0) return -errno;
  return RESULT(setresuid((uid_t)num(1), (uid_t)num(1), (uid_t)num(1)));
}

static long long do_setgroup(void) {
  gid_t group = (gid_t)num(1);
  return RESULT(setgroups(1, &group));
}

// becomes UID GID GROUP…: another user, with supplementary groups.
static long long do_becomes(void) {
  gid_t groups[MAX_TOKENS], gid = (gid_t)num(2);
  uid_t uid = (uid_t)num(1);
  for (int i = 3; i < token_count; i++) groups[i - 3] = (gid_t)num(i);
  if (setgroups(token_count > 3 ? (size_t)(token_count - 3) : 0, groups) < 0) return -errno;
  if (setresgid(gid, gid, gid) < 0) return -errno;
  return RESULT(setresuid(uid, uid, uid));
}

// fsize BYTES: RLIMIT_FSIZE, with SIGXFSZ ignored, so that writes beyond it answer.
static long long do_fsize(void) {
  struct rlimit limit = {(rlim_t)num(1), (rlim_t)num(1)};
  signal(SIGXFSZ, SIG_IGN);
  return RESULT(setrlimit(RLIMIT_FSIZE, &limit));
}

static long long do_umask(void) { return umask((mode_t)num(1)); }
static long long do_chdir(void) { return RESULT(chdir(str(1))); }
static long long do_pid(void) { return getpid(); }
static long long do_open(void) { return RESULT(open(str(1), (int)num(2), (mode_t)num(3))); }

static long long do_openat(void) {
  return RESULT(openat((int)num(1), str(2), (int)num(3), (mode_t)num(4)));
}

static long long do_mkdir(void) { return RESULT(mkdir(str(1), (mode_t)num(2))); }
static long long do_mknod(void) {
  return RESULT(mknod(str(1), (mode_t)num(2), makedev((unsigned)num(3), (unsigned)num(4))));
}
static long long do_symlink(void) { return RESULT(symlink(str(1), str(2))); }
static long long do_link(void) {
  return RESULT(linkat(AT_FDCWD, str(1), AT_FDCWD, str(2), (int)num(3)));
}
static long long do_unlink(void) { return RESULT(unlink(str(1))); }
static long long do_rmdir(void) { return RESULT(rmdir(str(1))); }
static long long do_rename(void) {
  return RESULT(syscall(SYS_renameat2, AT_FDCWD, str(1), AT_FDCWD, str(2), (unsigned)num(3)));
}

static long long do_readlink(void) {
  char target[8192];
  ssize_t length = readlink(str(1), target, sizeof target);
  if (length < 0) return -errno;
  put_bytes(target, (size_t)length);
  return length;
}

static long long do_chmod(void) { return RESULT(chmod(str(1), (mode_t)num(2))); }
static long long do_chown(void) { return RESULT(lchown(str(1), (uid_t)num(2), (gid_t)num(3))); }
static long long do_truncate(void) { return RESULT(truncate(str(1), num(2))); }

static long long do_utimens(void) {
  struct timespec times[2] = {{num(2), num(3)}, {num(4), num(5)}};
  return RESULT(utimensat(AT_FDCWD, str(1), times, AT_SYMLINK_NOFOLLOW));
}

static long long do_access(void) {
  return RESULT(syscall(SYS_faccessat2, AT_FDCWD, str(1), (int)num(2), AT_EACCESS));
}

static void put_time(const struct statx_timestamp *time) {
  put_num(time->tv_sec);
  put_unsigned(time->tv_nsec);
}

// statat DIRFD PATH FLAGS
static long long do_statat(void) {
  struct statx st;
  if (statx((int)num(1), str(2), (int)num(3), STATX_BASIC_STATS | STATX_BTIME, &st) < 0) return -errno;
  put_unsigned(st.stx_mode);
  put_unsigned(st.stx_nlink);
  put_unsigned(st.stx_uid);
  put_unsigned(st.stx_gid);
  put_unsigned(st.stx_ino);
  put_unsigned(st.stx_size);
  put_unsigned(st.stx_blocks);
  put_unsigned(st.stx_blksize);
  put_unsigned((unsigned long long)st.stx_dev_major << 32 | st.stx_dev_minor);
  put_unsigned((unsigned long long)st.stx_rdev_major << 32 | st.stx_rdev_minor);
  put_unsigned(st.stx_mask);
  put_time(&st.stx_atime);
  put_time(&st.stx_mtime);
  put_time(&st.stx_ctime);
  put_time(&st.stx_btime);
  return 0;
}

static long long do_statfs(void) {
  struct statfs st;
  if (statfs(str(1), &st) < 0) return -errno;
  put_num(st.f_type);
  put_num(st.f_bsize);
  put_unsigned(st.f_blocks);
  put_unsigned(st.f_bfree);
  put_unsigned(st.f_files);
  put_num(st.f_namelen);
  return 0;
}

static long long do_setxattr(void) {
  return RESULT(lsetxattr(str(1), str(2), str(3), len(3), (int)num(4)));
}

static long long do_getxattr(void) {
  char value[65536];
  ssize_t length = lgetxattr(str(1), str(2), value, num(3) ? (size_t)num(3) : sizeof value);
  if (length < 0) return -errno;
  put_bytes(value, (size_t)length);
  return length;
}

static long long do_xattrsize(void) { return RESULT(lgetxattr(str(1), str(2), NULL, 0)); }

static long long do_listxattr(void) {
  char names[65536];
  ssize_t length = llistxattr(str(1), names, sizeof names);
  if (length < 0) return -errno;
  for (char *name = names; name < names + length; name += strlen(name) + 1) put_bytes(name, strlen(name));
  return length;
}

static long long do_removexattr(void) { return RESULT(lremovexattr(str(1), str(2))); }

// exec PATH ARGS…: the exit status, 128 + signal, or -errno of execve.
static long long do_exec(void) {
  char *argv[MAX_TOKENS] = {0};
  int failure[2], status, code = 0;
  for (int i = 1; i < token_count; i++) argv[i - 1] = tokens[i].bytes;
  if (pipe2(failure, O_CLOEXEC) < 0) return -errno;
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    execv(argv[0], argv);
    code = errno;
    _exit(write(failure[1], &code, sizeof code) < 0);
  }
  close(failure[1]);
  ssize_t got = read(failure[0], &code, sizeof code);
  close(failure[0]);
  waitpid(child, &status, 0);
  if (got == sizeof code) return -code;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// bindunix PATH: a listening socket's descriptor. connectunix PATH: a connected one's.
static long long unix_socket(int listening) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, str(1), sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr *to = (const struct sockaddr *)&address;
  if ((listening ? bind(fd, to, sizeof address) : connect(fd, to, sizeof address)) < 0) {
    int code = errno;
    close(fd);
    return -code;
  }
  if (listening) listen(fd, 4);
  return fd;
}

static long long do_bindunix(void) { return unix_socket(1); }
static long long do_connectunix(void) { return unix_socket(0); }

const struct call path_calls[] = {
    {"becomes", do_becomes},   {"fsize", do_fsize},
    {"setids", do_setids},         {"setgroup", do_setgroup},   {"umask", do_umask},
    {"chdir", do_chdir},           {"pid", do_pid},             {"open", do_open},
    {"openat", do_openat},         {"mkdir", do_mkdir},         {"mknod", do_mknod},
    {"symlink", do_symlink},       {"link", do_link},           {"unlink", do_unlink},
    {"rmdir", do_rmdir},           {"rename", do_rename},       {"readlink", do_readlink},
    {"chmod", do_chmod},           {"chown", do_chown},         {"truncate", do_truncate},
    {"utimens", do_utimens},       {"access", do_access},       {"statat", do_statat},
    {"statfs", do_statfs},         {"setxattr", do_setxattr},   {"getxattr", do_getxattr},
    {"xattrsize", do_xattrsize},   {"listxattr", do_listxattr}, {"removexattr", do_removexattr},
    {"exec", do_exec},             {"bindunix", do_bindunix},   {"connectunix", do_connectunix},
    {NULL, NULL}};
