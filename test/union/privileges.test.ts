// setuid, setgid and capabilities go when somebody without the privilege changes a file.

import t from 'tap';
import { placeOf } from '../../lib/union/attributes.js';
import { killPrivileges } from '../../lib/union/privileges.js';
import { dir, file } from '../support/tree.js';
import { unionTest } from '../support/union-in-temp.js';

const modes: readonly (readonly [number, number])[] = [
  [0o4755, 0o755],
  [0o6755, 0o755],
  [0o2755, 0o755],
  [0o2745, 0o2745],
  [0o1755, 0o1755],
  [0o644, 0o644],
];
const upper = Object.fromEntries(modes.map(([mode]) => [`f${mode}`, file('', { mode })]));

unionTest(t, 'modes', { lowers: [{}], upper: { ...upper, d: dir({}, { mode: 0o6755 }) } }, (t, w) => {
  for (const [mode, wanted] of modes) {
    killPrivileges(w.u, placeOf(w.u, w.node(`f${mode}`)), w.stat);
    w.has(`f${mode}`);
    t.equal(w.stat.mode & 0o7777, wanted, mode.toString(8));
  }
  killPrivileges(w.u, placeOf(w.u, w.node('d')), w.stat);
  w.has('d');
  t.equal(w.stat.mode & 0o7777, 0o6755, 'a directory');
});
