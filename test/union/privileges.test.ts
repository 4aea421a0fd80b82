// setuid, setgid and capabilities go when somebody without the privilege changes a file.

import t from 'tap';
import { placeOf } from '../../lib/union/attributes.js';
import { type Changer, killPrivileges } from '../../lib/union/privileges.js';
import { dir, file } from '../support/tree.js';
import { unionTest } from '../support/union-in-temp.js';

const modes: readonly (readonly [number, number])[] = [
  [0o4755, 0o755],
  [0o6755, 0o755],
  [0o2755, 0o755],
  [0o2745, 0o745],
  [0o1755, 0o1755],
  [0o644, 0o644],
];
const stranger = { uid: 1234, gid: 1234, pid: process.pid };
const upper = Object.fromEntries(modes.map(([mode]) => [`f${mode}`, file('', { mode })]));

unionTest(t, 'modes', { lowers: [{}], upper: { ...upper, d: dir({}, { mode: 0o6755 }) } }, (t, w) => {
  for (const [mode, wanted] of modes) {
    killPrivileges(w.u, w.node(`f${mode}`), stranger, w.stat);
    w.has(`f${mode}`);
    t.equal(w.stat.mode & 0o7777, wanted, mode.toString(8));
  }
  killPrivileges(w.u, w.node('d'), stranger, w.stat);
  w.has('d');
  t.equal(w.stat.mode & 0o7777, 0o6755, 'a directory');
});

unionTest(
  t,
  'setgid without execution stays for members',
  { lowers: [{}], upper: { f: file('', { mode: 0o2745, gid: 77 }) } },
  (t, w) => {
    const modeAfter = (who: Changer): string => {
      w.u.sys.chmodAt(placeOf(w.u, w.node('f')).fd, 'f', 0o2745);
      killPrivileges(w.u, w.node('f'), who, w.stat);
      w.has('f');
      return (w.stat.mode & 0o7777).toString(8);
    };
    t.equal(modeAfter({ ...stranger, gid: 77 }), '2745', 'by the group of the request');
    t.same(w.stale, [], 'the kernel need not be told');
    t.equal(modeAfter({ ...stranger, uid: 0 }), '2745', 'root');
    t.equal(modeAfter(stranger), '745', 'a stranger');
    t.same(w.stale, [w.node('f')], 'the kernel is told of the new mode');
    process.setgroups?.([5, 77]);
    t.equal(modeAfter(stranger), '2745', 'by a supplementary group');
    t.equal(modeAfter({ ...stranger, pid: 0x7fffffff }), '745', 'nobody that can be seen');
  },
);
