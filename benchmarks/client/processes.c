// Commands that start processes: run (one program to its end), spawn (one program many times), and beside
// (how long others wait while one command runs).

#include "client.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pid_t start(const char *program, char **argv, const posix_spawn_file_actions_t *actions) {
  pid_t child;
  int error = posix_spawnp(&child, program, actions, NULL, argv, environ);
  if (error != 0) errno = error, fail("start %s", program);
  return child;
}

/** A child that fails has said why, so its exit code is passed on without another word. */
static void await_success(pid_t child, const char *what) {
  int status;
  if (waitpid(child, &status, 0) < 0) fail("wait for %s", what);
  if (!WIFEXITED(status)) misuse("%s was killed by signal %d", what, WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) exit(WEXITSTATUS(status));
}

// run PROGRAM ARGUMENT...: its output is thrown away, its errors are ours.
static int run_program(int argc, char **argv) {
  if (argc < 1) misuse("run PROGRAM ARGUMENT...");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  uint64_t started = now_ns();
  await_success(start(argv[0], argv, &actions), argv[0]);
  return report(1, started);
}

// spawn COUNT PROGRAM ARGUMENT...
static int run_spawn(int argc, char **argv) {
  if (argc < 2) misuse("spawn COUNT PROGRAM ARGUMENT...");
  uint64_t count = number(argv[0]);
  uint64_t started = now_ns();
  for (uint64_t i = 0; i < count; i++) await_success(start(argv[1], argv + 1, NULL), argv[1]);
  return report(count, started);
}

// ---- beside ------------------------------------------------------------------------------------------

enum { MOST_PROBES = 200000 };

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/** One name that nobody asked for before: the server must be asked. */
static uint64_t probe(uint64_t index) {
  char name[64];
  struct stat st;
  snprintf(name, sizeof name, "probe-%d-%llu", getpid(), (unsigned long long)index);
  uint64_t before = now_ns();
  if (lstat(name, &st) == 0 || errno != ENOENT) fail("lstat of the missing name %s", name);
  return now_ns() - before;
}

static pid_t start_slow(int argc, char **argv) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) return child;
  if (freopen("/dev/null", "w", stdout) == NULL) fail("open /dev/null");
  int code = run_command(argv[0], argc - 1, argv + 1);
  exit(code < 0 ? 2 : code);
}

static int has_ended(pid_t child) {
  int status;
  pid_t ended = waitpid(child, &status, WNOHANG);
  if (ended < 0) fail("wait");
  if (ended > 0 && status != 0) exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  return ended > 0;
}

// beside MILLISECONDS [COMMAND ARGUMENT...]: probes until the command has ended, without one for that long.
// A pause of 100 us between probes leaves the processors to the others.
static int run_beside(int argc, char **argv) {
  if (argc < 1) misuse("beside MILLISECONDS [COMMAND ARGUMENT...]");
  const struct timespec pause = {.tv_nsec = 100000};
  uint64_t *waits = allocate(MOST_PROBES * sizeof *waits);
  uint64_t quiet = number(argv[0]) * 1000000ull;
  probe(MOST_PROBES);
  uint64_t started = now_ns();
  pid_t slow = argc > 1 ? start_slow(argc - 1, argv + 1) : 0;
  uint64_t count = 0;
  while (count < MOST_PROBES && (slow > 0 ? !has_ended(slow) : now_ns() - started < quiet)) {
    waits[count] = probe(count);
    count++;
    nanosleep(&pause, NULL);
  }
  uint64_t ns = now_ns() - started;
  if (slow > 0 && count == MOST_PROBES) await_success(slow, argv[1]);
  if (count == 0) misuse("it ended before the first probe");
  qsort(waits, count, sizeof *waits, by_value);
  printf("{\"ops\":%llu,\"ns\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu}\n", (unsigned long long)count,
         (unsigned long long)ns, (unsigned long long)waits[count / 2], (unsigned long long)waits[count * 99 / 100],
         (unsigned long long)waits[count - 1]);
  return 0;
}

int run_processes(const char *name, int argc, char **argv) {
  if (strcmp(name, "run") == 0) return run_program(argc, argv);
  if (strcmp(name, "spawn") == 0) return run_spawn(argc, argv);
  if (strcmp(name, "beside") == 0) return run_beside(argc, argv);
  return -1;
}
