// The flags of chattr that a copy keeps, and what the host may refuse of them.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const IMMUTABLE = 0x10;
const SYNC = 0x8;
const NOATIME = 0x80;
const SYNC_NOATIME = SYNC | NOATIME;
const refusing = new FaultySyscalls();
const layout: Layout = { lowers: [{ f: 'f', g: 'g' }], sys: refusing.syscalls };

function copies(w: TempUnion, path: string): boolean {
  copyUp(w.u, w.file(path), 'data');
  return w.file(path).inUpper;
}

unionTest(t, 'one by one: what the host refuses is lost alone, and what protects is not set', layout, (t, w) => {
  const set: number[] = [];
  let asked = 0;
  refusing.replace('getFlags', () => {
    asked += 1;
    return asked === 1 ? SYNC_NOATIME | IMMUTABLE : 0;
  });
  refusing.replace('setFlags', (_fd: number, value: number) => {
    set.push(value);
    return value === SYNC ? -errno.EOPNOTSUPP : 0;
  });
  t.ok(copies(w, 'f'));
  t.same(set, [SYNC, NOATIME]);
  for (const call of ['getFlags', 'setFlags']) refusing.replace(call, null);
});

unionTest(t, 'a host that has no such flags is asked once for each file', layout, (t, w) => {
  let asked = 0;
  refusing.replace('getFlags', () => {
    asked += 1;
    return -errno.ENOTTY;
  });
  t.ok(copies(w, 'f'));
  t.ok(copies(w, 'g'));
  t.equal(asked, 2);
  refusing.replace('getFlags', null);
});
