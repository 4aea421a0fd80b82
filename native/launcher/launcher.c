// Starts the driver and comes back when the mount answers, without a JavaScript engine of its own.
//
//   launcher NAME NODE MAIN [ARGUMENT…]
//
// NAME is what the program was called as, and decides nothing but whether a mount is asked for. A mount in the background is
// served by a child that says so on descriptor 3; everything else becomes NODE MAIN itself. Errors are the child's to print.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_FD = 3, FIXED_WORDS = 3, ROOM = 4096 };

static int is_one_of(const char *word, const char *const *list) {
  for (; *list; list++)
    if (strcmp(word, *list) == 0) return 1;
  return 0;
}

static int starts_with(const char *word, const char *prefix) { return strncmp(word, prefix, strlen(prefix)) == 0; }

/** Whether an option list holds the word debug, which implies the foreground. */
static int asks_debug(const char *list) {
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (starts_with(at, "debug") && (at[5] == ',' || at[5] == '\0')) return 1;
  return 0;
}

/** Whether the arguments of a mount ask for something that ends in the caller's own process. */
static int stays(char **argv) {
  static const char *const words[] = {"-f", "-d", "--foreground", "--debug", "-h", "--help", "-V", "--version", NULL};
  for (; *argv; argv++) {
    if (strcmp(*argv, "-o") == 0 && argv[1]) {
      if (asks_debug(*++argv)) return 1;
    } else if (is_one_of(*argv, words) || (starts_with(*argv, "-o") && asks_debug(*argv + 2)))
      return 1;
  }
  return 0;
}

static int is_mount(const char *name, char **argv) {
  if (starts_with(name, "umount.")) return 0;
  return strcmp(name, "stratafs") != 0 || (argv[0] && strcmp(argv[0], "mount") == 0);
}

static int fail(const char *what) {
  fprintf(stderr, "stratafs: %s: %s\n", what, strerror(errno));
  return 1;
}

/** Becomes NODE MAIN [--serve] --as=NAME ARGUMENT…; returns only when that fails. */
static int become(char **words, int serves) {
  int count = 0;
  while (words[count]) count++;
  char **argv = calloc(count + 3, sizeof *argv);
  char *as = NULL;
  if (!argv || asprintf(&as, "--as=%s", words[0]) < 0) return fail("memory");
  char **at = argv;
  *at++ = words[1];
  *at++ = words[2];
  *at++ = as;
  if (serves) *at++ = "--serve";
  memcpy(at, words + FIXED_WORDS, (count - FIXED_WORDS) * sizeof *at);
  execv(argv[0], argv);
  return fail(argv[0]);
}

/**
 * Room for as many descriptors as a server soon has. Once there are threads, each growth of the table waits until every
 * processor has been seen to be out of the kernel (RCU), some 10 ms; before that it waits for nothing. The table stays
 * large beyond exec, and the driver raises this limit in any case.
 */
static void make_room(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const int far = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, ROOM - 1);
  if (far >= 0) close(far);
}

/** The server's side: a session of its own, no descriptor of the caller's but stderr. */
static int serve(char **words, int ready) {
  setsid();
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) return fail("/dev/null");
  dup2(null, 0);
  dup2(null, 1);
  // What the caller leaked must not stay open as long as the mount does.
  if (dup2(ready, READY_FD) < 0) return fail("dup2");
  syscall(SYS_close_range, READY_FD + 1, ~0U, 0);
  make_room();
  return become(words, 1);
}

/** 0 when the child says that it is ready, else the code it ends with. */
static int await(pid_t child, int ready) {
  char byte;
  ssize_t got;
  while ((got = read(ready, &byte, 1)) < 0 && errno == EINTR) continue;
  if (got > 0) return 0;
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
  if (argc < 1 + FIXED_WORDS) {
    fputs("usage: launcher NAME NODE MAIN [ARGUMENT...]\n", stderr);
    return 2;
  }
  char **words = argv + 1;
  const int mounts = is_mount(words[0], words + FIXED_WORDS);
  // A mount speaks to no network, and older versions of Node.js parse all certificates before they begin.
  if (mounts) unsetenv("NODE_EXTRA_CA_CERTS");
  if (!mounts || stays(words + FIXED_WORDS)) {
    if (mounts) make_room();
    return become(words, 0);
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return fail("pipe");
  // A pipe end on the ready descriptor itself would keep its close-on-exec flag through dup2.
  const int ready = fcntl(ends[1], F_DUPFD_CLOEXEC, READY_FD + 1);
  const pid_t child = ready < 0 ? -1 : fork();
  if (child < 0) return fail("fork");
  if (child == 0) _exit(serve(words, ready));
  close(ends[1]);
  close(ready);
  return await(child, ends[0]);
}
