// Users' xattrs: private ones hidden, look-alikes escaped, and copy-up only where something changes.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { XATTR_CREATE, XATTR_REPLACE } from '../../lib/sys/constants.js';
import type { FileNode } from '../../lib/union/inode.js';
import { getXattr, listXattr, removeXattr, setXattr } from '../../lib/union/xattrs.js';
import { raw } from '../support/plant.js';
import { dir, file, symlink } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const xattrs = {
  'user.a': '1',
  'user.overlay.origin': 'x',
  'trusted.overlay.overlay.nested': 'n',
  'user.fuseoverlayfs.x': 'x',
};
const layout: Layout = {
  lowers: [{ f: file('f', { xattrs }), plain: file(''), d: dir({}, { opaque: 'trusted' }), l: symlink('f') }],
};

const list = (w: TempUnion, path: string, uid = 0): string[] =>
  Buffer.from(listXattr(w.u, w.node(path), { uid, gid: uid, pid: 0 }))
    .toString('latin1')
    .split('\0')
    .filter(Boolean)
    .sort();
const get = (w: TempUnion, path: string, key: string): string =>
  Buffer.from(getXattr(w.u, w.node(path), key)).toString('latin1');
const set = (w: TempUnion, path: string, key: string, flags = 0): void =>
  setXattr(w.u, w.node(path), key, raw('v'), flags, false);

unionTest(t, 'what users see', layout, (t, w) => {
  t.same(list(w, 'f'), ['trusted.overlay.nested', 'user.a']);
  t.same(list(w, 'f', 1000), ['user.a'], 'trusted ones are for the privileged');
  t.same(list(w, 'd'), []);
  t.same(list(w, 'plain'), []);
  t.equal(get(w, 'f', 'user.a'), '1');
  t.equal(get(w, 'f', 'trusted.overlay.nested'), 'n');
  for (const key of ['user.overlay.origin', 'user.fuseoverlayfs.x', 'user.none']) {
    t.equal(
      codeOf(() => get(w, 'f', key)),
      errno.ENODATA,
      key,
    );
  }
});

unionTest(t, 'reading copies nothing up', layout, (t, w) => {
  get(w, 'f', 'user.a');
  list(w, 'f');
  t.equal(
    codeOf(() => removeXattr(w.u, w.node('f'), 'user.none')),
    errno.ENODATA,
  );
  t.doesNotThrow(() => removeXattr(w.u, w.node('f'), 'system.posix_acl_access'), 'an ACL that is not there');
  t.notOk(w.file('f').inUpper);
});

unionTest(t, 'set, replace, remove', layout, (t, w) => {
  set(w, 'f', 'user.b');
  t.ok((w.node('f') as FileNode).inUpper);
  t.same(list(w, 'f'), ['trusted.overlay.nested', 'user.a', 'user.b'], 'the copy keeps the others');
  t.equal(
    codeOf(() => set(w, 'f', 'user.b', XATTR_CREATE)),
    errno.EEXIST,
  );
  t.equal(
    codeOf(() => set(w, 'f', 'user.c', XATTR_REPLACE)),
    errno.ENODATA,
  );
  removeXattr(w.u, w.node('f'), 'user.b');
  t.same(list(w, 'f'), ['trusted.overlay.nested', 'user.a']);
});

unionTest(t, 'names that look private are the user’s own', layout, async (t, w) => {
  set(w, 'd', 'trusted.overlay.opaque');
  t.equal(get(w, 'd', 'trusted.overlay.opaque'), 'v');
  t.same(list(w, 'd'), ['trusted.overlay.opaque']);
  t.equal(
    codeOf(() => set(w, 'd', 'user.fuseoverlayfs.opaque')),
    errno.EOPNOTSUPP,
  );
  await w.remount();
  t.equal(get(w, 'd', 'trusted.overlay.opaque'), 'v');
  t.same(w.names('d'), []);
});

unionTest(t, 'noacl', { ...layout, options: { noacl: true } }, (t, w) => {
  const key = 'system.posix_acl_access';
  t.equal(
    codeOf(() => get(w, 'f', key)),
    errno.EOPNOTSUPP,
  );
  t.equal(
    codeOf(() => set(w, 'f', key)),
    errno.EOPNOTSUPP,
  );
});

unionTest(t, 'setgid goes with an ACL from outside the group', layout, (t, w) => {
  const node = w.node('plain');
  setXattr(w.u, node, 'user.x', raw('v'), 0, false);
  const place = w.u.dirFds.fd((node as FileNode).dir);
  w.sys.chmodAt(place, 'plain', 0o2755);
  setXattr(w.u, node, 'user.x', raw('w'), 0, true);
  w.sys.statAt(place, 'plain', w.stat);
  t.equal(w.stat.mode & 0o7777, 0o2755, 'with nothing else');
  // Version 2; what mode 0755 says: owner 7, group 5, others 5.
  const anyId = '\xff\xff\xff\xff';
  const acl = `\x02\0\0\0\x01\0\x07\0${anyId}\x04\0\x05\0${anyId}\x20\0\x05\0${anyId}`;
  setXattr(w.u, node, 'system.posix_acl_access', raw(acl), 0, true);
  w.sys.statAt(place, 'plain', w.stat);
  t.equal(w.stat.mode & 0o7777, 0o755);
});

unionTest(t, 'a read-only union', { ...layout, upper: null }, (t, w) => {
  t.equal(
    codeOf(() => set(w, 'f', 'user.b')),
    errno.EROFS,
  );
  t.equal(
    codeOf(() => removeXattr(w.u, w.node('f'), 'user.a')),
    errno.EROFS,
  );
  t.equal(get(w, 'f', 'user.a'), '1');
});
