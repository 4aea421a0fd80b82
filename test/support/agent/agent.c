// One client process of the filesystem under test. Reads a call per line from stdin, makes it, and
// answers a line: the result (or -errno) and what the call gave back. Strings are percent-encoded.
#include "agent.h"
#include <signal.h>
#include <sys/resource.h>

struct token tokens[MAX_TOKENS];
int token_count;

static char *reply;
static size_t reply_length, reply_capacity;

long long num(int i) {
  return i < token_count ? strtoll(tokens[i].bytes, NULL, 10) : 0;
}

const char *str(int i) {
  return i < token_count ? tokens[i].bytes : "";
}

size_t len(int i) {
  return i < token_count ? tokens[i].length : 0;
}

static void append(const char *bytes, size_t length) {
  while (reply_length + length + 1 > reply_capacity) {
    reply_capacity = reply_capacity ? reply_capacity * 2 : 1 << 16;
    reply = realloc(reply, reply_capacity);
  }
  memcpy(reply + reply_length, bytes, length);
  reply_length += length;
}

void put_num(long long value) {
  char text[32];
  append(text, (size_t)snprintf(text, sizeof text, " %lld", value));
}

void put_unsigned(unsigned long long value) {
  char text[32];
  append(text, (size_t)snprintf(text, sizeof text, " %llu", value));
}

static int plain(unsigned char c) {
  return c > 32 && c < 127 && c != '%';
}

void put_bytes(const void *bytes, size_t length) {
  static const char hex[] = "0123456789abcdef";
  const unsigned char *from = bytes;
  append(length ? " " : " %", length ? 1 : 2);
  for (size_t i = 0; i < length; i++) {
    char escaped[3] = {'%', hex[from[i] >> 4], hex[from[i] & 15]};
    if (plain(from[i])) append((const char *)from + i, 1);
    else append(escaped, 3);
  }
}

static int nibble(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

// Decodes a token in place. A lone '%' is the empty string.
static size_t decode(char *token) {
  char *to = token;
  if (strcmp(token, "%") == 0) token[0] = 0;
  for (char *from = token; *from; from++) {
    if (*from != '%') {
      *to++ = *from;
      continue;
    }
    *to++ = (char)(nibble(from[1]) << 4 | nibble(from[2]));
    from += 2;
  }
  *to = 0;
  return (size_t)(to - token);
}

static void tokenize(char *line) {
  token_count = 0;
  for (char *word = strtok(line, " \n"); word && token_count < MAX_TOKENS; word = strtok(NULL, " \n")) {
    tokens[token_count].bytes = word;
    token_count++;
  }
  for (int i = 0; i < token_count; i++) tokens[i].length = decode(tokens[i].bytes);
}

static const struct call *find(const char *name) {
  const struct call *const tables[] = {path_calls, fd_calls,    map_calls,
                                       walk_calls, mount_calls, namespace_calls};
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
    for (const struct call *call = tables[t]; call->name; call++) {
      if (strcmp(call->name, name) == 0) return call;
    }
  }
  return NULL;
}

static void answer(const struct call *call) {
  char text[32];
  reply_length = 0;
  errno = 0;
  long long result = call ? call->run() : -ENOSYS;
  int length = snprintf(text, sizeof text, "%lld", result);
  fwrite(text, 1, (size_t)length, stdout);
  fwrite(reply, 1, reply_length, stdout);
  fputc('\n', stdout);
  fflush(stdout);
}

int main(void) {
  char *line = NULL;
  size_t capacity = 0;
  struct rlimit files = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  umask(0);
  // A fifo that nobody reads is an errno, not an end.
  signal(SIGPIPE, SIG_IGN);
  append("", 0);
  while (getline(&line, &capacity, stdin) > 0) {
    tokenize(line);
    answer(token_count ? find(tokens[0].bytes) : NULL);
  }
  return 0;
}
