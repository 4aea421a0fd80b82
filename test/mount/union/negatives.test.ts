// Names that were missed come into being, in every way there is, and are found when the kernel has to ask for them.

import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native, nativeCached } from '../../support/configs.js';
import { fails, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { dir, type TreeSpec } from '../../support/tree.js';

const configs = chosen([kernel, native, nativeCached]);
const many = (from: number, to: number): TreeSpec =>
  Object.fromEntries(Array.from({ length: to - from }, (_, at) => [`f${from + at}`, 'lower']));
const layers = {
  lowers: [{ many: dir(many(0, 30)), few: dir({ f0: 'lower' }) }, { many: dir(many(20, 50)) }],
  upper: { up: dir({ f0: 'upper' }) },
};

const ways: Record<string, (a: Agent, path: string) => Promise<unknown>> = {
  created: async (a, path) => ok(a.close(await ok(a.open(path, O.WRONLY | O.CREAT | O.EXCL)))),
  made: (a, path) => ok(a.mkdir(path)),
  linked: (a, path) => ok(a.link('source', path)),
  symlinked: (a, path) => ok(a.symlink('nowhere', path)),
  moved: async (a, path) => {
    await ok(a.put('mover', 'moved'));
    await ok(a.rename('mover', path));
  },
};

await t.test('names that come after they were missed', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await ok(a.put('source', 'linked'));
    await ok(a.mkdir('new'));
    for (const parent of ['many', 'few', 'up', 'new']) {
      for (const [how, come] of Object.entries(ways)) {
        const path = `${parent}/${how}`;
        await fails(a.stat(path), 'ENOENT');
        await fails(a.stat(`${path} not`), 'ENOENT');
        await come(a, path);
      }
    }
    await m.forget();
    for (const parent of ['many', 'few', 'up', 'new']) {
      for (const how of Object.keys(ways)) {
        await ok(a.lstat(`${parent}/${how}`));
        await fails(a.lstat(`${parent}/${how} not`), 'ENOENT');
      }
    }
    for (let at = 0; at < 50; at += 1) await ok(a.stat(`many/f${at}`));
    if (m.config === kernel) return;
    const { missed } = await m.stats();
    t.ok(missed !== undefined && missed >= 20, `${missed} were answered without JavaScript`);
  }),
);

await t.test('names that go, and come back', (t) =>
  onEach(t, configs, layers, async (m, t) => {
    const a = m.client;
    await fails(a.stat('many/nothing'), 'ENOENT');
    await ok(a.unlink('many/f1'));
    await m.forget();
    await fails(a.stat('many/f1'), 'ENOENT');
    await ok(a.put('many/f1', 'again'));
    await m.forget();
    t.equal(await ok(a.cat('many/f1')), 'again');
    await ok(a.mkdir('gone'));
    await fails(a.stat('gone/x'), 'ENOENT');
    await ok(a.rmdir('gone'));
    await ok(a.mkdir('gone'));
    await ok(a.put('gone/x', 'x'));
    await m.forget();
    t.equal(await ok(a.cat('gone/x')), 'x');
  }),
);
