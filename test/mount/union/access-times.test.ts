// What reading does to access times, by the words of the mount: read through the server and in passthrough.

import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { chosen, native } from '../../support/configs.js';
import { ok } from '../../support/expect.js';
import { onEach } from '../../support/mounts.js';
import { dir, file } from '../../support/tree.js';

const configs = chosen([native]);
const layout = { lowers: [{ low: file('low') }], upper: { f: file('f'), d: dir({ x: file('x') }) } };
const YEAR_2001 = 1e9;

// Words, whether a file's and a directory's access time move at the first reading.
const cases = [
  ['', false, false],
  ['noatime', false, false],
  ['relatime', true, true],
  ['strictatime', true, true],
  ['strictatime,nodiratime', true, false],
  ['relatime,noatime', false, false],
  ['ro,strictatime', false, false],
] as const;

for (const passthrough of ['off', 'all'] as const) {
  for (const [words, fileMoves, dirMoves] of cases) {
    const options = `passthrough=${passthrough},${words}`;
    await t.test(options, (t) =>
      onEach(t, configs, { ...layout, options }, async (m, t) => {
        for (const name of ['f', 'd']) utimesSync(join(m.upper, name), YEAR_2001, YEAR_2001 + 1);
        const low = await ok(m.client.stat('low'));
        await ok(m.client.cat('f'));
        await ok(m.client.cat('low'));
        await ok(m.client.list('d'));
        const moved = async (path: string): Promise<boolean> =>
          BigInt((await ok(m.client.stat(path))).atime) / 1_000_000_000n !== BigInt(YEAR_2001);
        t.equal(await moved('f'), fileMoves, 'the file');
        t.equal(await moved('d'), dirMoves, 'the directory');
        t.equal((await ok(m.client.stat('low'))).atime, low.atime, 'never the lower');
      }),
    );
  }
}
