// Commands over a whole tree: list (readdir), walk (readdir and lstat of every entry), remove (rm -rf).

#include "client.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum visit { LIST, WALK, REMOVE };

static uint64_t visit_directory(int parent, const char *name, enum visit visit);

static uint64_t visit_entry(int dir, const struct dirent *entry, enum visit visit) {
  const char *name = entry->d_name;
  if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'))) return 0;
  struct stat st;
  int is_directory = entry->d_type == DT_DIR;
  if (visit == WALK || entry->d_type == DT_UNKNOWN) {
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) fail("lstat %s", name);
    is_directory = S_ISDIR(st.st_mode);
  }
  uint64_t ops = 1;
  if (is_directory) ops += visit_directory(dir, name, visit);
  if (visit == REMOVE && unlinkat(dir, name, is_directory ? AT_REMOVEDIR : 0) != 0) fail("remove %s", name);
  return ops;
}

static uint64_t visit_directory(int parent, const char *name, enum visit visit) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) fail("open directory %s", name);
  uint64_t ops = 0;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (entry == NULL && errno != 0) fail("readdir %s", name);
    if (entry == NULL) break;
    ops += visit_entry(fd, entry, visit);
  }
  closedir(dir);
  return ops;
}

int run_trees(const char *name, int argc, char **argv) {
  enum visit visit;
  if (strcmp(name, "list") == 0) visit = LIST;
  else if (strcmp(name, "walk") == 0) visit = WALK;
  else if (strcmp(name, "remove") == 0) visit = REMOVE;
  else return -1;
  if (argc != 1) misuse("%s DIR", name);
  uint64_t started = now_ns();
  uint64_t ops = visit_directory(AT_FDCWD, argv[0], visit);
  return report(ops, started);
}
