// chmod, chown, truncate, utimens: on the copy, in one request, and nothing on the lower.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { UTIME_NOW, UTIME_OMIT } from '../../lib/sys/constants.js';
import { W } from '../../lib/sys/stat.js';
import { type AttributeChanges, setAttributes } from '../../lib/union/set-attributes.js';
import { sweep } from '../support/fault-sweep.js';
import { dir, file, MADE_AT, symlink } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const lowers = [{ f: file('12345', { mode: 0o6755 }), big: file('b'.repeat(1 << 21)), d: dir({}), l: symlink('f') }];
const layout = { lowers };

function set(w: TempUnion, path: string, changes: Partial<AttributeChanges>): void {
  setAttributes(w.u, w.node(path), changes, w.stat);
}

const stranger = { uid: 1234, gid: 1234, pid: 0 };

unionTest(t, 'mode', layout, (t, w) => {
  set(w, 'f', { mode: 0o4600 });
  t.equal(w.stat.mode, 0o104600);
  set(w, 'd', { mode: 0o1777 });
  t.equal(w.stat.mode, 0o041777);
  set(w, 'l', { mode: 0o600 });
  t.equal(w.stat.mode, 0o120777, 'a symlink has none, and says nothing');
});

unionTest(t, 'owner', layout, (t, w) => {
  set(w, 'f', { uid: 7 });
  t.match({ uid: w.stat.uid, gid: w.stat.gid }, { uid: 7, gid: 0 });
  set(w, 'l', { gid: 8 });
  t.match({ uid: w.stat.uid, gid: w.stat.gid }, { uid: 0, gid: 8 });
});

unionTest(t, 'size', layout, async (t, w) => {
  set(w, 'f', { size: 3 });
  t.equal(w.read('f'), '123');
  set(w, 'f', { size: 5 });
  t.equal(w.read('f'), '123\0\0');
  set(w, 'big', { size: 0 });
  t.equal(w.stat.size, 0, 'nothing is copied to be cut off: no waiting');
});

unionTest(t, 'a large file is copied before it is cut', layout, async (t, w) => {
  await w.run(() => set(w, 'big', { size: 3 }));
  t.equal(w.read('big'), 'bbb');
});

unionTest(t, 'times', layout, (t, w) => {
  const omit = { seconds: 0, nanoseconds: UTIME_OMIT };
  set(w, 'f', { mtime: { seconds: 5, nanoseconds: 6 }, atime: omit });
  t.same([w.stat.words[W.mtime], w.stat.words[W.mtimeNsec]], [5, 6]);
  set(w, 'f', { atime: { seconds: 9, nanoseconds: 1 } });
  t.same([w.stat.words[W.mtime], w.stat.words[W.atime]], [5, 9], 'what is not named stays');
  set(w, 'f', { mtime: { seconds: 0, nanoseconds: UTIME_NOW } });
  t.ok((w.stat.words[W.mtime] as number) > 1_600_000_000);
  set(w, 'f', { mtime: { seconds: -5, nanoseconds: 0 } });
  t.equal((w.stat.words[W.mtime] as number) | 0, -5, 'before 1970');
});

unionTest(t, 'a mode change leaves the modification time', layout, (t, w) => {
  set(w, 'f', { mode: 0o600 });
  t.equal(w.stat.words[W.mtime], Number(MADE_AT / 1_000_000_000n));
});

unionTest(t, 'privileges go', layout, (t, w) => {
  set(w, 'f', { size: 1, killPrivileges: stranger });
  t.equal(w.stat.mode, 0o100755);
  set(w, 'd', { mode: 0o2755, killPrivileges: stranger });
  t.equal(w.stat.mode, 0o042755, 'a directory keeps its own');
});

unionTest(t, 'a read-only union', { lowers, upper: null }, (t, w) => {
  t.equal(
    codeOf(() => set(w, 'f', { mode: 0o600 })),
    errno.EROFS,
  );
});

sweep(t, {
  name: 'chmod of a lower file',
  layout,
  prepare: (w) => {
    w.node('f');
    return () => set(w, 'f', { mode: 0o600 });
  },
});
