// The calls with other ids: what stat shows, what chown stores, as whom things are made.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Stat } from '../../lib/sys/stat.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { mkdir } from '../../lib/union/create.js';
import { parseIdMap } from '../../lib/union/ids-mapping.js';
import { lookup } from '../../lib/union/lookup.js';
import { setAttributes } from '../../lib/union/set-attributes.js';
import { file } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const lowers = [
  {
    zero: file('0', { uid: 0, gid: 0 }),
    five: file('5', { uid: 5, gid: 6, mode: 0o4755 }),
    far: file('f', { uid: 5000, mode: 0o4755 }),
  },
];
const map = {
  uidMapping: parseIdMap('uidmapping', '0:100000:1000'),
  gidMapping: parseIdMap('gidmapping', '0:200000:1000'),
};

/** Owner and group on the host's disk. */
function onDisk(w: TempUnion, name: string): number[] {
  const stat = new Stat();
  syscalls.statAt(w.u.layers[0]?.fd ?? -1, name, stat);
  return [stat.uid, stat.gid];
}

function ids(w: TempUnion, name: string): (number | boolean)[] {
  lookup(w.u, w.u.root, name, w.stat);
  return [w.stat.uid, w.stat.gid, w.stat.unmapped];
}

unionTest(t, 'a mapping', { lowers, options: map }, (t, w) => {
  t.same(ids(w, 'zero'), [100000, 200000, false]);
  t.same(ids(w, 'five'), [100005, 200006, false]);
  t.same(ids(w, 'far'), [65534, 200000, true]);
  const caller = { uid: 100007, gid: 200008, umask: 0 };
  mkdir(w.u, w.u.root, 'made', 0o755, caller, w.stat);
  t.same([w.stat.uid, w.stat.gid], [100007, 200008]);
  t.same(onDisk(w, 'made'), [7, 8]);
  t.equal(
    codeOf(() => mkdir(w.u, w.u.root, 'strange', 0o755, { ...caller, uid: 1 }, w.stat)),
    errno.EOVERFLOW,
  );
  t.equal(lookup(w.u, w.u.root, 'strange', w.stat), null, 'nothing was made');
  const five = w.node('five');
  setAttributes(w.u, five, { uid: 100009 }, w.stat);
  t.same([w.stat.uid, w.stat.gid], [100009, 200006]);
  t.same(onDisk(w, 'five'), [9, 6], 'the group was copied up as it was');
  t.equal(
    codeOf(() => setAttributes(w.u, five, { gid: 3 }, w.stat)),
    errno.EOVERFLOW,
  );
  t.same(onDisk(w, 'five'), [9, 6]);
});

unionTest(t, 'CVE-2023-0386: what belongs to nobody here is not copied up', { lowers, options: map }, (t, w) => {
  t.equal(
    codeOf(() => copyUp(w.u, w.node('far'), 'data')),
    errno.EOVERFLOW,
  );
  t.equal(syscalls.statAt(w.u.layers[0]?.fd ?? -1, 'far', w.stat), -errno.ENOENT);
});

unionTest(
  t,
  'a server without a shown id makes its own things as itself',
  {
    lowers,
    options: { ...map, uidMapping: parseIdMap('uidmapping', '5:100005:1') },
  },
  (t, w) => {
    mkdir(w.u, w.u.root, 'made', 0o755, { uid: 100005, gid: 200000, umask: 0 }, w.stat);
    t.same(onDisk(w, 'made'), [5, 0]);
    copyUp(w.u, w.node('five'), 'data');
    t.same(onDisk(w, 'five'), [5, 6]);
    t.equal(w.u.sys.setFsIds(w.u.features.uid, w.u.features.gid), 0);
    syscalls.mkdirAt(w.u.layers[0]?.fd ?? -1, 'raw', 0o755);
    t.same(onDisk(w, 'raw'), [0, 0], 'its own ids are back');
  },
);

unionTest(
  t,
  'squash shows one owner; chown and creation do what the host allows',
  {
    lowers,
    options: { squashToRoot: true, squashToGid: 34 },
  },
  (t, w) => {
    for (const name of ['zero', 'five', 'far']) t.same(ids(w, name), [0, 34, false], name);
    mkdir(w.u, w.u.root, 'made', 0o755, { uid: 1000, gid: 1001, umask: 0 }, w.stat);
    t.same([w.stat.uid, w.stat.gid], [0, 34]);
    t.same(onDisk(w, 'made'), [1000, 1001]);
    setAttributes(w.u, w.node('zero'), { uid: 77 }, w.stat);
    t.same([w.stat.uid, w.stat.gid], [0, 34]);
    t.same(onDisk(w, 'zero'), [77, 34]);
  },
);
