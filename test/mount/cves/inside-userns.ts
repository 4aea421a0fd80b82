// Run within a user namespace (see support/rooms.ts) on layers that were made outside; the argument
// names the directory with lower, upper and work.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Agent } from '../../support/agent.js';
import { native } from '../../support/configs.js';
import { fails, is, ok, yes } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { freshDirectory } from '../../support/paths.js';
import { startServer } from '../../support/server.js';
import { capability } from './capability.js';

const base = process.argv[2] as string;
const mountpoint = join(freshDirectory('inside'), 'mnt');
await mkdir(mountpoint);
const layers = {
  lowers: [join(base, 'lower')],
  upper: join(base, 'upper'),
  work: join(base, 'work'),
  mountpoint,
};
const server = await startServer(native, layers);
const a = await Agent.start(mountpoint);

await t.test('CVE-2023-0386: a file of an unmapped owner is not copied up', async () => {
  await is((await ok(a.stat('suid'))).uid, 65534);
  await fails(a.chmod('suid', 0o4755), 'EOVERFLOW');
  await fails(a.open('suid', O.WRONLY), 'EOVERFLOW', 'EACCES');
  await fails(a.setxattr('suid', 'user.a', 'b'), 'EOVERFLOW', 'EACCES');
  await fails(a.rename('suid', 'renamed'), 'EOVERFLOW');
  await fails(a.link('suid', 'linked'), 'EOVERFLOW', 'EPERM');
});

await t.test('CVE-2021-3493: a capability set here counts in this namespace only', async () => {
  await ok(a.setxattr('mine', 'security.capability', capability));
  await is(a.getxattr('mine', 'security.capability'), capability);
  await ok(a.chmod('mine', 0o711));
});

await t.test('CVE-2021-3732: what a mount hides stays hidden', async () => {
  const names = await a.list('covered');
  yes(typeof names === 'number' || !names.includes('secret'), `the directory shows ${names}`);
  yes(typeof (await a.cat('covered/secret')) === 'number', 'the hidden file can be read');
});

await a.stop();
await server.stop();
