// The tables against the C compiler and <linux/fuse.h>; what the installed header is too old to
// know is declared here a second time, in C.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  InitFlag,
  laterStructs,
  NotifyCode,
  Opcode,
  OpenFlag,
  opcodeName,
  SetattrValid,
  structs,
} from '../../lib/wire/abi.js';

const HEADER = '/usr/include/linux/fuse.h';

const later = `
#if FUSE_KERNEL_MINOR_VERSION < 39
struct fuse_sx_time { int64_t tv_sec; uint32_t tv_nsec; int32_t __reserved; };
struct fuse_statx {
  uint32_t mask, blksize; uint64_t attributes; uint32_t nlink, uid, gid; uint16_t mode, __spare0[1];
  uint64_t ino, size, blocks, attributes_mask; struct fuse_sx_time atime, btime, ctime, mtime;
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor; uint64_t __spare2[14];
};
struct fuse_statx_in { uint32_t getattr_flags, reserved; uint64_t fh; uint32_t sx_flags, sx_mask; };
struct fuse_statx_out {
  uint64_t attr_valid; uint32_t attr_valid_nsec, flags; uint64_t spare[2]; struct fuse_statx stat;
};
#endif
#if FUSE_KERNEL_MINOR_VERSION < 43
struct later_init_out {
  uint32_t major, minor, max_readahead, flags; uint16_t max_background, congestion_threshold;
  uint32_t max_write, time_gran; uint16_t max_pages, map_alignment; uint32_t flags2, max_stack_depth;
  uint16_t request_timeout, unused[11];
};
#define fuse_init_out later_init_out
struct later_open_out { uint64_t fh; uint32_t open_flags; int32_t backing_id; };
#define fuse_open_out later_open_out
#endif
#if FUSE_KERNEL_MINOR_VERSION < 45
struct fuse_copy_file_range_out { uint64_t bytes_copied; };
struct fuse_notify_prune_out { uint32_t count, padding; uint64_t spare; };
#endif
struct later_supp_groups { uint32_t nr_groups; uint32_t groups[]; };
#define fuse_supp_groups later_supp_groups
`;

type Layouts = Record<string, Readonly<Record<string, number>>>;

function printfs(layouts: Layouts): string {
  return Object.entries(layouts)
    .flatMap(([struct, fields]) =>
      Object.keys(fields).map((field) => {
        const c = field.replace(/_$/, '');
        const value = field === 'size' ? `sizeof(struct ${struct})` : `offsetof(struct ${struct}, ${c})`;
        return `printf("${struct}.${field} %zu\\n", ${value});`;
      }),
    )
    .join('\n');
}

function constants(prefix: string, names: string[]): string {
  return names
    .map(
      (name) =>
        `#ifdef ${prefix}${name}\nprintf("${prefix}${name} %llu\\n", (unsigned long long)${prefix}${name});\n#endif`,
    )
    .join('\n');
}

/** Enumerators cannot be asked for with #ifdef: only those of 7.38 are printed. */
function enumerators(prefix: string, names: string[]): string {
  return names.map((name) => `printf("${prefix}${name} %llu\\n", (unsigned long long)${prefix}${name});`).join('\n');
}

const oldOpcodes = Object.entries(Opcode).filter(([, code]) => code <= 51);
const oldCodes = Object.entries(NotifyCode).filter(([, code]) => code <= 6);

function program(): string {
  return `#include <linux/fuse.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {
${printfs(structs)}
${constants('FUSE_', Object.keys(InitFlag))}
${constants('FOPEN_', Object.keys(OpenFlag))}
${constants('FATTR_', Object.keys(SetattrValid))}
${enumerators(
  'FUSE_',
  oldOpcodes.map(([name]) => name),
)}
${enumerators(
  'FUSE_NOTIFY_',
  oldCodes.map(([name]) => name),
)}
${later}
${printfs(laterStructs)}
return 0; }\n`;
}

function compileAndRun(source: string): Map<string, number> {
  const dir = mkdtempSync(join(tmpdir(), 'stratafs-abi-'));
  try {
    writeFileSync(join(dir, 'abi.c'), source);
    const compiled = spawnSync('gcc', ['-o', join(dir, 'abi'), join(dir, 'abi.c')], { encoding: 'utf8' });
    if (compiled.status !== 0) throw new Error(compiled.stderr);
    const { stdout } = spawnSync(join(dir, 'abi'), { encoding: 'utf8' });
    const lines = stdout.trim().split('\n');
    return new Map(lines.map((line) => line.split(' ')).map(([key = '', value]) => [key, Number(value)]));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const hasGcc = spawnSync('gcc', ['--version']).status === 0;
const skip = hasGcc && existsSync(HEADER) ? false : `needs gcc and ${HEADER}`;

t.test('every size, offset and constant is what the C compiler says', { skip }, (t) => {
  const c = compileAndRun(program());
  for (const layouts of [structs, laterStructs] as Layouts[]) {
    for (const [struct, fields] of Object.entries(layouts)) {
      for (const [field, value] of Object.entries(fields))
        t.equal(c.get(`${struct}.${field}`), value, `${struct}.${field}`);
    }
  }
  for (const [name, code] of oldOpcodes) t.equal(c.get(`FUSE_${name}`), code, name);
  for (const [name, code] of oldCodes) t.equal(c.get(`FUSE_NOTIFY_${name}`), code, name);
  t.end();
});

t.test('every flag the header has is the same flag here', { skip }, (t) => {
  const c = compileAndRun(program());
  let seen = 0;
  for (const [name, flag] of Object.entries(InitFlag)) {
    const value = c.get(`FUSE_${name}`);
    if (value === undefined) continue;
    seen += 1;
    // FUSE_INIT_RESERVED is a signed int in C, so it arrives sign-extended.
    if (name !== 'INIT_RESERVED') t.equal(value, flag.bit * (flag.word === 1 ? 2 ** 32 : 1), name);
  }
  t.ok(seen >= 35, 'the header names most flags');
  for (const [name, value] of Object.entries(OpenFlag)) t.ok([undefined, value].includes(c.get(`FOPEN_${name}`)), name);
  for (const [name, value] of Object.entries(SetattrValid)) t.equal(c.get(`FATTR_${name}`), value, name);
  t.end();
});

t.test('flags are distinct bits', (t) => {
  const seen = new Set(Object.values(InitFlag).map((flag) => `${flag.word}:${flag.bit}`));
  t.equal(seen.size, Object.keys(InitFlag).length);
  t.ok(Object.values(InitFlag).every(({ bit }) => bit > 0 && Number.isInteger(Math.log2(bit))));
  t.strictSame(InitFlag.PASSTHROUGH, { word: 1, bit: 1 << 5 });
  t.strictSame(InitFlag.REQUEST_TIMEOUT, { word: 1, bit: 1 << 10 });
  t.end();
});

t.test('opcodes have names', (t) => {
  t.equal(opcodeName(Opcode.COPY_FILE_RANGE_64), 'COPY_FILE_RANGE_64');
  t.equal(opcodeName(1), 'LOOKUP');
  t.equal(opcodeName(7), 'OP7');
  t.end();
});
