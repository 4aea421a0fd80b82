// Which layers have overrides: whose root says so, and who is believed.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { lookup } from '../../lib/union/lookup.js';
import { setAttributes } from '../../lib/union/set-attributes.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file } from '../support/tree.js';
import { TempUnion, unionTest } from '../support/union-in-temp.js';

const names = {
  security: 'security.fuseoverlayfs.override_stat',
  containers: 'user.containers.override_stat',
  legacy: 'user.fuseoverlayfs.override_stat',
};
setSink(() => {});

const layer = (...keys: string[]) => ({
  '.': dir({}, { xattrs: Object.fromEntries(keys.map((key) => [key, '0:0:40755'])) }),
  f: file('f', {
    xattrs: { [names.security]: '1:1:644', [names.containers]: '2:2:0644:file', [names.legacy]: '3:3:644' },
  }),
});

const owner = (w: TempUnion): number => {
  lookup(w.u, w.u.root, 'f', w.stat);
  return w.stat.uid;
};
const onDisk = (w: TempUnion, name: string, key: string): string | number => {
  const value = syscalls.getXattr(w.u.layers[0]?.fd ?? -1, name, key);
  return typeof value === 'number' ? value : Buffer.from(value).toString();
};

for (const [keys, uid] of [
  [[names.security, names.containers, names.legacy], 1],
  [[names.containers, names.legacy], 2],
  [[names.legacy], 3],
  [[], 0],
] as const) {
  unionTest(t, `a root with ${keys.length} of them`, { lowers: [layer(...keys)] }, (t, w) => {
    t.equal(owner(w), uid);
  });
}

unionTest(
  t,
  'an upper that was begun in the old dialect goes on in it',
  {
    lowers: [{}],
    upper: layer(names.legacy),
    options: { xattrPermissions: 2 },
  },
  (t, w) => {
    t.equal(owner(w), 3);
    setAttributes(w.u, w.node('f'), { uid: 9 }, w.stat);
    t.equal(onDisk(w, 'f', names.legacy), '9:3:100644');
  },
);

unionTest(t, 'an upper goes on without the option', { lowers: [{}], upper: layer(names.containers) }, (t, w) => {
  setAttributes(w.u, w.node('f'), { uid: 9 }, w.stat);
  t.equal(onDisk(w, 'f', names.containers), '9:2:0644:file');
});

const begun = { '.': dir({}, { xattrs: { [names.containers]: '7:8:0711:dir' } }) };
unionTest(
  t,
  'a new upper begins like the topmost layer that has one',
  {
    lowers: [{}, begun],
    options: { xattrPermissions: 2 },
  },
  (t, w) => {
    t.equal(onDisk(w, '', names.containers), '7:8:0711:dir');
    t.ok(w.u.options.noacl, 'ACLs are the host’s to apply, and it does not know the owners');
  },
);

t.test('an upper that takes no such xattr is refused', async (t) => {
  const faulty = new FaultySyscalls();
  faulty.refuse('setXattr', errno.EOPNOTSUPP);
  const message = /^option xattr_permissions: upperdir .* takes no user.containers.override_stat: EOPNOTSUPP$/;
  await t.rejects(TempUnion.make({ lowers: [{}], sys: faulty.syscalls, options: { xattrPermissions: 2 } }), {
    message,
  });
});
