// The bytes of one file: in sequence or at random, buffered, O_DIRECT or mapped, with or without fsync.
// read|write FILE BLOCK COUNT [create] [append] [direct] [mmap] [fsync] [fsync-each] [span=BLOCKS]

#include "client.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct io {
  const char *path;
  size_t block;
  uint64_t count;
  uint64_t span;  // blocks that a random offset is taken from; 0 is in sequence
  int write;
  int flags;
  int mapped;
  int fsync;
  int fsync_each;
};

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void one_block(const struct io *io, int fd, char *buffer, uint64_t offset) {
  ssize_t done;
  if (io->span > 0) {
    off_t at = (off_t)offset;
    done = io->write ? pwrite(fd, buffer, io->block, at) : pread(fd, buffer, io->block, at);
  } else {
    done = io->write ? write(fd, buffer, io->block) : read(fd, buffer, io->block);
  }
  if (done >= 0 && done != (ssize_t)io->block) errno = EIO;
  if (done != (ssize_t)io->block) fail("%s of %zu bytes, %zd done", io->write ? "write" : "read", io->block, done);
  if (io->fsync_each && fsync(fd) != 0) fail("fsync %s", io->path);
}

static void by_calls(const struct io *io, int fd, char *buffer) {
  uint64_t state = 0x9e3779b97f4a7c15ull;
  for (uint64_t i = 0; i < io->count; i++) {
    uint64_t offset = io->span > 0 ? next_random(&state) % io->span * io->block : 0;
    one_block(io, fd, buffer, offset);
  }
}

static void by_mapping(const struct io *io, int fd, char *buffer) {
  uint64_t blocks = io->span > 0 ? io->span : io->count;
  size_t length = blocks * io->block;
  char *map = mmap(NULL, length, io->write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) fail("mmap %s", io->path);
  uint64_t state = 0x9e3779b97f4a7c15ull;
  for (uint64_t i = 0; i < io->count; i++) {
    char *at = map + (io->span > 0 ? next_random(&state) % io->span : i) * io->block;
    memcpy(io->write ? at : buffer, io->write ? buffer : at, io->block);
  }
  if (munmap(map, length) != 0) fail("munmap %s", io->path);
}

static int measure(const struct io *io) {
  char *buffer = allocate(io->block);
  // A writable shared mapping wants a descriptor that may read, too.
  int access = !io->write ? O_RDONLY : io->mapped ? O_RDWR : O_WRONLY;
  uint64_t started = now_ns();
  int fd = open(io->path, access | io->flags | O_CLOEXEC, 0644);
  if (fd < 0) fail("open %s", io->path);
  if (io->mapped) by_mapping(io, fd, buffer);
  else by_calls(io, fd, buffer);
  if (io->fsync && fsync(fd) != 0) fail("fsync %s", io->path);
  if (close(fd) != 0) fail("close %s", io->path);
  return report(io->count, started);
}

static void add_word(struct io *io, const char *word) {
  if (strcmp(word, "create") == 0) io->flags |= O_CREAT;
  else if (strcmp(word, "append") == 0) io->flags |= O_APPEND;
  else if (strcmp(word, "direct") == 0) io->flags |= O_DIRECT;
  else if (strcmp(word, "mmap") == 0) io->mapped = 1;
  else if (strcmp(word, "fsync") == 0) io->fsync = 1;
  else if (strcmp(word, "fsync-each") == 0) io->fsync_each = 1;
  else if (strncmp(word, "span=", 5) == 0) io->span = number(word + 5);
  else misuse("unknown word %s", word);
}

int run_io(const char *name, int argc, char **argv) {
  if (strcmp(name, "read") != 0 && strcmp(name, "write") != 0) return -1;
  if (argc < 3) misuse("%s FILE BLOCK COUNT [WORD...]", name);
  struct io io = {.path = argv[0], .block = (size_t)number(argv[1]), .count = number(argv[2]), .write = name[0] == 'w'};
  for (int i = 3; i < argc; i++) add_word(&io, argv[i]);
  return measure(&io);
}
