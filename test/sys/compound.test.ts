// The compound calls: the addon's do what the single ones do one after the other.

import { Buffer } from 'node:buffer';
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { errno } from '../../lib/errno.js';
import type { CompoundCalls } from '../../lib/sys/calls.js';
import { compound, READ } from '../../lib/sys/compound.js';
import { O_DIRECTORY, O_PATH, O_RDONLY } from '../../lib/sys/constants.js';
import { Examined } from '../../lib/sys/examined.js';
import { Stat, W } from '../../lib/sys/stat.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { bytes, inTempDir } from './native-util.js';

/** Runs `body` with either kind, in a fresh directory: its path and descriptor. */
function either(name: string, body: (t: Test, calls: CompoundCalls, dir: string, fd: number) => void): void {
  for (const [kind, calls] of [
    ['native', sys],
    ['put together', compound(sys)],
  ] as const) {
    void t.test(`${name}, ${kind}`, (t) => {
      t.same(
        inTempDir((dir, fd) => body(t, calls, dir, fd)),
        [],
      );
      t.end();
    });
  }
}

const BITS = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];
const times = { atime: 1_000_000_000, atimeNsec: 7, mtime: -5, mtimeNsec: 8 };

function wanted(mode: number): Stat {
  const stat = new Stat();
  stat.mode = mode;
  stat.words.set([times.atime, 0, times.mtime, -1], W.atime);
  stat.words.set([times.atimeNsec, times.mtimeNsec], W.atimeNsec);
  return stat;
}

either('examine', (t, calls, dir, d) => {
  writeFileSync(join(dir, 'f'), 'some');
  symlinkSync('f', join(dir, 'link'));
  sys.mknodAt(d, 'fifo', 0o010600, 0);
  const found = new Examined();
  t.equal(calls.examine(d, 'f', found), 0);
  t.equal(found.stat.size, 4);
  const read = new Uint8Array(8);
  t.equal(sys.pread(found.fd, read, 0), 4, 'open for reading');
  t.equal(found.flags, sys.getFlags(found.fd));
  t.notOk(found.hasXattrs);
  t.same(found.handle, sys.nameToHandle(d, 'f'));
  sys.close(found.fd);
  sys.setXattr(d, 'f', 'user.x', bytes('y'), 0);
  t.equal(calls.examine(d, 'f', found), 0);
  t.ok(found.hasXattrs);
  sys.close(found.fd);
  for (const name of ['link', 'fifo']) {
    t.equal(calls.examine(d, name, found), 0);
    t.same([found.fd, found.flags], [-errno.EBADF, -errno.EBADF], `${name} is not opened`);
  }
  t.equal(calls.examine(d, '', found), 0);
  t.ok(found.stat.isDirectory);
  t.same([found.fd, found.flags], [-errno.EBADF, sys.getFlags(d)]);
  const path = sys.openAt(d, 'f', O_PATH, 0);
  t.equal(calls.examine(path, '', found), 0);
  t.equal(found.flags, -errno.EBADF, 'O_PATH cannot be asked');
  sys.close(path);
  t.equal(calls.examine(d, 'none', found), -errno.ENOENT);
  t.throws(() => calls.examine(d, 'f', {} as Examined), TypeError);
});

either('readDirectories', (t, calls, dir, d) => {
  const parents = ['a', 'b', 'c', 'd'].map((parent) => {
    mkdirSync(join(dir, parent, 'x'), { recursive: true });
    for (let at = 0; at < 3; at += 1) writeFileSync(join(dir, parent, 'x', `${parent}${at}`), '');
    return sys.openAt(d, parent, O_RDONLY | O_DIRECTORY, 0);
  });
  const into = new Uint8Array(1 << 16);
  const out = new Int32Array(READ.words * parents.length);
  const word = (at: number, which: number): number => out[READ.words * at + which] as number;
  /** How many are plain; what is open is closed, and must be as many and, where `opens`, one more. */
  const read = (opens = false, from = 0, name = 'x', room = into): number => {
    out.fill(-1);
    const plain = calls.readDirectories(Int32Array.from(parents), name, room, from, 'mark', 'overlay', out);
    for (let at = 0; at < parents.length; at += 1) {
      const fd = word(at, READ.fd);
      t.equal(fd >= 0, at < plain || (opens && at === plain), `descriptor ${at}`);
      if (fd >= 0) sys.close(fd);
    }
    return plain;
  };
  t.equal(read(), 4);
  const seen = [0, 1, 2, 3].map((at) =>
    Buffer.from(into).subarray(at === 0 ? 0 : word(at - 1, READ.to), word(at, READ.to)),
  );
  for (const [at, parent] of ['a', 'b', 'c', 'd'].entries()) {
    t.equal(word(at, READ.count), 3);
    for (const name of [`${parent}0`, `${parent}2`]) t.ok((seen[at] as Buffer).includes(name), name);
  }
  const end = word(0, READ.to);
  t.equal(read(false, 64), 4);
  t.equal(word(0, READ.to), end + 64, 'from where it was told');
  t.equal(read(true, 0, 'x', new Uint8Array(end + 8)), 1, 'what does not fit');
  t.equal(read(false, 0, 'none'), 0);
  writeFileSync(join(dir, 'c/x/mark'), '');
  t.equal(read(true), 2);
  sys.setXattr(parents[1] as number, 'x', 'user.some', bytes('y'), 0);
  t.equal(read(true), 2, 'an xattr of somebody else');
  sys.setXattr(parents[1] as number, 'x', 'user.overlay.opaque', bytes('y'), 0);
  t.equal(read(true), 1);
  symlinkSync('x', join(dir, 'a/link'));
  t.equal(read(false, 0, 'link'), 0, 'is not followed');
  t.throws(() => calls.readDirectories(7 as never, 'x', into, 0, 'mark', 'overlay', out), TypeError);
  for (const fd of parents) sys.close(fd);
});

either('readDirectories of many', (t, calls, dir, d) => {
  const names = Array.from({ length: 60 }, (_, at) => `p${at}`);
  for (const name of names) {
    mkdirSync(join(dir, name, 'x'), { recursive: true });
    writeFileSync(join(dir, name, 'x', `of-${name}`), '');
  }
  const parents = Int32Array.from(names, (name) => sys.openAt(d, name, O_RDONLY | O_DIRECTORY, 0));
  const out = new Int32Array(READ.words * parents.length);
  const word = (at: number, which: number): number => out[READ.words * at + which] as number;
  /** How many are plain; each of these must have its own names, behind those of the one before. */
  const read = (room = new Uint8Array(1 << 16)): number => {
    out.fill(-1);
    const plain = calls.readDirectories(parents, 'x', room, 0, 'mark', 'overlay', out);
    for (const [at, name] of names.entries()) {
      const fd = word(at, READ.fd);
      if (fd >= 0) sys.close(fd);
      if (at > plain) t.ok(fd < 0, `descriptor ${at}`);
      if (at >= plain) continue;
      const records = Buffer.from(room).subarray(at === 0 ? 0 : word(at - 1, READ.to), word(at, READ.to));
      t.ok(fd >= 0 && word(at, READ.count) === 1 && records.includes(`of-${name}\0`), name);
    }
    return plain;
  };
  const open = readdirSync('/proc/self/fd').length;
  for (let time = 0; time < 50; time += 1) t.equal(read(), parents.length);
  t.equal(read(new Uint8Array(word(29, READ.to))), 30, 'as many as fit');
  writeFileSync(join(dir, 'p59/x/mark'), '');
  t.equal(read(), 59, 'the last is not plain');
  writeFileSync(join(dir, 'p20/x/mark'), '');
  for (let time = 0; time < 20; time += 1) t.equal(read(), 20, 'nor is one in between');
  writeFileSync(join(dir, 'p0/x/mark'), '');
  t.equal(read(), 0, 'nor the first');
  t.equal(readdirSync('/proc/self/fd').length, open, 'no descriptor is left');
  for (const fd of parents) sys.close(fd);
});

/** How many processors a thread of this process may use. */
function processorsOf(thread: string): number {
  const mask = /^Cpus_allowed:\t(.*)$/m.exec(readFileSync(`/proc/self/task/${thread}/status`, 'latin1'))?.[1] ?? '';
  return [...mask]
    .filter((digit) => digit !== ',')
    .reduce((sum, digit) => sum + (BITS[Number.parseInt(digit, 16)] as number), 0);
}

t.test('who helps to read many does so on another processor, if there is one', (t) => {
  const all = processorsOf(`${process.pid}`);
  const isHelper = (thread: string): boolean =>
    readFileSync(`/proc/self/task/${thread}/comm`, 'latin1') === 'stratafs-names\n';
  const helpers = readdirSync('/proc/self/task').filter(isHelper);
  t.equal(helpers.length, 1);
  for (const helper of helpers) t.equal(processorsOf(helper), Math.max(1, all - 1));
  t.end();
});

either('copyUnnamed', (t, calls, dir, d) => {
  writeFileSync(join(dir, 'f'), 'some');
  writeFileSync(join(dir, 'holes'), 'a');
  truncateSync(join(dir, 'holes'), 1 << 20);
  for (const [name, solid] of [
    ['f', true],
    ['f', false],
    ['holes', false],
  ] as const) {
    const from = sys.openAt(d, name, O_RDONLY, 0);
    const { size } = lstatSync(join(dir, name));
    const made = calls.copyUnnamed(d, from, size, solid, true);
    t.equal(sys.linkAt(made, '', d, `${name}.${solid}`), 0);
    t.same(readFileSync(join(dir, `${name}.${solid}`)), readFileSync(join(dir, name)));
    t.equal(lstatSync(join(dir, `${name}.${solid}`)).mode, 0o100600);
    for (const fd of [from, made]) sys.close(fd);
  }
  t.ok(lstatSync(join(dir, 'holes.false')).blocks < 64, 'holes stay');
  t.equal(calls.copyUnnamed(d, 9999, 4, true, false), -errno.EBADF);
  t.equal(calls.copyUnnamed(9999, d, 4, true, false), -errno.EBADF);
});

either('takeAttributes', (t, calls, dir, d) => {
  writeFileSync(join(dir, 'f'), '');
  symlinkSync('f', join(dir, 'link'));
  const root = process.geteuid?.() === 0;
  const stat = wanted(0o100751);
  stat.uid = root ? 7 : (process.geteuid?.() ?? 0);
  stat.gid = root ? 8 : (process.getegid?.() ?? 0);
  t.equal(calls.takeAttributes(d, 'f', stat, true), 0);
  const { mode, uid, gid, mtimeMs } = lstatSync(join(dir, 'f'));
  t.same([mode, uid, gid, Math.floor(mtimeMs / 1000)], [0o100751, stat.uid, stat.gid, -5]);
  stat.mode = 0o120777;
  t.equal(calls.takeAttributes(d, 'link', stat, false), 0, 'a symlink has no mode of its own');
  t.equal(lstatSync(join(dir, 'f')).mode, 0o100751);
  t.equal(calls.takeAttributes(d, 'none', stat, false), -errno.ENOENT);
});

either('linkQuietly and renameQuietly', (t, calls, dir, d) => {
  mkdirSync(join(dir, 'parent'));
  writeFileSync(join(dir, 'f'), 'some');
  mkdirSync(join(dir, 'd'));
  const parent = sys.openAt(d, 'parent', O_RDONLY | O_DIRECTORY, 0);
  t.equal(calls.takeAttributes(parent, '', wanted(0o040755), false), 0);
  const [before, after, made] = [new Stat(), new Stat(), new Stat()];
  t.equal(calls.linkQuietly(d, 'f', parent, 'linked', before, after, made), 0);
  t.equal(made.size, 4);
  t.equal(made.nlink, 2);
  t.equal(calls.renameQuietly(d, 'd', parent, 'moved', before, after, made), 0);
  t.ok(made.isDirectory);
  t.equal(after.nlink, before.nlink + 1);
  const now = new Stat();
  t.equal(sys.statAt(parent, '', now), 0);
  for (const stat of [before, after, now]) {
    t.same([...stat.words.slice(W.atime, W.mtime + 2)], [times.atime, 0, 0xffff_fffb, 0xffff_ffff]);
    t.same([...stat.words.slice(W.atimeNsec, W.mtimeNsec + 1)], [times.atimeNsec, times.mtimeNsec]);
  }
  t.same(now.words, after.words);
  t.equal(calls.linkQuietly(d, 'f', parent, 'linked', before, after, made), -errno.EEXIST);
  t.equal(calls.renameQuietly(d, 'd', parent, 'other', before, after, made), -errno.ENOENT);
  t.equal(calls.linkQuietly(d, 'f', 9999, 'linked', before, after, made), -errno.EBADF);
  sys.close(parent);
});
