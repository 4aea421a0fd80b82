// Features: each one found by trying, each missing one said once and survived.

import { readdirSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from '../../lib/sys/constants.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { copyUp } from '../../lib/union/copy-up.js';
import { type Features, probeFeatures, readOnlyFeatures } from '../../lib/union/features.js';
import { rmdir, unlink } from '../../lib/union/remove.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { dir, file, whiteout } from '../support/tree.js';
import { type TempUnion, unionTest } from '../support/union-in-temp.js';

const warnings: string[] = [];
setSink((line) => void warnings.push(line));

function probe(w: TempUnion, spoil: (faulty: FaultySyscalls) => void): Features {
  const faulty = new FaultySyscalls();
  spoil(faulty);
  const fd = w.sys.openPath(`${w.work}`, 0);
  const features = probeFeatures(faulty.syscalls, fd, [fd]);
  w.sys.close(fd);
  return features;
}

const renameWithout =
  (refused: number) =>
  (faulty: FaultySyscalls): void =>
    faulty.replace('renameAt', ((a: number, b: string, c: number, d: string, flags: number) =>
      flags === refused ? -errno.EINVAL : syscalls.renameAt(a, b, c, d, flags)) as never);

unionTest(t, 'this host has them all', { lowers: [{}], upper: null }, (t, w) => {
  const features = probe(w, () => undefined);
  t.match(features, { dialect: 'trusted', deviceWhiteout: true, tmpfile: true, renameWhiteout: true });
  t.match(features, { renameExchange: true, handles: true, openHandles: true, uid: 0, gid: 0, overflowIds: false });
  t.same(readdirSync(w.work), [], 'nothing is left');
});

unionTest(t, 'a full filesystem lacks nothing', { lowers: [{}], upper: null }, (t, w) => {
  for (const code of [errno.ENOSPC, errno.EDQUOT]) {
    const features = probe(w, (f) => {
      for (const name of ['setXattr', 'mknodAt', 'openAt']) f.refuse(name, code);
    });
    t.match(features, { dialect: 'trusted', deviceWhiteout: true, tmpfile: true, renameWhiteout: true });
    t.match(features, { renameExchange: true });
  }
});

unionTest(t, 'one is missing', { lowers: [{}], upper: null }, (t, w) => {
  const code = errno.EOPNOTSUPP;
  t.match(
    probe(w, (f) => f.refuse('setXattr', code)),
    { dialect: null },
  );
  t.match(
    probe(w, (f) => f.arm({ at: 1, how: errno.EPERM, only: 'setXattr' })),
    { dialect: 'user' },
  );
  t.match(
    probe(w, (f) => f.refuse('linkAt', code)),
    { tmpfile: false },
  );
  t.match(
    probe(w, (f) => f.refuse('nameToHandle', code)),
    { handles: false },
  );
  t.match(
    probe(w, (f) => f.refuse('openHandle', errno.EPERM)),
    { handles: true, openHandles: false },
  );
  t.match(probe(w, renameWithout(RENAME_EXCHANGE)), { renameExchange: false, renameWhiteout: true });
  t.match(probe(w, renameWithout(RENAME_WHITEOUT)), { renameExchange: true, renameWhiteout: false });
  t.match(
    probe(w, (f) => f.refuse('statFs', errno.EIO)),
    { durability: 'fsync' },
    'unknown: the full flush',
  );
  t.ok(warnings.some((line) => line.includes('O_TMPFILE')));
  t.same(readdirSync(w.work), []);
});

t.test('a read-only mount', async (t) => {
  t.match(readOnlyFeatures(syscalls, -1), { dialect: null, deviceWhiteout: false, handles: true });
});

const layout = {
  lowers: [{ f: file('f'), m: dir({ x: file('') }) }],
  upper: { m: dir({ x: whiteout() }) },
};
const poor: Readonly<Record<string, (faulty: FaultySyscalls) => void>> = {
  RENAME_EXCHANGE: renameWithout(RENAME_EXCHANGE),
  RENAME_WHITEOUT: renameWithout(RENAME_WHITEOUT),
  O_TMPFILE: (f) => {
    f.replace('openAt', ((dirfd: number, name: string, flags: number, mode: number) =>
      name === '' ? -errno.EOPNOTSUPP : syscalls.openAt(dirfd, name, flags, mode)) as never);
  },
  reflinks: (f) => f.refuse('clone', errno.EOPNOTSUPP),
  handles: (f) => f.refuse('nameToHandle', errno.EOPNOTSUPP),
  'opening handles': (f) => f.refuse('openHandle', errno.EPERM),
};
for (const [name, spoil] of Object.entries(poor)) {
  const faulty = new FaultySyscalls();
  spoil(faulty);
  unionTest(t, `a union without ${name}`, { ...layout, sys: faulty.syscalls }, async (t, w) => {
    copyUp(w.u, w.file('f'), 'data');
    t.equal(w.read('f'), 'f');
    w.node('m');
    rmdir(w.u, w.dir(''), 'm');
    unlink(w.u, w.dir(''), 'f');
    t.same(w.names(), []);
    t.same(await w.diskView(), {});
  });
}
