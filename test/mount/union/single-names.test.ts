// A large directory of lowers in which single names are asked for, listed and changed, in this order and in others.

import t from 'tap';
import type { Agent } from '../../support/agent.js';
import { chosen, kernel, native } from '../../support/configs.js';
import { fails, ok } from '../../support/expect.js';
import { onEach } from '../../support/mounts.js';
import { dir, type TreeSpec, whiteout } from '../../support/tree.js';

const configs = chosen([kernel, native]);
/** Long ones: directories are large by their bytes, on most filesystems. */
const nameOf = (at: number): string => `${at}-${'n'.repeat(230)}`;
const COUNT = 1150;
const BELOW = COUNT + 50;
const many = (from: number, to: number): TreeSpec =>
  Object.fromEntries(Array.from({ length: to - from }, (_, at) => [nameOf(from + at), `${from}`]));
const layers = {
  lowers: [
    { big: dir({ ...many(0, COUNT), gone: whiteout(), sub: dir({ a: 'a' }) }) },
    { big: dir({ ...many(COUNT - 50, BELOW), gone: 'hidden', sub: dir({ b: 'b' }) }) },
  ],
  upper: {},
};

async function look(a: Agent): Promise<void> {
  for (const at of [0, 7, COUNT - 20, COUNT + 5]) await ok(a.lstat(`big/${nameOf(at)}`));
  for (const name of ['gone', 'nothing', nameOf(BELOW)]) await fails(a.lstat(`big/${name}`), 'ENOENT');
}

const orders: Record<string, (a: Agent) => Promise<unknown>> = {
  listed: (a) => ok(a.list('big')),
  written: (a) => ok(a.put(`big/${nameOf(7)}`, 'written')),
  moved: (a) => ok(a.rename(`big/${nameOf(COUNT + 5)}`, `big/${nameOf(BELOW + 1)}`)),
  'changed below': (a) => ok(a.put('big/sub/c', 'c')),
  'changed itself': (a) => ok(a.chmod('big', 0o700)),
};

for (const [what, change] of Object.entries(orders)) {
  await t.test(`single names, then it is ${what}`, (t) =>
    onEach(t, configs, layers, async (m, t) => {
      const a = m.client;
      await look(a);
      t.equal(await ok(a.cat(`big/${nameOf(COUNT - 20)}`)), '0', 'of the layer above');
      await change(a);
      await m.forget();
      for (const at of [0, COUNT - 20]) await ok(a.lstat(`big/${nameOf(at)}`));
      t.same((await ok(a.list('big/sub'))).sort(), what === 'changed below' ? ['a', 'b', 'c'] : ['a', 'b']);
      t.equal((await ok(a.list('big'))).length, BELOW + 1);
      if (what === 'written') t.equal(await ok(a.cat(`big/${nameOf(7)}`)), 'written');
    }),
  );
}
