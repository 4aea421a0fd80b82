// Layers go forth and back between kernel overlayfs and us: the same tree either way.

import t from 'tap';
import { Agent } from '../../support/agent.js';
import { chosen, fuseNative, kernel, native } from '../../support/configs.js';
import { is, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach } from '../../support/mounts.js';
import { runScenario, scenarioLowers } from '../../support/scenario.js';
import { startServer } from '../../support/server.js';
import { type Comparison, differences, readTree } from '../../support/tree.js';

const configs = chosen([native, fuseNative]);
const setup = { lowers: scenarioLowers };
/** Times cross the package fuse-native as milliseconds. */
const howOf = (m: Mounted): Comparison => ({ mtime: m.config.channel !== 'fuse-native' });

/** Runs `work` on the mount's layers under kernel overlayfs; the mount itself must be ended. */
async function inKernel<T>(m: Mounted, options: string, work: (a: Agent) => Promise<T>): Promise<T> {
  const server = await startServer({ ...kernel, options }, m.layers);
  const agent = await Agent.start(m.root);
  try {
    return await work(agent);
  } finally {
    await agent.stop();
    await server.stop();
  }
}

await t.test('untouched layers look the same', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    const how = howOf(m);
    t.same(differences(await m.tree(how), await m.kernelTree(how)), []);
  }),
);

for (const dirRenames of [false, true]) {
  const which = dirRenames ? 'with moved directories' : 'without moved directories';
  await t.test(`an upper made here, ${which}, is the same tree in kernel overlayfs`, (t) =>
    onEach(t, configs, setup, async (m, t) => {
      const how = howOf(m);
      await runScenario(m.client, { dirRenames });
      const ours = await m.tree(how);
      await m.unmount();
      const theirs = await inKernel(m, 'redirect_dir=on', (a) => readTree('.', how, a));
      t.same(differences(theirs, ours), [], 'writable, redirect_dir=on');
      t.same(differences(await m.kernelTree(how), ours), [], 'read-only');
      await m.mount();
      t.same(differences(await m.tree(how), ours), [], 'and here again');
    }),
  );

  for (const options of ['redirect_dir=on', 'redirect_dir=on,index=on,metacopy=off']) {
    await t.test(`an upper made by kernel overlayfs (${options}), ${which}, is the same tree here`, (t) =>
      onEach(t, configs, setup, async (m, t) => {
        const how = howOf(m);
        await m.unmount();
        const theirs = await inKernel(m, options, async (a) => {
          await runScenario(a, { dirRenames });
          return readTree('.', how, a);
        });
        await m.mount();
        t.same(differences(await m.tree(how), theirs), []);
        await ok(m.client.put('tree/p/other', 'and changed here', O.WRONLY | O.TRUNC));
        await is(m.client.cat('tree/p/other'), 'and changed here');
      }),
    );
  }
}
