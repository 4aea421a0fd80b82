// `stratafs mount`: what it refuses, it refuses in the process that was called. That it serves is
// shown by the mount tests.

import { mkdirSync, rmSync } from 'node:fs';
import t from 'tap';
import { mannerOf } from '../../lib/cli/manner.js';
import { mountCommand, serveCommand } from '../../lib/cli/mount.js';
import { freshDirectory } from '../support/paths.js';

const base = freshDirectory('cli-mount');
mkdirSync(`${base}/m`);
t.teardown(() => rmSync(base, { recursive: true }));

t.test('a mistake is thrown before any process is started', async (t) => {
  const manner = mannerOf('stratafs');
  const commands = [
    (argv: string[]) => mountCommand(argv, manner, ['--never']),
    (argv: string[]) => serveCommand(argv, manner),
  ];
  for (const command of commands) {
    await t.rejects(command([`${base}/m`]), { name: 'MountError', message: /no lowerdir/ });
    await t.rejects(command(['-o', `lowerdir=${base}/none`, `${base}/m`]), { message: /lowerdir .*none/ });
  }
});
