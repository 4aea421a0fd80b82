// The timed half of every benchmark: runs one kind of system call over a list of paths or a file and prints one JSON
// line {"ops":N,"ns":N}. Everything that is not the measured call (reading the list, allocating, filling buffers)
// happens before the clock starts. Knows nothing of unions or competitors.

#include "client.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void fail(const char *format, ...) {
  int saved = errno;
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, ": %s\n", strerror(saved));
  exit(1);
}

void misuse(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(2);
}

void *allocate(size_t size) {
  void *memory = NULL;
  if (posix_memalign(&memory, 4096, size ? size : 1) != 0) fail("allocate %zu bytes", size);
  memset(memory, 'b', size);
  return memory;
}

uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t number(const char *text) {
  char *end = NULL;
  uint64_t value = strtoull(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value == 0) misuse("not a positive number: %s", text);
  return value;
}

int report(uint64_t ops, uint64_t started) {
  uint64_t ended = now_ns();
  printf("{\"ops\":%llu,\"ns\":%llu}\n", (unsigned long long)ops, (unsigned long long)(ended - started));
  fflush(stdout);
  return 0;
}

struct list load_list(const char *file) {
  struct stat st;
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0) fail("open list %s", file);
  struct list list = {.text = allocate((size_t)st.st_size), .size = 0};
  while (list.size < (size_t)st.st_size) {
    ssize_t got = read(fd, list.text + list.size, (size_t)st.st_size - list.size);
    if (got <= 0) fail("read list %s", file);
    list.size += (size_t)got;
  }
  close(fd);
  if (list.size == 0 || list.text[list.size - 1] != '\0') misuse("list %s does not end in NUL", file);
  return list;
}

int run_command(const char *name, int argc, char **argv) {
  int (*const rooms[])(const char *, int, char **) = {run_paths, run_trees, run_io, run_processes};
  for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
    int code = rooms[i](name, argc, argv);
    if (code >= 0) return code;
  }
  return -1;
}

// client ROOT COMMAND ARGUMENT...; `client true` is the smallest program that can be started from a mount.
int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "true") == 0) return 0;
  if (argc < 3) misuse("usage: client ROOT COMMAND ARGUMENT...");
  if (chdir(argv[1]) != 0) fail("chdir %s", argv[1]);
  int code = run_command(argv[2], argc - 3, argv + 3);
  if (code < 0) misuse("unknown command %s", argv[2]);
  return code;
}
