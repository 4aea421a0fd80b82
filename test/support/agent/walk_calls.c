// Reads a whole tree in one call: a record of tokens for each file, so that comparing two trees
// costs one round trip. `rmtree` takes a tree away.
#include "agent.h"
#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static long long records, failures;
static char first_failure[4096];

// Counts a failure, and keeps the first one's name and errno.
static void failed(const char *name) {
  if (failures++ == 0) snprintf(first_failure, sizeof first_failure, "%s: errno %d", name, errno);
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

// The names of an open directory, sorted; NULL-terminated.
static char **names_of(int fd) {
  size_t count = 0, capacity = 16;
  char **names = malloc(capacity * sizeof *names);
  DIR *stream = fdopendir(dup(fd));
  struct dirent *entry;
  errno = 0;
  while (stream && (entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (count + 2 > capacity) names = realloc(names, (capacity *= 2) * sizeof *names);
    names[count++] = strdup(entry->d_name);
  }
  if (errno) failed("readdir");
  if (stream) closedir(stream);
  qsort(names, count, sizeof *names, by_name);
  names[count] = NULL;
  return names;
}

// FNV-1a, 64 bits.
static unsigned long long hash_file(int dirfd, const char *name) {
  static unsigned char chunk[1 << 16];
  unsigned long long hash = 0xcbf29ce484222325ULL;
  int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
  if (fd < 0) fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    failed(name);
    return (unsigned long long)errno;
  }
  ssize_t got;
  while ((got = read(fd, chunk, sizeof chunk)) > 0) {
    for (ssize_t i = 0; i < got; i++) hash = (hash ^ chunk[i]) * 0x100000001b3ULL;
  }
  if (got < 0) failed(name);
  close(fd);
  return hash;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// xattrs as one token: name=value records joined by NUL, in order of their names.
static void put_xattrs(int dirfd, const char *name) {
  static char list[65536], value[65536], joined[1 << 18], path[64 + 256];
  char *sorted[256];
  size_t count = 0, used = 0;
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dirfd, name);
  ssize_t length = llistxattr(path, list, sizeof list);
  if (length < 0 && errno != EOPNOTSUPP) failed(path);
  for (char *key = list; length > 0 && key < list + length && count < 256; key += strlen(key) + 1) sorted[count++] = key;
  qsort(sorted, count, sizeof *sorted, compare_names);
  for (size_t i = 0; i < count; i++) {
    ssize_t got = lgetxattr(path, sorted[i], value, sizeof value);
    if (got < 0 || used + strlen(sorted[i]) + (size_t)got + 2 > sizeof joined) continue;
    used += (size_t)sprintf(joined + used, "%s=", sorted[i]);
    memcpy(joined + used, value, (size_t)got);
    used += (size_t)got;
    joined[used++] = 0;
  }
  put_bytes(joined, used);
}

static void put_record(int dirfd, const char *path, const char *name, const struct stat *st) {
  char target[8192];
  ssize_t length = S_ISLNK(st->st_mode) ? readlinkat(dirfd, name, target, sizeof target) : 0;
  if (length < 0) failed(path);
  put_bytes(path, strlen(path));
  put_unsigned(st->st_mode);
  put_unsigned(st->st_uid);
  put_unsigned(st->st_gid);
  put_unsigned(st->st_nlink);
  put_unsigned(st->st_ino);
  put_unsigned(st->st_dev);
  put_num(st->st_size);
  put_num(st->st_mtim.tv_sec);
  put_num(st->st_mtim.tv_nsec);
  put_unsigned(gnu_dev_major(st->st_rdev));
  put_unsigned(gnu_dev_minor(st->st_rdev));
  put_unsigned(S_ISREG(st->st_mode) ? hash_file(dirfd, name) : 0);
  put_bytes(target, length < 0 ? 0 : (size_t)length);
  put_xattrs(dirfd, name);
  records++;
}

static void walk(int dirfd, const char *path, const char *name) {
  struct stat st;
  char child[8192];
  if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
    failed(path);
    return;
  }
  put_record(dirfd, path, name, &st);
  if (!S_ISDIR(st.st_mode)) return;
  int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    failed(name);
    return;
  }
  char **names = names_of(fd);
  for (size_t i = 0; names[i]; i++) {
    snprintf(child, sizeof child, "%s/%s", path, names[i]);
    walk(fd, child, names[i]);
    free(names[i]);
  }
  free(names);
  close(fd);
}

// walk DIRECTORY: 15 tokens a file, the root first as "."; then the first failure, and how many there were.
static long long do_walk(void) {
  records = failures = 0;
  int fd = open(str(1), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  walk(fd, ".", ".");
  close(fd);
  put_bytes(first_failure, failures ? strlen(first_failure) : 0);
  put_num(failures);
  return records;
}

static void remove_tree(int dirfd, const char *name) {
  if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return;
  int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    failed(name);
    return;
  }
  char **names = names_of(fd);
  for (size_t i = 0; names[i]; i++) {
    remove_tree(fd, names[i]);
    free(names[i]);
  }
  free(names);
  close(fd);
  if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0) failed(name);
}

// rmtree PATH: how many calls failed.
static long long do_rmtree(void) {
  failures = 0;
  remove_tree(AT_FDCWD, str(1));
  return failures;
}

const struct call walk_calls[] = {{"walk", do_walk}, {"rmtree", do_rmtree}, {NULL, NULL}};
