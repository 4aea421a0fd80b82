// Open files: copy-up for writers, io modes and backings, what follows a copy-up, what release leaves.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../lib/sys/constants.js';
import { handleOf, release } from '../../lib/union/handles.js';
import type { FileNode } from '../../lib/union/inode.js';
import { type Opened, openFile, refusePrivileges } from '../../lib/union/open.js';
import { unlink } from '../../lib/union/remove.js';
import { sweep } from '../support/fault-sweep.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { raw } from '../support/plant.js';
import { file, hardlink } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const elf = file(`\x7fELF${'x'.repeat(60)}`, { mode: 0o755 });
const lowers = [{ f: file('lower'), elf, a: file('ab'), b: hardlink('a') }];
const upper = { u: file('upper'), suid: file('s', { mode: 0o4755 }) };
const cached: Layout = { lowers, upper };
const auto: Layout = { lowers, upper, options: { passthrough: 'auto' } };

const open = (w: TempUnion, path: string, flags: number = O_RDONLY, opener = 0): Opened =>
  openFile(w.u, w.file(path), flags, { uid: opener, gid: opener, pid: 0 });

function readBack(w: TempUnion, opened: Opened): string {
  const into = new Uint8Array(100);
  const count = w.sys.pread(w.plane.fds.get(opened.handle.fh) ?? -1, into, 0);
  return Buffer.from(into.subarray(0, Math.max(count, 0))).toString('latin1');
}

unionTest(t, 'reading copies nothing up', cached, (t, w) => {
  const opened = open(w, 'f');
  t.notOk(w.file('f').inUpper);
  t.equal(readBack(w, opened), 'lower');
  t.match(opened, { backing: null, keepCache: true });
  t.equal(handleOf(w.u, opened.handle.fh), opened.handle);
  release(w.u, opened.handle.fh);
  t.equal(
    codeOf(() => handleOf(w.u, opened.handle.fh)),
    errno.EBADF,
  );
  t.equal(w.file('f').handles, null);
  release(w.u, opened.handle.fh);
  t.equal(w.file('f').cachedOpens, 0, 'released once');
});

unionTest(t, 'each way of writing copies up', cached, (t, w) => {
  for (const [path, flags] of [
    ['f', O_WRONLY],
    ['elf', O_RDWR],
    ['a', O_RDONLY | O_TRUNC],
  ] as const) {
    const opened = open(w, path, flags);
    t.ok(w.file(path).inUpper, path);
    release(w.u, opened.handle.fh);
  }
  t.equal(w.read('a'), '', 'cut at open');
});

unionTest(t, 'a read-only fd opened before a copy-up sees what is written after it', cached, (t, w) => {
  const reader = open(w, 'f');
  const writer = open(w, 'f', O_WRONLY);
  w.sys.pwrite(w.plane.fds.get(writer.handle.fh) ?? -1, raw('WRITE'), 0);
  t.equal(readBack(w, reader), 'WRITE');
  for (const { handle } of [reader, writer]) release(w.u, handle.fh);
});

for (const volatile of [false, true]) {
  const options = { ...cached, options: { ...cached.options, volatile } };
  unionTest(
    t,
    `an fsync needs no decision where the upper is written${volatile ? ', and none is made on a volatile mount' : ''}`,
    options,
    (t, w) => {
      const [reader, writer] = [open(w, 'f'), open(w, 'u', O_WRONLY)];
      t.notOk(w.plane.fsyncs.has(reader.handle.fh), 'a lower file');
      t.equal(w.plane.fsyncs.has(writer.handle.fh), !volatile);
      const copied = open(w, 'f', O_RDWR);
      t.equal(w.plane.fsyncs.has(copied.handle.fh), !volatile, 'a copy');
      t.notOk(w.plane.fsyncs.has(reader.handle.fh), 'what was opened for reading may be sealed');
      for (const { handle } of [reader, writer, copied]) release(w.u, handle.fh);
    },
  );
}

unionTest(t, 'flags that the kernel has applied are not applied again', cached, (t, w) => {
  const opened = open(w, 'u', O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  t.equal(opened.handle.openFlags, O_RDWR);
  t.ok(opened.handle.writable);
  release(w.u, opened.handle.fh);
});

unionTest(t, 'an unlinked file is opened by what is left of it', cached, (t, w) => {
  for (const path of ['f', 'u']) {
    const node = w.file(path);
    unlink(w.u, w.dir(''), path);
    const opened = openFile(w.u, node, O_RDONLY);
    t.equal(readBack(w, opened), path === 'f' ? 'lower' : 'upper');
    release(w.u, opened.handle.fh);
  }
});

unionTest(t, 'passthrough: one backing for all opens of a node', auto, (t, w) => {
  const [one, two] = [open(w, 'u'), open(w, 'u', O_RDWR)];
  t.equal(one.backing, two.backing);
  t.match(one.backing, { onLower: false, users: 2 });
  t.notOk(one.keepCache, 'never with passthrough');
  release(w.u, one.handle.fh);
  t.equal(w.plane.backings.size, 1);
  release(w.u, two.handle.fh);
  t.equal(w.plane.backings.size, 0);
  t.ok(w.stale.includes(w.file('u')), 'the kernel is told that attributes may have changed');
  const later = open(w, 'u');
  release(w.u, later.handle.fh);
});

unionTest(t, 'code in a lower is passed through, other lower files are not', auto, (t, w) => {
  const [code, data] = [open(w, 'elf'), open(w, 'f')];
  t.match(code.backing, { onLower: true });
  t.equal(data.backing, null);
  for (const { handle } of [code, data]) release(w.u, handle.fh);
});

unionTest(t, 'writing to a node whose lower file is open in passthrough: ESTALE, then a new node', auto, (t, w) => {
  const reader = open(w, 'elf');
  const old = w.file('elf');
  const { inoLow } = old;
  t.equal(
    codeOf(() => openFile(w.u, old, O_RDWR)),
    errno.ESTALE,
  );
  const fresh = w.file('elf');
  t.not(fresh, old);
  t.equal(fresh.inoLow, inoLow, 'st_ino stays');
  t.ok(fresh.inUpper);
  const writer = openFile(w.u, fresh, O_RDWR);
  t.match(writer.backing, { onLower: false });
  t.equal(readBack(w, reader).slice(1, 4), 'ELF');
  for (const { handle } of [reader, writer]) release(w.u, handle.fh);
});

unionTest(t, 'a passthrough that is refused for the mount is not asked for again', auto, (t, w) => {
  w.plane.refusal = -errno.EPERM;
  const opened = open(w, 'u');
  t.equal(opened.backing, null);
  t.equal(opened.handle.mode, 'cached');
  t.notOk(w.u.passthrough);
  release(w.u, opened.handle.fh);
});

unionTest(t, 'one that is refused for a file is', auto, (t, w) => {
  w.plane.refusal = -errno.ELOOP;
  const opened = open(w, 'u');
  t.ok(w.u.passthrough);
  release(w.u, opened.handle.fh);
});

unionTest(t, 'a setuid file is not written in passthrough, by whomever it was opened', auto, (t, w) => {
  for (const opener of [0, 1000]) {
    const opened = open(w, 'suid', O_RDWR, opener);
    t.equal(opened.backing, null, `opened by ${opener}`);
    release(w.u, opened.handle.fh);
  }
  const reader = open(w, 'suid');
  const byRoot = open(w, 'suid', O_RDWR);
  t.not(byRoot.backing, null, 'beside a reader in passthrough there is no choice');
  t.ok(w.has('suid') && (w.stat.mode & 0o4000) !== 0, 'and root keeps the bit');
  for (const { handle } of [byRoot, reader]) release(w.u, handle.fh);
});

unionTest(t, 'nor made setuid while another writes it in passthrough', auto, (t, w) => {
  const opened = open(w, 'u', O_RDWR, 1000);
  t.equal(
    codeOf(() => refusePrivileges(w.u, w.file('u'), 0)),
    errno.ETXTBSY,
  );
  t.equal(
    codeOf(() => refusePrivileges(w.u, w.file('u'), 1000)),
    0,
    'the owner may',
  );
  release(w.u, opened.handle.fh);
  t.equal(
    codeOf(() => refusePrivileges(w.u, w.file('u'), 0)),
    0,
  );
});

unionTest(t, 'a data plane that takes nothing', cached, (t, w) => {
  w.plane.attach = () => -errno.EBADF;
  t.equal(
    codeOf(() => open(w, 'f')),
    errno.EBADF,
  );
  t.equal(w.u.handles.size, 0);
});

const copying = new FaultySyscalls();
unionTest(t, 'a read-only union', { lowers, upper: null, sys: copying.syscalls }, (t, w) => {
  t.equal(
    codeOf(() => open(w, 'f', O_RDWR)),
    errno.EROFS,
  );
  const opened = open(w, 'f');
  release(w.u, opened.handle.fh);
});

for (const path of ['f', 'u', 'a']) {
  sweep(t, {
    name: `open of ${path} for writing`,
    layout: cached,
    prepare: (w) => {
      const node: FileNode = w.file(path);
      if (path === 'f') openFile(w.u, node, O_RDONLY);
      return () => release(w.u, openFile(w.u, node, O_RDWR).handle.fh);
    },
  });
}
