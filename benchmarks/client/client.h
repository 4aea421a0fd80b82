// What the parts of the client share: failing, the clock, the report line, lists of paths.

#ifndef STRATAFS_BENCH_CLIENT_H
#define STRATAFS_BENCH_CLIENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/** Prints the message with the text of errno and exits 1. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/** The same for words on the command line that make no sense. */
void misuse(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** Page-aligned and written to once, so that no first touch falls into the timed part. */
void *allocate(size_t size);
uint64_t now_ns(void);
uint64_t number(const char *text);

/** Prints {"ops":N,"ns":N}; returns 0 for main. */
int report(uint64_t ops, uint64_t started);

/** A file of NUL-terminated paths. */
struct list {
  char *text;
  size_t size;
};
struct list load_list(const char *file);

/** One call on one path; exits when it fails. */
typedef void path_call(const char *path);
path_call *path_call_named(const char *name);

/** Runs one command; returns -1 when its name is unknown. */
int run_command(const char *name, int argc, char **argv);

int run_paths(const char *name, int argc, char **argv);
int run_trees(const char *name, int argc, char **argv);
int run_io(const char *name, int argc, char **argv);
int run_processes(const char *name, int argc, char **argv);

#endif
