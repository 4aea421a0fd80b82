// Which nodes the data plane may answer for, and what ends that.

import t from 'tap';
import { O_CREAT, O_RDONLY, O_RDWR } from '../../lib/sys/constants.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { createFile, mkdir } from '../../lib/union/create.js';
import { release, withdrawAll } from '../../lib/union/handles.js';
import type { DirNode } from '../../lib/union/inode.js';
import { mirrorDirectory, mirrorNew, unmirror } from '../../lib/union/mirrors.js';
import { admit } from '../../lib/union/open.js';
import { rmdir } from '../../lib/union/remove.js';
import { dir, file } from '../support/tree.js';
import { type Layout, root, type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout: Layout = {
  lowers: [{ low: dir({ f: file('f') }), both: dir({ f: file('f') }) }],
  upper: { up: dir({}), both: dir({}) },
};
const skip = process.geteuid?.() !== 0 && 'needs root';

function mirrored(w: TempUnion, node: DirNode): boolean {
  mirrorDirectory(w.u, node, 1);
  return w.plane.mirrors.has(node.id);
}

unionTest(t, 'directories of the upper are mirrors, once it is known what they are made of', layout, (t, w) => {
  t.notOk(mirrored(w, w.dir('low')));
  const both = w.dir('both');
  both.candidates = [];
  t.notOk(mirrored(w, both), 'whether a lower has a part in it is not known yet');
  both.candidates = null;
  t.ok(mirrored(w, both));
  t.ok(mirrored(w, w.dir('up')));
  t.ok(mirrored(w, w.u.root));
  withdrawAll(w.u);
  t.equal(w.plane.mirrors.size, 0);
});

unionTest(t, 'a directory that keeps a ctime of before is none', layout, (t, w) => {
  const both = w.dir('both');
  const node = w.file('both/f');
  t.ok(mirrored(w, both));
  copyUp(w.u, node, 'data');
  t.notOk(w.plane.mirrors.has(both.id));
  t.notOk(mirrored(w, both));
  t.ok(mirrored(w, w.dir('up')), 'others are');
});

unionTest(t, 'nor one whose descriptor closes, or that was removed', layout, (t, w) => {
  const up = w.dir('up');
  t.ok(mirrored(w, up));
  w.u.dirFds.clear();
  t.notOk(w.plane.mirrors.has(up.id));
  t.ok(mirrored(w, up));
  rmdir(w.u, w.u.root, 'up');
  t.notOk(w.plane.mirrors.has(up.id));
  t.notOk(mirrored(w, up));
});

unionTest(t, 'unmirror', layout, (t, w) => {
  const up = w.dir('up');
  t.ok(mirrored(w, up));
  unmirror(w.u, up);
  t.notOk(w.plane.mirrors.has(up.id));
  w.plane.mirrors.add(up.id);
  unmirror(w.u, up);
  t.ok(w.plane.mirrors.has(up.id), 'nobody is told of what is known to be none');
});

function created(w: TempUnion, name: string, mode: number, flags = O_RDWR): boolean {
  const { node, fd } = createFile(w.u, w.dir('up'), name, mode, flags | O_CREAT, root, w.stat);
  w.u.nodes.remember(node);
  const { handle } = admit(w.u, node, fd, flags);
  mirrorNew(w.u, handle, w.stat, 0);
  release(w.u, handle.fh);
  return w.plane.mirrors.has(node.id);
}

unionTest(t, 'new files are, but with privileges, or open for reading only', layout, (t, w) => {
  t.ok(created(w, 'plain', 0o644));
  t.notOk(created(w, 'setuid', 0o4755));
  t.notOk(created(w, 'read', 0o644, O_RDONLY));
});

t.test('nothing is, where owners are not the host’s', { skip }, (t) => {
  const squashed: Layout = { ...layout, options: { squashToUid: 5, squashToGid: 5 } };
  unionTest(t, 'squashed', squashed, (t, w) => {
    t.notOk(mirrored(w, w.dir('up')));
    t.notOk(created(w, 'plain', 0o644));
  });
  t.end();
});

unionTest(t, 'a new directory is known to have no names', layout, (t, w) => {
  const made = mkdir(w.u, w.dir('up'), 'made', 0o755, root, w.stat) as DirNode;
  w.u.nodes.remember(made);
  t.equal(made.index?.entries.size, 0);
  t.same(w.names('up/made'), []);
  t.ok(mirrored(w, made));
});
