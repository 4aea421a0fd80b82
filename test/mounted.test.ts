// Assembly of a mount: refused before anything is mounted, and the line of counts. That mounts work is
// shown by test/mount.

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import t from 'tap';
import { type MountStats, mountUnion, report } from '../lib/mounted.js';
import { liveFds } from '../lib/sys/fd.js';
import { defaultOptions } from '../lib/union/options.js';
import { freshDirectory } from './support/paths.js';

const base = freshDirectory('mounted');
for (const name of ['lower', 'm']) mkdirSync(`${base}/${name}`);
t.teardown(() => rmSync(base, { recursive: true }));

t.test('a refusal leaves no descriptor', async (t) => {
  const before = readdirSync('/proc/self/fd').length;
  const missing = { ...defaultOptions(), lowers: [`${base}/none`] };
  await t.rejects(mountUnion(missing, `${base}/m`), { name: 'MountError', message: /lowerdir: .*none/ });
  const options = { ...defaultOptions(), lowers: [`${base}/lower`] };
  await t.rejects(mountUnion(options, `${base}/nowhere`), { name: 'MountError', message: /mountpoint .*nowhere/ });
  t.equal(readdirSync('/proc/self/fd').length, before);
  t.equal(liveFds(), 0);
});

t.test('the line of counts', async (t) => {
  const stats: MountStats = { nodes: 1, handles: 0, backingIds: 0, fds: 0, attached: 0, inFlight: 0, assertions: 0 };
  const file = `${base}/stats`;
  delete process.env.STRATAFS_STATS;
  report(stats);
  process.env.STRATAFS_STATS = file;
  report(stats);
  report({ ...stats, nodes: 2 });
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  t.same(
    lines.map((line) => JSON.parse(line)),
    [stats, { ...stats, nodes: 2 }],
  );
  process.env.STRATAFS_STATS = `${base}/none/stats`;
  t.doesNotThrow(() => report(stats), 'best effort');
  delete process.env.STRATAFS_STATS;
});
