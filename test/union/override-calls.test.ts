// Making and changing what has an override: each failure leaves the old or the new, nothing half made.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { O_RDWR, S_IFCHR } from '../../lib/sys/constants.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { createFile, createUnnamed, mkdir, mknod, symlink } from '../../lib/union/create.js';
import { setAttributes } from '../../lib/union/set-attributes.js';
import { type SweepCase, sweep } from '../support/fault-sweep.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, whiteout } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest, user } from '../support/union-in-temp.js';

const setgid = { 'user.containers.override_stat': '0:77:2775:dir' };
const layout: Layout = {
  lowers: [{ gone: file('gone'), goneDir: dir({ old: 'old' }), low: file('low', { uid: 5, gid: 6, mode: 0o4750 }) }],
  upper: { gone: whiteout(), goneDir: whiteout(), up: file('up'), setgid: dir({}, { xattrs: setgid }) },
  options: { xattrPermissions: 2 },
};

type Parent = ReturnType<TempUnion['dir']>;
const makers: Readonly<Record<string, (w: TempUnion, parent: Parent, name: string) => unknown>> = {
  create: (w, parent, name) => {
    const { node, fd } = createFile(w.u, parent, name, 0o640, O_RDWR, user, w.stat);
    w.sys.close(fd);
    w.u.nodes.remember(node);
  },
  mkdir: (w, parent, name) => mkdir(w.u, parent, name, 0o750, user, w.stat),
  mknod: (w, parent, name) => mknod(w.u, parent, name, S_IFCHR | 0o640, 0x103, user, w.stat),
  symlink: (w, parent, name) => symlink(w.u, parent, name, 'target', user, w.stat),
};

function making(kind: string, path: string): SweepCase {
  const at = path.lastIndexOf('/');
  return {
    name: `${kind} of ${path}`,
    layout,
    prepare: (w) => {
      const parent = w.dir(path.slice(0, Math.max(at, 0)));
      return () => makers[kind]?.(w, parent, path.slice(at + 1));
    },
    fresh: [path],
  };
}

for (const kind of Object.keys(makers)) {
  for (const path of ['new', 'gone', 'goneDir']) sweep(t, making(kind, path));
}
for (const kind of ['create', 'mkdir']) sweep(t, making(kind, 'setgid/new'));
sweep(t, {
  name: 'chmod of a lower file',
  layout,
  prepare: (w) => {
    const node = w.file('low');
    return () => setAttributes(w.u, node, { mode: 0o600 }, w.stat);
  },
  // Copied up, and not changed yet.
  between: () => true,
});

unionTest(t, 'what is made belongs to the caller, less the mask', layout, (t, w) => {
  makers.create?.(w, w.dir(''), 'new');
  t.same([w.stat.uid, w.stat.gid, w.stat.mode & 0o7777], [1000, 1000, 0o640]);
  makers.mkdir?.(w, w.dir('setgid'), 'new');
  t.same([w.stat.uid, w.stat.gid, w.stat.mode & 0o7777], [1000, 77, 0o2750]);
  const { node, fd } = createUnnamed(w.u, w.dir('setgid'), 0o666, O_RDWR, user, w.stat);
  t.same([w.stat.uid, w.stat.gid, w.stat.mode & 0o7777], [1000, 77, 0o644]);
  w.u.nodes.remember(node);
  w.sys.close(fd);
  copyUp(w.u, w.node('low'), 'data');
  w.u.sys.statAt(w.u.layers[0]?.fd ?? -1, 'low', w.stat);
  t.same([w.stat.uid, w.stat.gid, w.stat.mode & 0o7777], [5, 6, 0o4750]);
});

const faulty = new FaultySyscalls();
unionTest(
  t,
  'no call more where no layer has overrides',
  { lowers: [{ f: file('f') }], sys: faulty.syscalls },
  (t, w) => {
    const node = w.node('f');
    faulty.arm(null);
    w.u.sys.statAt(w.u.dirFds.fd(w.u.root.stack[0] ?? (t.fail('no stack') as never)), 'f', w.stat);
    t.ok(node);
    t.same(faulty.made.length, 1, 'one stat');
    t.equal(w.u.sys, faulty.syscalls, 'the very calls');
  },
);

unionTest(t, 'an xattr that the host refuses is the operation’s errno', layout, (t, w) => {
  t.equal(
    codeOf(() => setAttributes(w.u, w.node('up'), { uid: 9 }, w.stat)),
    0,
  );
  w.u.sys.statAt(w.u.layers[0]?.fd ?? -1, 'up', w.stat);
  t.equal(w.stat.uid, 9);
  t.equal(
    w.u.sys.setXattr(w.u.layers[0]?.fd ?? -1, 'up', `security.${'x'.repeat(240)}`, new Uint8Array(1), 0),
    -errno.ERANGE,
  );
});
