// Memory maps that the agent keeps by number. An access beyond the end of the file is -EFAULT.
#include "agent.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define MAX_MAPS 32

static struct {
  char *base;
  size_t length;
} maps[MAX_MAPS];

static sigjmp_buf fault;

static void on_fault(int signal) {
  (void)signal;
  siglongjmp(fault, 1);
}

static int guarded(void *to, const void *from, size_t length) {
  struct sigaction action = {.sa_handler = on_fault}, old_bus, old_segv;
  int failed = 0;
  sigaction(SIGBUS, &action, &old_bus);
  sigaction(SIGSEGV, &action, &old_segv);
  if (sigsetjmp(fault, 1)) failed = 1;
  else memcpy(to, from, length);
  sigaction(SIGBUS, &old_bus, NULL);
  sigaction(SIGSEGV, &old_segv, NULL);
  return failed;
}

// mmap FD LENGTH PROT FLAGS OFFSET
static long long do_mmap(void) {
  for (int i = 0; i < MAX_MAPS; i++) {
    if (maps[i].base) continue;
    char *base = mmap(NULL, (size_t)num(2), (int)num(3), (int)num(4), (int)num(1), num(5));
    if (base == MAP_FAILED) return -errno;
    maps[i].base = base;
    maps[i].length = (size_t)num(2);
    return i;
  }
  return -EMFILE;
}

static long long do_mapread(void) {
  static char copy[1 << 20];
  size_t length = (size_t)num(3);
  if (guarded(copy, maps[num(1)].base + num(2), length)) return -EFAULT;
  put_bytes(copy, length);
  return (long long)length;
}

static long long do_mapwrite(void) {
  return guarded(maps[num(1)].base + num(2), str(3), len(3)) ? -EFAULT : (long long)len(3);
}

static long long do_msync(void) { return RESULT(msync(maps[num(1)].base, maps[num(1)].length, MS_SYNC)); }

static long long do_munmap(void) {
  int status = munmap(maps[num(1)].base, maps[num(1)].length);
  maps[num(1)].base = NULL;
  return RESULT(status);
}

const struct call map_calls[] = {{"mmap", do_mmap},   {"mapread", do_mapread}, {"mapwrite", do_mapwrite},
                                 {"msync", do_msync}, {"munmap", do_munmap},   {NULL, NULL}};
