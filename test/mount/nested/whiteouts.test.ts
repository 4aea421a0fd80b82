// Whiteouts inside whiteouts: an overlay in our mount leaves its marks there, which are its own and not
// ours, and they mean the same after a remount and to kernel overlayfs in our place.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Agent, hostAgent } from '../../support/agent.js';
import { type Config, kernel, missing, native } from '../../support/configs.js';
import { fails, is, ok } from '../../support/expect.js';
import { O, RENAME, S } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { freshDirectory } from '../../support/paths.js';
import { runScenario, scenarioLowers } from '../../support/scenario.js';
import { type Layers, mountReadOnly, type Server, startServer, unmountBelow } from '../../support/server.js';
import { differences, dir, makeTree, readTree } from '../../support/tree.js';

/** Two stacks, the upper of `outer` in the mount of `inner`. */
interface Nest {
  readonly inner: Layers;
  readonly outer: Layers;
  readonly base: string;
}

async function makeNest(): Promise<Nest> {
  const base = freshDirectory('nest');
  const at = (name: string): string => join(base, name);
  for (const name of ['in-lower', 'in-upper', 'in-work', 'in', 'low0', 'low1', 'out']) await mkdir(at(name));
  for (const [index, spec] of scenarioLowers.entries()) await makeTree(at(`low${index}`), spec);
  await makeTree(at('in-lower'), { upper: dir({ 'from below': 'below\n' }), work: dir({}) });
  return {
    base,
    inner: { lowers: [at('in-lower')], upper: at('in-upper'), work: at('in-work'), mountpoint: at('in') },
    outer: { lowers: [at('low0'), at('low1')], upper: at('in/upper'), work: at('in/work'), mountpoint: at('out') },
  };
}

async function inside<T>(path: string, use: (a: Agent) => Promise<T>): Promise<T> {
  const agent = await Agent.start(path);
  try {
    return await use(agent);
  } finally {
    await agent.stop();
  }
}

/** Mounts both, uses the outer one, ends both. */
async function mounted<T>(nest: Nest, outer: Config, use: (a: Agent) => Promise<T>): Promise<T> {
  const servers: Server[] = [];
  servers.unshift(await startServer(native, nest.inner));
  servers.unshift(await startServer(outer, nest.outer));
  try {
    return await inside(nest.outer.mountpoint, use);
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** What kernel overlayfs shows of both stacks. */
async function seenByKernel(nest: Nest): Promise<Record<string, string>> {
  await mountReadOnly(nest.inner, nest.inner.mountpoint);
  await mountReadOnly(nest.outer, nest.outer.mountpoint);
  return inside(nest.outer.mountpoint, (a) => readTree('.', {}, a));
}

async function handBack(t: Test, outer: Config): Promise<void> {
  const nest = await makeNest();
  try {
    const made = await mounted(nest, outer, async (a) => {
      await runScenario(a, { dirRenames: true });
      return readTree('.', {}, a);
    });
    const again = await mounted(nest, outer, async (a) => {
      await is((await ok(a.lstat(`${nest.outer.upper}/merged/one`))).mode, S.IFCHR);
      await is(a.getxattr(`${nest.outer.upper}/tree/p`, 'trusted.overlay.opaque'), 'y');
      await is((await ok(a.lstat(`${nest.inner.upper}/upper/merged/one`))).mode, S.IFREG);
      await is(a.getxattr(`${nest.inner.upper}/upper/tree/p`, 'trusted.overlay.overlay.opaque'), 'y');
      return readTree('.', {}, a);
    });
    t.same(differences(again, made), [], 'after a remount of both');
    t.same(differences(await seenByKernel(nest), made), [], 'by kernel overlayfs on kernel overlayfs');
    t.match(made, { './tree/two': /hash/, './from below': /hash/ });
    t.notHas(made, './merged/one');
  } finally {
    await unmountBelow(nest.base);
    await rm(nest.base, { recursive: true, force: true });
  }
}

for (const outer of [native, { ...kernel, options: 'redirect_dir=on' }]) {
  const reason = missing(native);
  await t.test(`${outer.name} with its upper in our mount`, reason === undefined ? {} : { skip: reason }, (t) =>
    handBack(t, outer),
  );
}

await t.test('a device 0:0 is there after a remount, wherever it went', (t) =>
  onEach(t, [native], { lowers: [{ d: dir({ low: 'low\n' }), e: dir({}), f: dir({ x: 'x\n' }) }] }, async (m) => {
    const zero = S.IFCHR | 0o600;
    const a = m.client;
    await ok(a.mknod('d/zero', zero));
    await ok(a.link('d/zero', 'e/linked'));
    await ok(a.mknod('moved', zero));
    await ok(a.rename('moved', 'f/moved'));
    await ok(a.mknod('swapped', zero));
    await ok(a.rename('swapped', 'f/x', RENAME.EXCHANGE));
    await ok(a.unlink('d/low'));
    await ok(a.mknod('d/low', zero));
    await ok(a.removexattr('d', 'trusted.overlay.opaque'));
    await m.remount();
    for (const path of ['d/zero', 'e/linked', 'f/moved', 'f/x', 'd/low']) {
      const st = await ok(m.client.lstat(path));
      await is([path, st.mode, st.rdev, st.size], [path, zero, '0', 0]);
      await is(await m.client.listxattr(path), []);
      await fails(m.client.getxattr(path, 'trusted.overlay.whiteout'), 'ENODATA');
    }
    await is(m.client.list('d'), ['low', 'zero']);
    await is(m.client.cat('swapped'), 'x\n');
    await ok(m.client.unlink('d/low'));
    await is(m.client.list('d'), ['zero']);
  }),
);

await t.test('a device 0:0 of a lower is copied up as one', (t) =>
  onEach(t, [native], { lowers: [{ d: dir({}) }] }, async (m) => {
    const host = await hostAgent();
    await ok(m.client.mknod('d/zero', S.IFCHR | 0o600));
    const lower = `${m.base}/second`;
    await m.unmount();
    await ok(host.rename(m.upper, lower));
    await ok(host.mkdir(m.upper));
    const stack = { ...m.layers, lowers: [lower, ...m.layers.lowers] };
    const server = await startServer(native, stack);
    await inside(m.root, async (a) => {
      await is((await ok(a.lstat('d/zero'))).mode, S.IFCHR | 0o600);
      await ok(a.chmod('d/zero', 0o640));
      await is((await ok(a.lstat('d/zero'))).mode, S.IFCHR | 0o640);
    });
    await server.stop();
    await m.mount();
    await is((await ok(m.client.lstat('d/zero'))).mode, S.IFCHR | 0o640);
  }),
);

await t.test('RENAME_WHITEOUT leaves a device 0:0', (t) =>
  onEach(t, [native], { lowers: [{ f: 'f\n', g: 'g\n', d: dir({ in: 'in\n' }), e: dir({}) }] }, async (m) => {
    const a = m.client;
    const isWhiteout = async (path: string): Promise<void> => {
      await is((await ok(a.lstat(path))).mode, S.IFCHR);
    };
    await ok(a.rename('f', 'new', RENAME.WHITEOUT));
    await ok(a.rename('new', 'g', RENAME.WHITEOUT));
    await ok(a.rename('d', 'e/d', RENAME.WHITEOUT | RENAME.NOREPLACE));
    await fails(a.rename('g', 'e/d', RENAME.WHITEOUT | RENAME.NOREPLACE), 'EEXIST');
    await fails(a.rename('g', 'e/d', RENAME.WHITEOUT | RENAME.EXCHANGE), 'EINVAL');
    await fails(a.rename('none', 'other', RENAME.WHITEOUT), 'ENOENT');
    await fails(a.rename('g', 'e/d', RENAME.WHITEOUT), 'EISDIR');
    for (const again of [false, true]) {
      if (again) await m.remount();
      for (const path of ['f', 'new', 'd'])
        await (again ? is((await ok(m.client.lstat(path))).mode, S.IFCHR) : isWhiteout(path));
      await is(m.client.list('.'), ['d', 'e', 'f', 'g', 'new']);
      await is(m.client.cat('g'), 'f\n');
      await is(m.client.cat('e/d/in'), 'in\n');
    }
    await ok(m.client.open('g', O.RDONLY));
  }),
);
