// A bundle's annotations as the words of a mount.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseMount } from '../../lib/cli/arguments.js';
import { bundleMount } from '../../lib/cli/bundle.js';
import { freshDirectory } from '../support/paths.js';

const base = freshDirectory('cli-bundle');
const bundle = join(base, 'bundle');
for (const name of ['a', 'b,c', 'bundle', 'bundle/rootfs', 'bundle/ü', 'bundle/w']) mkdirSync(join(base, name));
t.teardown(() => rmSync(base, { recursive: true }));

function describe(config: object): void {
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
}

const root = { path: 'rootfs' };
const full = {
  'org.stratafs.lowerdir': '../a:../b,c',
  'org.stratafs.upperdir': 'ü',
  'org.stratafs.workdir': join(bundle, 'w'),
  'org.stratafs.options': 'dev,passthrough=upper',
};

t.test('paths are relative to the bundle', async (t) => {
  describe({ root, annotations: full });
  t.match(parseMount(['--bundle', bundle]), {
    mountpoint: join(bundle, 'rootfs'),
    options: {
      lowers: [join(base, 'a'), join(base, 'b,c')],
      upper: Buffer.from(join(bundle, 'ü')).toString('latin1'),
      workdir: join(bundle, 'w'),
      flags: ['dev'],
      passthrough: 'upper',
    },
  });
  t.match(parseMount([`--bundle=${bundle}`, '-o', 'ro']), { options: { readOnly: true } });
});

t.test('without an upper it is read-only', async (t) => {
  describe({ root, annotations: { 'org.stratafs.lowerdir': '../a' } });
  t.strictSame(bundleMount(bundle), { list: `lowerdir=${join(base, 'a')}`, mountpoint: join(bundle, 'rootfs') });
});

t.test('what is missing is named', async (t) => {
  describe({ root, annotations: {} });
  t.throws(() => bundleMount(bundle), { name: 'MountError', message: /no annotation org\.stratafs\.lowerdir/ });
  describe({ annotations: full });
  t.throws(() => bundleMount(bundle), { name: 'MountError', message: /no root\.path/ });
  writeFileSync(join(bundle, 'config.json'), '{');
  t.throws(() => bundleMount(bundle), { name: 'MountError', message: /config\.json/ });
  t.throws(() => bundleMount(join(base, 'none')), {
    name: 'MountError',
    message: /none\/config\.json: no such file or directory$/,
  });
  writeFileSync(join(bundle, 'config.json'), 'null');
  t.throws(() => bundleMount(bundle), { name: 'MountError', message: /no annotation/ });
});
