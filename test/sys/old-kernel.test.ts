// The same tests with the newest calls answering ENOSYS, as a kernel before 6.6 does: every result
// must stay the same. The calls are taken away by a preloaded syscall(2), which needs a C compiler.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import { tempDir } from './native-util.js';

const source = `#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <stdarg.h>
long syscall(long n, ...) {
  static long (*real)(long, ...);
  if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list v;
  va_start(v, n);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(v, long);
  va_end(v);
  if (n == 434 || n == 452 || (n >= 463 && n <= 466)) { errno = ENOSYS; return -1; }
  return real(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
`;

test('without pidfd_open, fchmodat2 and the *xattrat calls', async (t) => {
  const { dir, remove } = tempDir();
  t.teardown(remove);
  const library = join(dir, 'old.so');
  writeFileSync(join(dir, 'old.c'), source);
  const built = spawnSync('cc', ['-shared', '-fPIC', '-o', library, join(dir, 'old.c'), '-ldl']);
  if (built.status !== 0) {
    t.comment('no C compiler');
    return;
  }
  for (const name of ['syscalls.test.js', 'xattr.test.js']) {
    const file = fileURLToPath(new URL(name, import.meta.url));
    const env = { ...process.env, LD_PRELOAD: library };
    const { status, stdout } = spawnSync(process.execPath, [file], { env, encoding: 'utf8' });
    t.equal(status, 0, `${name}: ${stdout.match(/^ *not ok .*$/gm)?.join('; ') ?? ''}`);
  }
});
