// The flags of chattr: which changes they refuse, where they are kept, and what asking for them costs.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { O_APPEND, O_RDWR, O_TRUNC, O_WRONLY, UTIME_NOW } from '../../lib/sys/constants.js';
import { link, mkdir } from '../../lib/union/create.js';
import { release } from '../../lib/union/handles.js';
import { getFlags, getFsx, setFlags, setFsx } from '../../lib/union/inode-flags.js';
import { openFile } from '../../lib/union/open.js';
import { APPEND, IMMUTABLE, PROTECTING, protectionOf } from '../../lib/union/protection.js';
import { rmdir, unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { setAttributes } from '../../lib/union/set-attributes.js';
import { removeXattr, setXattr } from '../../lib/union/xattrs.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, type Meta, type TreeSpec } from '../support/tree.js';
import { codeOf, type Layout, root, type TempUnion, unionTest } from '../support/union-in-temp.js';

const now = { seconds: 0, nanoseconds: UTIME_NOW };
const marked = (flags: string, dialect = 'trusted'): Meta => ({ xattrs: { [`${dialect}.overlay.protattr`]: flags } });

/** The changes of `name` in the root that are let through. */
function allowed(w: TempUnion, name: string): string[] {
  const node = w.file(name);
  const { u } = w;
  const top = w.dir('');
  const open = (flags: number) => (): void => release(u, openFile(u, node, flags).handle.fh);
  const changes: Record<string, () => unknown> = {
    append: open(O_WRONLY | O_APPEND),
    touch: () => setAttributes(u, node, { atime: now, mtime: now }, w.stat),
    write: open(O_RDWR),
    cut: open(O_WRONLY | O_APPEND | O_TRUNC),
    chmod: () => setAttributes(u, node, { mode: 0o600 }, w.stat),
    size: () => setAttributes(u, node, { size: 1 }, w.stat),
    times: () => setAttributes(u, node, { mtime: { seconds: 1, nanoseconds: 0 } }, w.stat),
    xattr: () => setXattr(u, node, 'user.x', new Uint8Array(1), 0, false),
    noXattr: () => removeXattr(u, node, 'user.x'),
    link: () => link(u, node, top, `${name}-link`, w.stat),
    move: () => rename(u, top, name, top, `${name}-new`, 0),
    remove: () => unlink(u, top, `${name}-new`),
  };
  const codes: readonly number[] = [errno.EPERM, errno.ENOENT];
  const refused = (change: () => unknown): boolean => codes.includes(codeOf(change));
  return Object.keys(changes).filter((key) => !refused(changes[key] as () => unknown));
}

const everything = [
  'append',
  'touch',
  'write',
  'cut',
  'chmod',
  'size',
  'times',
  'xattr',
  'noXattr',
  'link',
  'move',
  'remove',
];
const upper: TreeSpec = {
  i: file('i', marked('i')),
  a: file('a', marked('a')),
  both: file('ia', marked('ia')),
  user: file('i', marked('i', 'user')),
  free: file('free', { xattrs: { 'trusted.overlay.origin': 'x' } }),
};
unionTest(t, 'kernel overlayfs’s marks in the upper', { upper, lowers: [{}] }, (t, w) => {
  for (const name of ['i', 'both', 'user']) t.same(allowed(w, name), [], name);
  t.same(allowed(w, 'a'), ['append', 'touch']);
  t.same(allowed(w, 'free'), everything);
});

unionTest(t, 'such a mark in a lower means nothing', { lowers: [{ i: file('i', marked('i')) }] }, (t, w) => {
  t.same(allowed(w, 'i'), everything);
});

const tree: Layout = { lowers: [{ f: file('f'), d: dir({ x: file('x'), e: dir({}) }) }], upper: { u: file('u') } };
unionTest(t, 'set, shown, heeded, kept and taken away', tree, async (t, w) => {
  for (const path of ['f', 'u', 'd']) {
    setFlags(w.u, w.node(path), getFlags(w.u, w.node(path)) | APPEND);
    await w.remount();
    t.equal(getFlags(w.u, w.node(path)) & PROTECTING, APPEND, path);
  }
  t.same(allowed(w, 'f'), ['append', 'touch']);
  w.u.nodes.remember(mkdir(w.u, w.dir('d'), 'new', 0o755, root, w.stat));
  w.node('d/x');
  for (const change of [
    () => unlink(w.u, w.dir('d'), 'x'),
    () => rmdir(w.u, w.dir('d'), 'new'),
    () => rename(w.u, w.dir('d'), 'new', w.dir(''), 'new', 0),
  ]) {
    t.equal(codeOf(change), errno.EPERM);
  }
  setFlags(w.u, w.node('d'), IMMUTABLE);
  t.equal(
    codeOf(() => mkdir(w.u, w.dir('d'), 'other', 0o755, root, w.stat)),
    errno.EPERM,
  );
  setFlags(w.u, w.node('d'), 0);
  rmdir(w.u, w.dir('d'), 'new');
  const list = w.sys.listXattr(w.u.layers[0]?.fd as number, 'd') as string[];
  t.notOk(list.includes('trusted.overlay.protattr'));
});

unionTest(t, 'a file made here, protected, forgotten', tree, (t, w) => {
  const made = mkdir(w.u, w.dir(''), 'made', 0o755, root, w.stat);
  w.u.nodes.remember(made);
  setFlags(w.u, made, IMMUTABLE);
  w.u.nodes.forget(made.id, 1);
  t.equal(protectionOf(w.u, w.node('made')), IMMUTABLE);
});

unionTest(t, 'struct fsxattr carries the same flags', tree, (t, w) => {
  const raw = getFsx(w.u, w.node('u'));
  raw.set([(raw[0] as number) | 0x18]);
  setFsx(w.u, w.node('u'), raw);
  t.equal(protectionOf(w.u, w.node('u')), PROTECTING);
  t.equal((getFsx(w.u, w.node('u'))[0] as number) & 0x18, 0x18);
  t.equal(
    codeOf(() => setFsx(w.u, w.node('u'), new Uint8Array(3))),
    errno.EINVAL,
  );
});

const counted = new FaultySyscalls();
unionTest(t, 'only files of the upper that others made are asked, once', { ...tree, sys: counted.syscalls }, (t, w) => {
  const asked = (path: string): number => {
    const node = w.node(path);
    counted.arm(null);
    protectionOf(w.u, node);
    return counted.made.length;
  };
  const made = mkdir(w.u, w.dir(''), 'made', 0o755, root, w.stat);
  w.u.nodes.remember(made);
  for (const path of ['f', 'd', 'made']) t.equal(asked(path), 0, path);
  t.ok(asked('u') > 0);
  t.equal(asked('u'), 0);
});

// Kernel overlayfs opens such a file with the caller's flags. On the host it can only be opened to append.
unionTest(
  t,
  'a file of the upper that is append-only on the host is appended to',
  { upper: { log: file('one ') }, lowers: [] },
  async (t, w) => {
    const path = `${w.upper}/log`;
    if (spawnSync('chattr', ['+a', path]).status !== 0) {
      t.pass('no chattr +a here');
      return;
    }
    try {
      const node = w.file('log');
      t.equal(
        codeOf(() => openFile(w.u, node, O_RDWR)),
        errno.EPERM,
      );
      const { handle } = openFile(w.u, node, O_RDWR | O_APPEND);
      t.equal(w.sys.pwrite(handle.fd, Buffer.from('two'), 4), 3);
      release(w.u, handle.fh);
      t.equal(readFileSync(path, 'utf8'), 'one two');
    } finally {
      spawnSync('chattr', ['-a', path]);
    }
  },
);
