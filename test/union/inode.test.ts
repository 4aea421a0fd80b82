// The union's inodes: where a directory's upper part is, and what new ones begin with.

import t from 'tap';
import { LayerDir } from '../../lib/union/dir-fds.js';
import { DirIndex, DirNode, Entry, FileNode } from '../../lib/union/inode.js';
import type { Layer } from '../../lib/union/layers.js';

const layer = (index: number): Layer => ({
  index,
  path: '/l',
  fd: -1,
  writable: index === 0,
  dev: 1,
  sealed: false,
  blocksTell: null,
  nosuid: false,
});
const [upper, lower] = [new LayerDir(layer(0), null, ''), new LayerDir(layer(1), null, '')];

t.test('the upper part', async (t) => {
  t.equal(new DirNode(null, '', [upper, lower]).upper, upper);
  t.equal(new DirNode(null, '', [lower]).upper, null);
  t.equal(new DirNode(null, '', []).upper, null);
});

t.test('files', async (t) => {
  t.ok(new FileNode(null, 'f', 0o100000, upper, 'f').inUpper);
  const node = new FileNode(null, 'f', 0o100000, lower, 'f');
  t.notOk(node.inUpper);
  t.match(node, { id: 0, nlookup: 0, handles: null, aliases: null, backing: null, copying: null, orphan: null });
});

t.test('entries and indexes', async (t) => {
  t.match(new Entry(8, lower, 1, 2), { node: null, deeper: null, beneath: false, closed: false, ours: false });
  t.match(new DirIndex(), { liveNodes: 0, impure: false, listing: null });
});
