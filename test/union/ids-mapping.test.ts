// Ids as numbers: the option's text, both directions, and the xattr values that hold ids.

import { Buffer } from 'node:buffer';
import t from 'tap';
import {
  IdView,
  type IdViews,
  idViews,
  inward,
  outward,
  parseIdMap,
  translateXattr,
} from '../../lib/union/ids-mapping.js';
import { MountError } from '../../lib/union/layers.js';
import { defaultOptions } from '../../lib/union/options.js';

t.test('the text of a mapping', async (t) => {
  const two = [
    { host: 0, shown: 1000, length: 1 },
    { host: 1, shown: 100000, length: 65536 },
  ];
  t.same(parseIdMap('uidmapping', '0:1000:1:1:100000:65536'), two);
  t.same(parseIdMap('uidmapping', ':0:1000:1:1:100000:65536'), two, 'with a leading colon');
  for (const bad of [
    '',
    ':',
    '0:1',
    '0:1:2:3',
    'a:0:1',
    '0:0:0',
    '-1:0:1',
    '0:0:1:',
    '0:4294967295:1',
    '::0:1:2',
    '0: 1:2',
  ]) {
    t.throws(
      () => parseIdMap('gidmapping', bad),
      new MountError(`option gidmapping: invalid mapping specified: ${bad}`),
    );
  }
});

t.test('both ways', async (t) => {
  const view = new IdView(parseIdMap('uidmapping', '0:1000:1:1:100000:65536'), null);
  t.same(
    [0, 1, 65536, 65537].map((id) => view.mapped(id)),
    [1000, 100000, 165535, undefined],
  );
  t.same(
    [1000, 100000, 165535, 0, 165536].map((id) => view.toHost(id)),
    [0, 1, 65536, undefined, undefined],
  );
  const plain = new IdView([], null);
  t.same([plain.mapped(7), plain.toHost(7), plain.plain], [7, 7, true]);
});

t.test('squash: an id of its own wins over root', async (t) => {
  t.equal(idViews(defaultOptions()), null, 'nothing asked, nothing made');
  const views = idViews({ ...defaultOptions(), squashToRoot: true, squashToGid: 34 });
  t.same([views?.users.squash, views?.groups.squash], [0, 34]);
});

const views: IdViews = {
  users: new IdView(parseIdMap('uidmapping', '0:100000:1000'), null),
  groups: new IdView(parseIdMap('gidmapping', '0:200000:1000'), null),
};

/** A POSIX ACL value: version 2, then tag, permissions, id. */
function acl(...entries: (readonly [tag: number, id: number])[]): Buffer {
  const out = Buffer.alloc(4 + 8 * entries.length);
  out.writeUInt32LE(2, 0);
  entries.forEach(([tag, id], at) => {
    out.writeUInt16LE(tag, 4 + 8 * at);
    out.writeUInt16LE(6, 6 + 8 * at);
    out.writeUInt32LE(id, 8 + 8 * at);
  });
  return out;
}

t.test('POSIX ACLs', async (t) => {
  const stored = acl([1, 0xffffffff], [2, 5], [4, 0xffffffff], [8, 6], [0x10, 0xffffffff]);
  const shown = acl([1, 0xffffffff], [2, 100005], [4, 0xffffffff], [8, 200006], [0x10, 0xffffffff]);
  for (const key of ['system.posix_acl_access', 'system.posix_acl_default']) {
    t.same(translateXattr(views, key, stored, outward), shown);
    t.same(translateXattr(views, key, shown, inward), stored);
  }
  t.same(translateXattr(views, 'system.posix_acl_access', acl([2, 5000]), outward), acl([2, 65534]), 'nobody');
  t.equal(translateXattr(views, 'system.posix_acl_access', acl([2, 5]), inward), null, 'no such id on the host');
  t.same(translateXattr(views, 'user.acl', stored, outward), stored, 'other names are not looked into');
});

const caps2 = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const caps3 = (root: number): Buffer => {
  const out = Buffer.concat([caps2, Buffer.alloc(4)]);
  out.writeUInt8(3, 3);
  out.writeUInt32LE(root, 20);
  return out;
};

t.test('capabilities belong to a root', async (t) => {
  const key = 'security.capability';
  t.same(translateXattr(views, key, caps2, outward), caps3(100000), 'of the host’s root: of the shown one');
  t.same(translateXattr(views, key, caps3(100000), inward), caps2);
  t.same(translateXattr(views, key, caps3(7), outward), caps3(100007));
  t.same(translateXattr(views, key, caps3(5000), outward), caps3(65534));
  t.equal(translateXattr(views, key, caps2, inward), null, 'the shown root 0 is nobody on the host');
  const same: IdViews = { users: new IdView(parseIdMap('uidmapping', '0:0:10'), null), groups: views.groups };
  t.same(translateXattr(same, key, caps2, outward), caps2);
  t.same(translateXattr(views, key, Buffer.from('junk'), outward), Buffer.from('junk'));
});
