// Options that change what users see, each with what it is like without.

import { Buffer } from 'node:buffer';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hostAgent } from '../../support/agent.js';
import { chosen, native } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { onEach } from '../../support/mounts.js';
import { dir, file } from '../../support/tree.js';

const configs = chosen([native]);
const upper = { f: file('f', { mode: 0o644 }), d: dir({ one: dir({}), two: dir({}) }) };

for (const [options, seen] of [
  ['', 0o644],
  ['timeout=1e9', 0o644],
  ['timeout=0', 0o600],
] as const) {
  await t.test(`a change behind the mount, ${options || 'no option'}`, (t) =>
    onEach(t, configs, { lowers: [{}], upper, options }, async (m, t) => {
      t.equal((await ok(m.client.stat('f'))).mode & 0o777, 0o644);
      chmodSync(join(m.upper, 'f'), 0o600);
      t.equal((await ok(m.client.stat('f'))).mode & 0o777, seen);
    }),
  );
}

for (const [options, nlink] of [
  ['', 4],
  ['static_nlink', 1],
] as const) {
  await t.test(`link count of a directory of one layer, ${options || 'no option'}`, (t) =>
    onEach(t, configs, { lowers: [{}], upper, options }, async (m, t) => {
      t.equal((await ok(m.client.stat('d'))).nlink, nlink);
      t.equal((await ok(m.client.stat('f'))).nlink, 1);
      await ok(m.client.mkdir('d/three', 0o755));
      t.equal((await ok(m.client.stat('d'))).nlink, nlink === 1 ? 1 : nlink + 1);
    }),
  );
}

/** user::rw-, user:1000:rw-, group::---, mask::rw-, other::--- */
function aclForUser(): string {
  const entries = [
    [1, 6, 0xffffffff],
    [2, 6, 1000],
    [4, 0, 0xffffffff],
    [0x10, 6, 0xffffffff],
    [0x20, 0, 0xffffffff],
  ] as const;
  const out = Buffer.alloc(4 + 8 * entries.length);
  out.writeUInt32LE(2, 0);
  entries.forEach(([tag, bits, who], at) => {
    out.writeUInt16LE(tag, 4 + 8 * at);
    out.writeUInt16LE(bits, 6 + 8 * at);
    out.writeUInt32LE(who, 8 + 8 * at);
  });
  return out.toString('latin1');
}

const ACL = 'system.posix_acl_access';
for (const options of ['', 'noacl', 'xattr_permissions=2']) {
  await t.test(`POSIX ACLs, ${options || 'no option'}`, (t) =>
    onEach(t, configs, { lowers: [{ low: file('low', { mode: 0o600 }) }], upper, options }, async (m, t) => {
      const acl = aclForUser();
      const user = await m.newClient('.', 1000, 1000);
      if (options === '') {
        await ok(m.client.setxattr('low', ACL, acl));
        await is(user.cat('low'), 'low');
        await is(m.client.getxattr('low', ACL), acl);
      } else {
        await ok((await hostAgent()).setxattr(join(m.upper, 'f'), ACL, acl));
        await fails(m.client.setxattr('low', ACL, acl), 'EOPNOTSUPP');
        await fails(m.client.getxattr('f', ACL), 'EOPNOTSUPP');
        await fails(user.cat('low'), 'EACCES');
      }
      t.pass(options);
    }),
  );
}

for (const options of ['xino=off', 'xino=auto', 'xino=on', 'ino32_t']) {
  await t.test(`${options}: numbers are unique and stay, whatever is chosen`, (t) =>
    onEach(t, configs, { lowers: [{ a: 'a' }, { b: 'b' }], tmpfs: [1], options }, async (m, t) => {
      const numbers = async () => [(await ok(m.client.stat('a'))).ino, (await ok(m.client.stat('b'))).ino];
      const before = await numbers();
      t.not(before[0], before[1]);
      await ok(m.client.chmod('b', 0o600));
      await m.remount();
      t.same(await numbers(), before);
    }),
  );
}
