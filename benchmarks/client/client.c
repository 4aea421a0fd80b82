// The timed half of every benchmark: runs one kind of system call over a list of paths or a file and
// prints one JSON line {"ops":N,"ns":N}. Everything that is not the measured call (reading the list,
// allocating, filling buffers) happens before the clock starts. Knows nothing of unions or competitors.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *format, ...) {
  int saved = errno;
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, ": %s\n", strerror(saved));
  exit(1);
}

static void *allocate(size_t size) {
  void *memory = NULL;
  if (posix_memalign(&memory, 4096, size ? size : 1) != 0) fail("allocate %zu bytes", size);
  memset(memory, 'b', size);
  return memory;
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int report(uint64_t ops, uint64_t started) {
  uint64_t ended = now_ns();
  printf("{\"ops\":%llu,\"ns\":%llu}\n", (unsigned long long)ops, (unsigned long long)(ended - started));
  return 0;
}

// ---- one call per path of a NUL-separated list -----------------------------------------------------

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

static void do_unlink(const char *path) {
  if (unlink(path) != 0) fail("unlink %s", path);
}

static void do_chmod(const char *path) {
  if (chmod(path, 0600) != 0) fail("chmod %s", path);
}

static void do_rename(const char *path) {
  char target[4096];
  int length = snprintf(target, sizeof target, "%s.renamed", path);
  if (length < 0 || (size_t)length >= sizeof target) errno = ENAMETOOLONG, fail("rename %s", path);
  if (rename(path, target) != 0) fail("rename %s", path);
}

static void do_touch_byte(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) fail("open for write %s", path);
  if (write(fd, "x", 1) != 1) fail("write %s", path);
  if (close(fd) != 0) fail("close %s", path);
}

struct path_command {
  const char *name;
  void (*call)(const char *path);
};

static const struct path_command path_commands[] = {
    {"stat", do_stat},     {"missing", do_missing}, {"open-read", do_open_read}, {"create", do_create},
    {"mkdir", do_mkdir},   {"unlink", do_unlink},   {"chmod", do_chmod},         {"rename", do_rename},
    {"copy-up", do_touch_byte},
};

static char *load_list(const char *file, size_t *size) {
  struct stat st;
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0) fail("open list %s", file);
  char *list = allocate((size_t)st.st_size);
  size_t done = 0;
  while (done < (size_t)st.st_size) {
    ssize_t got = read(fd, list + done, (size_t)st.st_size - done);
    if (got <= 0) fail("read list %s", file);
    done += (size_t)got;
  }
  close(fd);
  if (done == 0 || list[done - 1] != '\0') errno = EINVAL, fail("list %s does not end in NUL", file);
  *size = done;
  return list;
}

static int run_path_command(const struct path_command *command, int argc, char **argv) {
  if (argc != 1) errno = EINVAL, fail("%s LIST", command->name);
  size_t size = 0;
  const char *list = load_list(argv[0], &size);
  uint64_t ops = 0;
  uint64_t started = now_ns();
  for (const char *path = list; path < list + size; path += strlen(path) + 1, ops++) command->call(path);
  return report(ops, started);
}

// ---- directory trees -------------------------------------------------------------------------------

static uint64_t walk_directory(int parent, const char *name, int with_stat);

static uint64_t visit_entry(int dir, const struct dirent *entry, int with_stat) {
  const char *name = entry->d_name;
  if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'))) return 0;
  struct stat st;
  int is_directory = entry->d_type == DT_DIR;
  if (with_stat || entry->d_type == DT_UNKNOWN) {
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) fail("lstat %s", name);
    is_directory = S_ISDIR(st.st_mode);
  }
  return is_directory ? 1 + walk_directory(dir, name, with_stat) : 1;
}

static uint64_t walk_directory(int parent, const char *name, int with_stat) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) fail("open directory %s", name);
  uint64_t ops = 0;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (entry == NULL && errno != 0) fail("readdir %s", name);
    if (entry == NULL) break;
    ops += visit_entry(fd, entry, with_stat);
  }
  closedir(dir);
  return ops;
}

static int run_walk(int argc, char **argv, int with_stat) {
  if (argc != 1) errno = EINVAL, fail("walk DIR");
  uint64_t started = now_ns();
  uint64_t ops = walk_directory(AT_FDCWD, argv[0], with_stat);
  return report(ops, started);
}

// ---- the bytes of one file -------------------------------------------------------------------------

struct io {
  const char *path;
  size_t block;
  uint64_t count;
  uint64_t span;  // blocks a random offset is taken from
  int fsync;
  int random;
  int write;
};

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void one_block(const struct io *io, int fd, char *buffer, uint64_t offset) {
  ssize_t done;
  if (io->random) {
    off_t at = (off_t)offset;
    done = io->write ? pwrite(fd, buffer, io->block, at) : pread(fd, buffer, io->block, at);
  } else {
    done = io->write ? write(fd, buffer, io->block) : read(fd, buffer, io->block);
  }
  if (done != (ssize_t)io->block) fail("%s of %zu bytes, %zd done", io->write ? "write" : "read", io->block, done);
}

static int run_io(const struct io *io) {
  char *buffer = allocate(io->block);
  uint64_t random_state = 0x9e3779b97f4a7c15ull;
  int create = io->write && !io->random ? O_CREAT : 0;
  uint64_t started = now_ns();
  int fd = open(io->path, (io->write ? O_WRONLY : O_RDONLY) | create | O_CLOEXEC, 0644);
  if (fd < 0) fail("open %s", io->path);
  for (uint64_t i = 0; i < io->count; i++) {
    uint64_t offset = io->random ? next_random(&random_state) % io->span * io->block : 0;
    one_block(io, fd, buffer, offset);
  }
  if (io->fsync && fsync(fd) != 0) fail("fsync %s", io->path);
  if (close(fd) != 0) fail("close %s", io->path);
  return report(io->count, started);
}

static uint64_t number(const char *text) {
  char *end = NULL;
  uint64_t value = strtoull(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value == 0) errno = EINVAL, fail("not a positive number: %s", text);
  return value;
}

// FILE BLOCK COUNT [SPAN] [fsync]; SPAN (in blocks) is there for the random kinds only.
static int run_io_command(const char *name, int argc, char **argv) {
  struct io io = {.random = name[0] == 'p', .write = strstr(name, "write") != NULL};
  int fixed = io.random ? 4 : 3;
  if (argc != fixed && argc != fixed + 1) errno = EINVAL, fail("%s FILE BLOCK COUNT [SPAN] [fsync]", name);
  io.path = argv[0];
  io.block = (size_t)number(argv[1]);
  io.count = number(argv[2]);
  io.span = io.random ? number(argv[3]) : 0;
  io.fsync = argc == fixed + 1;
  if (io.fsync && strcmp(argv[fixed], "fsync") != 0) errno = EINVAL, fail("unknown word %s", argv[fixed]);
  return run_io(&io);
}

// ---- client ROOT COMMAND ARGUMENT... ---------------------------------------------------------------

static const char *const io_commands[] = {"read", "write", "pread", "pwrite"};

int main(int argc, char **argv) {
  if (argc < 3) errno = EINVAL, fail("client ROOT COMMAND ARGUMENT...");
  if (chdir(argv[1]) != 0) fail("chdir %s", argv[1]);
  const char *name = argv[2];
  if (strcmp(name, "walk") == 0) return run_walk(argc - 3, argv + 3, 1);
  if (strcmp(name, "list") == 0) return run_walk(argc - 3, argv + 3, 0);
  for (size_t i = 0; i < sizeof path_commands / sizeof *path_commands; i++) {
    if (strcmp(name, path_commands[i].name) == 0) return run_path_command(&path_commands[i], argc - 3, argv + 3);
  }
  for (size_t i = 0; i < sizeof io_commands / sizeof *io_commands; i++) {
    if (strcmp(name, io_commands[i]) == 0) return run_io_command(name, argc - 3, argv + 3);
  }
  errno = EINVAL;
  fail("unknown command %s", name);
}
