// `stratafs umount`: its complaints. That it unmounts is shown by the mount tests.

import { mkdirSync, rmSync } from 'node:fs';
import t from 'tap';
import { umountCommand } from '../../lib/cli/umount.js';
import { freshDirectory } from '../support/paths.js';

t.test('one mountpoint', async (t) => {
  t.throws(() => umountCommand([]), { name: 'MountError', message: /usage/ });
  t.throws(() => umountCommand(['/a', '/b']), { name: 'MountError', message: /usage/ });
});

t.test('what is not mounted', async (t) => {
  const base = freshDirectory('umount');
  mkdirSync(`${base}/d`);
  t.throws(() => umountCommand([`${base}/d`]), { name: 'MountError', message: `mountpoint ${base}/d: not mounted` });
  t.throws(() => umountCommand([`${base}/none`]), { message: `mountpoint ${base}/none: no such file or directory` });
  rmSync(base, { recursive: true });
});
