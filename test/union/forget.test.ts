// What stays known when the kernel forgets: files with names in a directory that it no longer knows.

import t from 'tap';
import { O_RDWR } from '../../lib/sys/constants.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { createUnnamed, link } from '../../lib/union/create.js';
import { forgetNode } from '../../lib/union/forget.js';
import { namesOf } from '../../lib/union/hard-links.js';
import { unlink } from '../../lib/union/remove.js';
import { rename } from '../../lib/union/rename.js';
import { dir, file, hardlink } from '../support/tree.js';
import { root, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ d: dir({ x: file('x') }) }] };

unionTest(t, 'forgetting twice is harmless', layout, (t, w) => {
  const node = w.node('d/x');
  forgetNode(w.u, node);
  forgetNode(w.u, node);
  t.equal(w.dir('d').index?.liveNodes, 0);
});

const open = { lowers: [{ h1: file('x'), hd: dir({ h3: hardlink('h1') }), e: dir({}) }] };

for (const index of [true, false]) {
  const what = `a forgotten directory of a hard link is looked up again, ${index ? 'with' : 'without'} an index`;
  unionTest(t, what, { ...open, options: { index } }, (t, w) => {
    const node = w.file('hd/h3');
    t.equal(w.node('h1'), node);
    copyUp(w.u, node, 'data');
    // The kernel drops what nobody uses, and finds the directory again under another name.
    w.u.nodes.forget(w.dir('hd').id, 1);
    t.same(
      [...namesOf(node)].map(({ name }) => name),
      ['h1'],
    );
    w.dir('hd');
    rename(w.u, w.dir(''), 'hd', w.dir('e'), 'hd', 0);
    copyUp(w.u, node, 'data');
    t.equal(w.content(node), 'x');
    t.equal(w.node('e/hd/h3'), node);
  });
}

unionTest(
  t,
  'a file that was opened without a name is the same one when its directory was forgotten',
  layout,
  (t, w) => {
    const { node, fd } = createUnnamed(w.u, w.dir('d'), 0o600, O_RDWR, root, w.stat);
    w.sys.close(fd);
    w.u.nodes.remember(node);
    link(w.u, node, w.dir('d'), 'linked', w.stat);
    w.u.nodes.forget(w.dir('d').id, 1);
    t.not(node.orphan, null, 'reachable, whatever its directory is called');
    w.dir('d');
    rename(w.u, w.dir(''), 'd', w.dir(''), 'e', 0);
    t.equal(w.content(node), '');
    t.equal(w.node('e/linked'), node);
    t.equal(node.orphan, null, 'found by its name again');
    t.equal(w.stat.nlink, 1);
  },
);

unionTest(t, 'a file with all its names in a forgotten directory', layout, (t, w) => {
  const { node, fd } = createUnnamed(w.u, w.dir('d'), 0o600, O_RDWR, root, w.stat);
  w.sys.close(fd);
  w.u.nodes.remember(node);
  for (const name of ['one', 'two']) link(w.u, node, w.dir('d'), name, w.stat);
  w.u.nodes.forget(w.dir('d').id, 1);
  t.same([...namesOf(node)], []);
  for (const name of ['one', 'two']) t.equal(w.node(`d/${name}`), node);
  unlink(w.u, w.dir('d'), 'one');
  t.equal(w.node('d/two'), node);
  t.ok(w.has('d/two'));
  t.equal(w.stat.nlink, 1);
});
