// Attributes: the host's own, with the union's number and link count.

import t from 'tap';
import { Stat } from '../../lib/sys/stat.js';
import { getAttributes, placeOf, present } from '../../lib/union/attributes.js';
import { dir, file, hardlink } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = {
  lowers: [
    {
      f: file('12345', { mode: 0o640, uid: 3, gid: 4 }),
      g: hardlink('f'),
      m: dir({ a: dir({}) }),
      only: dir({ s: dir({}) }),
    },
    { m: dir({ b: dir({}) }) },
  ],
  upper: { p: dir({ q: dir({}) }) },
};

function attributes(w: TempUnion, path: string): Stat {
  const stat = new Stat();
  getAttributes(w.u, w.node(path), stat);
  return stat;
}

unionTest(t, 'of a file', layout, (t, w) => {
  const { mode, uid, gid, size, nlink } = attributes(w, 'f');
  t.match({ mode, uid, gid, size, nlink }, { mode: 0o100640, uid: 3, gid: 4, size: 5, nlink: 2 });
});

unionTest(t, 'the number is the node’s', layout, (t, w) => {
  const node = w.node('f');
  node.inoLow = 77;
  node.inoHigh = 1;
  const stat = attributes(w, 'f');
  t.same([stat.inoLow, stat.inoHigh], [77, 1]);
});

unionTest(t, 'link counts of directories', layout, (t, w) => {
  t.equal(attributes(w, 'm').nlink, 1, 'merged: not known');
  t.equal(attributes(w, 'p').nlink, 3, 'in one layer: the host’s');
  t.equal(attributes(w, 'only').nlink >= 1, true);
  const p = w.dir('p');
  p.dead = true;
  t.equal(attributes(w, 'p').nlink, 0, 'removed');
  p.dead = false;
});

unionTest(t, 'static_nlink', { ...layout, options: { staticNlink: true } }, (t, w) => {
  t.equal(attributes(w, 'p').nlink, 1);
});

unionTest(t, 'places', layout, (t, w) => {
  t.match(placeOf(w.u, w.node('f')), { name: 'f' });
  t.match(placeOf(w.u, w.node('m')), { name: '' });
  const stat = new Stat();
  stat.nlink = 9;
  present(w.u, w.node('p'), stat);
  t.equal(stat.nlink, 9, 'present reads nothing');
});
