// Commands that make one call for each path of a list, alone, from several processes at once, or holding what it opens.

#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void do_stat(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) fail("lstat %s", path);
}

static void do_missing(const char *path) {
  struct stat st;
  if (lstat(path, &st) == 0) errno = EEXIST;
  if (errno != ENOENT) fail("lstat of a missing name %s", path);
}

static void do_open_read(const char *path) {
  static char buffer[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open %s", path);
  if (read(fd, buffer, sizeof buffer) < 0) fail("read %s", path);
  if (close(fd) != 0) fail("close %s", path);
}

static void do_create(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) fail("create %s", path);
  if (close(fd) != 0) fail("close %s", path);
}

static void do_mkdir(const char *path) {
  if (mkdir(path, 0755) != 0) fail("mkdir %s", path);
}

static void do_symlink(const char *path) {
  if (symlink("where/it/points", path) != 0) fail("symlink %s", path);
}

static void do_unlink(const char *path) {
  if (unlink(path) != 0) fail("unlink %s", path);
}

static void do_chmod(const char *path) {
  if (chmod(path, 0600) != 0) fail("chmod %s", path);
}

static const char *suffixed(const char *path, const char *suffix) {
  static char target[4096];
  int length = snprintf(target, sizeof target, "%s.%s", path, suffix);
  if (length < 0 || (size_t)length >= sizeof target) errno = ENAMETOOLONG, fail("%s", path);
  return target;
}

static void do_rename(const char *path) {
  if (rename(path, suffixed(path, "renamed")) != 0) fail("rename %s", path);
}

static void do_link(const char *path) {
  if (link(path, suffixed(path, "linked")) != 0) fail("link %s", path);
}

static void do_touch_byte(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail("open for write %s", path);
  if (write(fd, "x", 1) != 1) fail("write %s", path);
  if (close(fd) != 0) fail("close %s", path);
}

path_call *path_call_named(const char *name) {
  static const struct {
    const char *name;
    path_call *call;
  } calls[] = {
      {"stat", do_stat},       {"missing", do_missing}, {"open-read", do_open_read}, {"create", do_create},
      {"mkdir", do_mkdir},     {"unlink", do_unlink},   {"chmod", do_chmod},         {"rename", do_rename},
      {"symlink", do_symlink}, {"link", do_link},       {"copy-up", do_touch_byte},
  };
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (strcmp(name, calls[i].name) == 0) return calls[i].call;
  }
  return NULL;
}

static int run_calls(path_call *call, const char *file) {
  struct list list = load_list(file);
  uint64_t ops = 0;
  uint64_t started = now_ns();
  for (const char *path = list.text; path < list.text + list.size; path += strlen(path) + 1, ops++) call(path);
  return report(ops, started);
}

// ---- several processes, each with its share of the list --------------------------------------------

static void share(const struct list *list, path_call *call, uint64_t first, uint64_t step) {
  uint64_t index = 0;
  for (const char *path = list->text; path < list->text + list->size; path += strlen(path) + 1, index++) {
    if (index % step == first) call(path);
  }
}

static uint64_t length_of(const struct list *list) {
  uint64_t length = 0;
  for (size_t i = 0; i < list->size; i++) length += list->text[i] == '\0';
  return length;
}

static void child_of_parallel(const int gate[2], const struct list *list, path_call *call, uint64_t me, uint64_t count) {
  char byte;
  close(gate[1]);
  if (read(gate[0], &byte, 1) != 0) fail("wait for the start");
  share(list, call, me, count);
  _exit(0);
}

// parallel COUNT CALL LIST: the children start together when the gate's last writer closes it.
static int run_parallel(int argc, char **argv) {
  path_call *call = argc == 3 ? path_call_named(argv[1]) : NULL;
  if (call == NULL) misuse("parallel COUNT CALL LIST");
  uint64_t count = number(argv[0]);
  struct list list = load_list(argv[2]);
  uint64_t ops = length_of(&list);
  int gate[2];
  if (pipe(gate) != 0) fail("pipe");
  for (uint64_t me = 0; me < count; me++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) child_of_parallel(gate, &list, call, me, count);
  }
  uint64_t started = now_ns();
  close(gate[1]);
  int failed = 0;
  for (uint64_t ended = 0; ended < count; ended++) {
    int status;
    if (wait(&status) < 0) fail("wait");
    failed |= status;
  }
  return failed ? 1 : report(ops, started);
}

// hold LIST: opens every file, reports, and keeps them open until stdin ends.
static int run_hold(int argc, char **argv) {
  if (argc != 1) misuse("hold LIST");
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
  struct list list = load_list(argv[0]);
  uint64_t ops = 0;
  uint64_t started = now_ns();
  for (const char *path = list.text; path < list.text + list.size; path += strlen(path) + 1, ops++) {
    if (open(path, O_RDONLY | O_CLOEXEC) < 0) fail("open %s", path);
  }
  report(ops, started);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  return 0;
}

// mark PATH NAME VALUE: sets an xattr. For making trees; nothing is timed.
static int run_mark(int argc, char **argv) {
  if (argc != 3) misuse("mark PATH NAME VALUE");
  uint64_t started = now_ns();
  if (lsetxattr(argv[0], argv[1], argv[2], strlen(argv[2]), 0) != 0) fail("setxattr %s %s", argv[0], argv[1]);
  return report(1, started);
}

int run_paths(const char *name, int argc, char **argv) {
  path_call *call = path_call_named(name);
  if (call != NULL && argc != 1) misuse("%s LIST", name);
  if (call != NULL) return run_calls(call, argv[0]);
  if (strcmp(name, "parallel") == 0) return run_parallel(argc, argv);
  if (strcmp(name, "hold") == 0) return run_hold(argc, argv);
  if (strcmp(name, "mark") == 0) return run_mark(argc, argv);
  return -1;
}
