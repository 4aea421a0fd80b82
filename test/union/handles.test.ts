// Handles that stay open for readers to come: who is hindered by them withdraws them first.

import t from 'tap';
import { O_NOATIME, O_RDONLY, O_RDWR, O_SYNC, O_WRONLY } from '../../lib/sys/constants.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { closeIdle, release, stand, withdraw, withdrawAll } from '../../lib/union/handles.js';
import { type Opened, openFile } from '../../lib/union/open.js';
import { planSealing } from '../../lib/union/sealing.js';
import { setAttributes } from '../../lib/union/set-attributes.js';
import { trimUnion } from '../../lib/union/trim.js';
import { file, sparse } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const elf = file(`\x7fELF${'x'.repeat(60)}`, { mode: 0o755 });
const layout: Layout = {
  lowers: [{ f: file('lower'), m: file('lower'), elf }],
  upper: { u: file('upper'), m: sparse(5, {}, { xattrs: { 'trusted.overlay.metacopy': '' } }) },
  options: { passthrough: 'auto', sealed: 0 },
};

/** Opens for reading; the handle stands, and its only user has closed it. */
function opened(w: TempUnion, path: string): Opened {
  const open = openFile(w.u, w.file(path), O_RDONLY);
  stand(w.u, open.handle, 0);
  w.plane.idle.add(open.handle.fh);
  return open;
}

unionTest(t, 'only what was opened for nothing but reading stands', layout, (t, w) => {
  for (const flags of [O_WRONLY, O_RDWR, O_RDONLY | O_SYNC, O_RDONLY | O_NOATIME]) {
    const { handle } = openFile(w.u, w.file('u'), flags);
    stand(w.u, handle, 0);
    t.equal(w.plane.standing.size, 0, `flags ${flags}`);
    release(w.u, handle.fh);
  }
  const { handle } = opened(w, 'u');
  t.same([...w.plane.standing], [[handle.node.id, handle.fh]]);
  closeIdle(w.u);
  t.equal(w.u.handles.size, 0);
});

unionTest(t, 'what stands has the attributes, too, where the bytes are no other file’s', layout, (t, w) => {
  const [upper, lower, metadata] = ['u', 'f', 'm'].map((path) => opened(w, path).handle.fh);
  t.same([...w.plane.whole], [upper, lower]);
  t.ok(metadata);
  closeIdle(w.u);
});

unionTest(t, 'an open for writing is not held to the mode of a reader who has gone', layout, (t, w) => {
  opened(w, 'f');
  t.equal(w.file('f').cachedOpens, 1);
  const writer = openFile(w.u, w.file('f'), O_WRONLY);
  t.equal(writer.handle.mode, 'passthrough');
  t.equal(w.u.handles.size, 1);
  release(w.u, writer.handle.fh);
});

unionTest(t, 'code that nobody runs any more is written without a new node', layout, (t, w) => {
  t.equal(opened(w, 'elf').handle.mode, 'passthrough');
  const node = w.file('elf');
  const writer = openFile(w.u, node, O_WRONLY);
  t.equal(w.file('elf'), node);
  release(w.u, writer.handle.fh);
  t.equal(w.plane.backings.size, 0);
});

unionTest(t, 'and cut without one', layout, (t, w) => {
  opened(w, 'elf');
  const node = w.file('elf');
  setAttributes(w.u, node, { size: 3 }, w.stat);
  t.equal(w.file('elf'), node);
  t.equal(w.u.handles.size, 0);
});

unionTest(t, 'somebody who has it open still gets a new node', layout, (t, w) => {
  const { handle } = openFile(w.u, w.file('elf'), O_RDONLY);
  stand(w.u, handle, 0);
  t.equal(
    codeOf(() => openFile(w.u, w.file('elf'), O_WRONLY)),
    116,
  );
  t.equal(w.plane.standing.size, 0, 'and no further reader is answered with the old one');
  release(w.u, handle.fh);
});

unionTest(t, 'a copy-up ends what stays, and takes along what is open', layout, (t, w) => {
  opened(w, 'f');
  const reader = openFile(w.u, w.file('elf'), O_RDONLY);
  copyUp(w.u, w.file('f'), 'attributes');
  t.equal(w.file('f').handles, null);
  t.equal(w.u.handles.size, 1);
  release(w.u, reader.handle.fh);
});

unionTest(t, 'forgetting, sealing and idleness end it', layout, (t, w) => {
  const { node } = opened(w, 'f').handle;
  w.u.nodes.forget(node.id, node.nlookup);
  t.equal(w.u.handles.size, 0, 'forgotten');
  opened(w, 'u');
  const lower = opened(w, 'f');
  w.plane.idle.delete(lower.handle.fh);
  planSealing(w.u);
  t.same([...w.u.handles.all()], [lower.handle], 'sealed: who has it open keeps it');
  t.equal(w.plane.standing.size, 0);
  release(w.u, lower.handle.fh);
  opened(w, 'f');
  trimUnion(w.u);
  t.equal(w.u.handles.size, 0, 'idle');
  opened(w, 'f');
  withdraw(w.u, w.file('u'));
  t.equal(w.u.handles.size, 1, 'another file’s stays');
  withdrawAll(w.u);
  t.equal(w.u.handles.size, 0);
});
