// Writing redirects: a sibling's name where that does, a path where it does not, EXDEV where neither may.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { writeRedirect } from '../../lib/union/redirect.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, whiteout } from '../support/tree.js';
import { codeOf, type Layout, type TempUnion, unionTest } from '../support/union-in-temp.js';

const long = 'n'.repeat(200);
const layout: Layout = {
  lowers: [{ d: dir({ e: dir({}), [long]: dir({ [long]: dir({}) }) }) }],
  upper: { p: dir({}) },
};

function written(w: TempUnion, path: string, sameParent: boolean): string {
  const node = w.dir(path);
  copyUp(w.u, node, 'data');
  writeRedirect(w.u, node, sameParent);
  const upper = node.upper;
  const value = upper === null ? -1 : w.sys.getXattr(w.u.dirFds.fd(upper), '', 'trusted.overlay.redirect');
  return typeof value === 'number' ? `${value}` : Buffer.from(value).toString('latin1');
}

unionTest(t, 'relative and absolute', layout, (t, w) => {
  t.equal(written(w, 'd/e', true), 'e');
  t.equal(written(w, 'd/e', false), '/d/e');
  t.equal(written(w, 'd', true), 'd');
  t.equal(written(w, 'd', false), '/d');
});

// A lower's `moved` is another lower's `d`, whose own name the first one hides.
const inLowers: Layout = {
  lowers: [
    { d: whiteout(), moved: dir({}, { xattrs: { 'trusted.overlay.redirect': '/d' } }) },
    { d: dir({ e: dir({}) }) },
  ],
  upper: { kept: dir({ f: dir({}) }, { xattrs: { 'trusted.overlay.redirect': '/moved' } }) },
};
unionTest(t, 'a path is that of the lowers as they merge, not of one layer', inLowers, (t, w) => {
  t.equal(written(w, 'moved/e', false), '/moved/e');
});
unionTest(t, 'a directory that was moved keeps where it leads', inLowers, (t, w) => {
  t.equal(written(w, 'kept', true), '/moved');
  t.equal(written(w, 'kept', false), '/moved');
  t.equal(written(w, 'kept/e', false), '/moved/e');
});

unionTest(t, 'too long', layout, (t, w) => {
  t.equal(written(w, `d/${long}/${long}`, true), long);
  t.equal(
    codeOf(() => written(w, `d/${long}/${long}`, false)),
    errno.EXDEV,
  );
});

unionTest(t, 'a pure upper directory needs none', layout, (t, w) => {
  t.equal(
    codeOf(() => written(w, 'p', true)),
    errno.EXDEV,
  );
});

const refusing = new FaultySyscalls();
unionTest(t, 'refused is EXDEV, full is ENOSPC', { ...layout, sys: refusing.syscalls }, (t, w) => {
  const node = w.dir('d');
  copyUp(w.u, node, 'data');
  for (const [code, wanted] of [
    [errno.EPERM, errno.EXDEV],
    [errno.EOPNOTSUPP, errno.EXDEV],
    [errno.ENOSPC, errno.ENOSPC],
  ] as const) {
    refusing.refuse('setXattr', code);
    t.equal(
      codeOf(() => writeRedirect(w.u, node, true)),
      wanted,
    );
  }
  refusing.replace('setXattr', null);
});
