// What the agent's files share: the request at hand as tokens, the reply being built, and the
// table of calls. The agent does what it is told and knows nothing of unions.
#ifndef STRATAFS_AGENT_H
#define STRATAFS_AGENT_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TOKENS 64

struct token {
  char *bytes;
  size_t length;
};

extern struct token tokens[MAX_TOKENS];
extern int token_count;

// Argument `i`, counted from 1 after the call's name. A missing one is 0 or "".
long long num(int i);
const char *str(int i);
size_t len(int i);

// Appends one more token to the reply, after the result.
void put_num(long long value);
void put_unsigned(unsigned long long value);
void put_bytes(const void *bytes, size_t length);

// A libc result as the agent answers it: itself, or -errno.
#define RESULT(call) ({ long long r_ = (call); r_ < 0 ? -(long long)errno : r_; })

struct call {
  const char *name;
  long long (*run)(void);
};

extern const struct call path_calls[], fd_calls[], map_calls[], walk_calls[], mount_calls[], namespace_calls[];

#endif
