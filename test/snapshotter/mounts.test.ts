// A snapshot as the mounts that containerd makes of it.

import t from 'tap';
import { mountsOf } from '../../lib/snapshotter/mounts.js';
import type { SnapshotRecord } from '../../lib/snapshotter/record.js';

const directories = { layer: (id: number) => `/r/${id}/fs`, work: (id: number) => `/r/${id}/work` };
const of = (kind: SnapshotRecord['kind'], id: number, labels = {}): SnapshotRecord => ({
  key: `k${id}`,
  id,
  parent: '',
  kind,
  created: 0,
  updated: 0,
  labels,
  usage: { size: 0, inodes: 0 },
});
const parents = [of('committed', 2), of('committed', 1)];

t.test('without a parent: the layer itself', async (t) => {
  t.strictSame(mountsOf(of('active', 3), [], directories, 'p'), [
    { type: 'bind', source: '/r/3/fs', target: '', options: ['rw', 'rbind'] },
  ]);
  t.strictSame(mountsOf(of('view', 3), [], directories, 'p')[0]?.options, ['ro', 'rbind']);
});

t.test('a view of a single layer is that layer, read-only', async (t) => {
  t.strictSame(mountsOf(of('view', 3), parents.slice(1), directories, 'p'), [
    { type: 'bind', source: '/r/1/fs', target: '', options: ['ro', 'rbind'] },
  ]);
});

t.test('an active one changes its own layer over its parents, nearest on top', async (t) => {
  t.strictSame(mountsOf(of('active', 3), parents, directories, 'p'), [
    {
      type: 'fuse3.p',
      source: 'overlay',
      target: '',
      options: ['workdir=/r/3/work', 'upperdir=/r/3/fs', 'lowerdir=/r/2/fs:/r/1/fs'],
    },
  ]);
  t.strictSame(mountsOf(of('view', 3), parents, directories, 'p')[0]?.options, ['ro', 'lowerdir=/r/2/fs:/r/1/fs']);
});

t.test('other owners, as the labels ask', async (t) => {
  const labels = { 'containerd.io/snapshot/uidmapping': '0:1000:1,1:100000:65536' };
  const [mount] = mountsOf(of('view', 3, labels), parents.slice(1), directories, 'p');
  t.match(mount, { type: 'fuse3.p', options: ['ro', 'lowerdir=/r/1/fs', 'uidmapping=0:1000:1:1:100000:65536'] });
});

t.test('a colon in a path is escaped', async (t) => {
  const odd = { ...directories, layer: (id: number) => `/a:b/${id}` };
  t.equal(mountsOf(of('view', 3), parents, odd, 'p')[0]?.options[1], 'lowerdir=/a\\:b/2:/a\\:b/1');
});
