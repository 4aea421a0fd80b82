// The sizes that a union must bear. STRATAFS_LIMITS=full takes them as they are (a million names, a
// million nodes); without it the large ones are tens of thousands.

import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Agent } from '../support/agent.js';
import { command } from '../support/command.js';
import { missing, native } from '../support/configs.js';
import { eventually, fails, is, ok } from '../support/expect.js';
import { O } from '../support/linux.js';
import { withMount } from '../support/mounts.js';
import { freshDirectory, mainScript } from '../support/paths.js';
import {
  dropCaches,
  isMounted,
  type Layers,
  mountTmpfs,
  type Server,
  startServer,
  unmountBelow,
} from '../support/server.js';
import { dir } from '../support/tree.js';

const full = process.env.STRATAFS_LIMITS === 'full';
const MANY = full ? 1_000_000 : 40_000;
/** What may stay when everything is forgotten, MB. */
const NEAR_START = 25;
const reason = missing(native);
const skip = reason === undefined ? {} : { skip: reason };
t.setTimeout(full ? 900_000 : 110_000);

interface Bare {
  readonly layers: Layers;
  readonly server: Server;
  readonly client: Agent;
}

/** A mount whose layers are too large to be compared file by file. */
async function bare(prepare: (lower: string) => void, body: (m: Bare) => Promise<void>): Promise<void> {
  const base = freshDirectory('limits');
  const at = (name: string): string => join(base, name);
  try {
    mkdirSync(at('disk'));
    await mountTmpfs(at('disk'));
    await command(['mount', '-o', 'remount,nr_inodes=4m', at('disk')]);
    for (const name of ['disk/lower', 'disk/upper', 'disk/work', 'merged']) mkdirSync(at(name));
    const [lower, upper, work] = [at('disk/lower'), at('disk/upper'), at('disk/work')];
    prepare(lower);
    const layers = { lowers: [lower], upper, work, mountpoint: at('merged') };
    const server = await startServer(native, layers);
    const client = await Agent.start(layers.mountpoint);
    try {
      await body({ layers, server, client });
    } finally {
      await client.stop();
      await server.stop().catch(() => server.kill());
    }
  } finally {
    await unmountBelow(base);
    rmSync(base, { recursive: true, force: true });
  }
}

/** Resident memory of the server, MB, now or at its highest. */
function resident(server: Server, line: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'latin1');
  return Math.round(Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
}

/** Memory comes back once the kernel has dropped its inodes. */
async function givesBack(t: Test, m: Bare, start: number, what: string): Promise<void> {
  const before = resident(m.server);
  await m.client.chdir('/');
  await dropCaches();
  const near = await eventually(() => resident(m.server) <= start + NEAR_START, 10_000);
  const peak = resident(m.server, 'VmHWM');
  t.comment(`${what}: ${start} MB at the start, ${peak} at most, ${before} after, ${resident(m.server)} given back`);
  t.ok(near, `memory is back near the start: ${start} MB, now ${resident(m.server)}`);
}

function makeFiles(path: string, count: number): void {
  mkdirSync(path, { recursive: true });
  for (let at = 0; at < count; at += 1) closeSync(openSync(join(path, `file-${at}`), 'w'));
}

await t.test('500 lowers, by absolute paths', skip, (t) => {
  const lowers = Array.from({ length: 500 }, (_v, at) => ({
    [`only${at}`]: `${at}`,
    shared: `${at}`,
    d: dir({ [`n${at}`]: '' }),
  }));
  return withMount(t, { config: native, lowers }, async (m) => {
    await is(m.client.cat('shared'), '0');
    await is(m.client.cat('only499'), '499');
    t.equal((await ok(m.client.list('.'))).length, 502);
    t.equal((await ok(m.client.list('d'))).length, 500);
    await ok(m.client.put('only499', 'new'));
    await ok(m.client.unlink('shared'));
    await fails(m.client.stat('shared'), 'ENOENT');
  });
});

await t.test('500 lowers by relative paths; 501 are refused', skip, async (t) => {
  const base = freshDirectory('lowers');
  const names = Array.from({ length: 501 }, (_v, at) => `a-layer-with-a-longer-name-${at}`);
  for (const name of [...names, 'm']) mkdirSync(join(base, name));
  writeSync(openSync(join(base, names[499] as string, 'deepest'), 'w'), 'found');
  const mount = (count: number) =>
    command([
      'sh',
      '-c',
      `cd ${base} && exec "$0" "$@"`,
      process.execPath,
      mainScript,
      'mount',
      '-o',
      `lowerdir=${names.slice(0, count).join(':')}`,
      'm',
    ]);
  try {
    const refused = await mount(501);
    t.equal(refused.code, 1);
    t.match(refused.stderr, /501 layers, the most is 500/);
    t.equal((await mount(500)).code, 0);
    const client = await Agent.start(join(base, 'm'));
    t.equal(await client.cat('deepest'), 'found');
    await client.stop();
    t.equal((await command([process.execPath, mainScript, 'umount', join(base, 'm')])).code, 0);
    t.notOk(isMounted(join(base, 'm')));
  } finally {
    await unmountBelow(base);
    rmSync(base, { recursive: true, force: true });
  }
});

await t.test('names of 255 bytes', skip, (t) => {
  const [n, k] = ['n'.repeat(255), '\xff'.repeat(255)];
  const lower = { [n]: dir({ [k]: dir({ [n]: 'deep' }), f: 'f' }), other: dir({}) };
  return withMount(t, { config: native, lowers: [lower] }, async (m) => {
    const { client } = m;
    await ok(client.chmod(`${n}/${k}/${n}`, 0o600));
    await ok(client.put(k, 'new'));
    await fails(client.put(`${k}x`, 'new'), 'ENAMETOOLONG');
    // A redirect is 256 bytes at most: what needs more is EXDEV, as in kernel overlayfs.
    await fails(client.rename(`${n}/${k}`, 'other/moved'), 'EXDEV');
    await ok(client.rename(`${n}/${k}`, `${n}/${'m'.repeat(255)}`));
    await ok(client.unlink(`${n}/f`));
    await ok(client.rename(n, 'x'.repeat(255)));
    await is(client.cat(`${'x'.repeat(255)}/${'m'.repeat(255)}/${n}`), 'deep');
    await ok(client.rmtree('x'.repeat(255)));
    await fails(client.stat(n), 'ENOENT');
    await m.remount();
    await is(m.client.list('.'), ['other', k]);
  });
});

await t.test('paths of 4,095 bytes, and directories deeper than any path', skip, (t) =>
  withMount(t, { config: native, lowers: [{ d: dir({ f: 'f' }) }] }, async (m) => {
    const { client } = m;
    const name = 'p'.repeat(250);
    const path = `${Array.from({ length: 16 }, () => name).join('/')}/${'q'.repeat(78)}`;
    t.equal(path.length, 4094);
    for (let depth = 0; depth < 24; depth += 1) {
      await ok(client.mkdir(name));
      await ok(client.chdir(name));
    }
    await ok(client.put('bottom', 'bottom'));
    await ok(client.rename('bottom', 'moved'));
    await is(client.cat('moved'), 'bottom');
    const second = await m.newClient();
    await ok(second.put(path, 'at the end'));
    await is(second.cat(path), 'at the end');
    await fails(second.put(`${path}ww`, ''), 'ENAMETOOLONG');
    await ok(second.rename('d', `${name}/d`));
    await is(second.cat(`${name}/d/f`), 'f');
    await ok(second.rmtree(name));
  }),
);

await t.test(`a directory of ${MANY} names`, skip, (t) =>
  bare(
    (lower) => makeFiles(join(lower, 'big'), MANY),
    async (m) => {
      const start = resident(m.server);
      const began = Date.now();
      const stream = await m.client.opendir('big');
      const first = await m.client.readdir(stream, 1000);
      t.comment(`first entries after ${Date.now() - began} ms`);
      if (typeof first === 'number') throw new Error(`readdir: ${first}`);
      const seen = new Set(first.map((entry) => entry.name));
      const middle = first.at(-1)?.off as string;
      await ok(m.client.unlink('big/file-7'));
      await ok(m.client.rename('big/file-8', 'big/moved'));
      await ok(m.client.seekdir(stream, middle));
      for (;;) {
        const more = await m.client.readdir(stream, 50_000);
        if (typeof more === 'number' || more.length === 0) break;
        for (const entry of more) if (seen.has(entry.name)) t.fail(`${entry.name} twice`);
        for (const entry of more) seen.add(entry.name);
      }
      await m.client.closedir(stream);
      const old = [...seen].filter((name) => name.startsWith('file-')).length;
      t.ok(old >= MANY - 2 && old <= MANY, `${old} names`);
      await givesBack(t, m, start, `${MANY} names listed in ${Date.now() - began} ms`);
    },
  ),
);

await t.test(`${MANY} nodes visited`, skip, (t) =>
  bare(
    (lower) => {
      for (let at = 0; at < MANY / 1000; at += 1) makeFiles(join(lower, `d${at}`), 999);
    },
    async (m) => {
      const start = resident(m.server);
      const began = Date.now();
      const found = await command(['find', m.layers.mountpoint, '-size', '+10M'], 300_000);
      t.equal(found.code, 0);
      await givesBack(t, m, start, `${MANY} nodes visited in ${Date.now() - began} ms`);
    },
  ),
);

await t.test('a sparse file of 1 TiB is copied up in seconds, its holes kept', skip, (t) =>
  bare(
    (lower) => {
      const fd = openSync(join(lower, 'sparse'), 'w');
      writeSync(fd, 'middle', 500_000_000_000);
      ftruncateSync(fd, 2 ** 40);
      closeSync(fd);
    },
    async (m) => {
      const began = Date.now();
      const fd = await ok(m.client.open('sparse', O.RDWR));
      await ok(m.client.pwrite(fd, 'start', 0));
      t.ok(Date.now() - began < 5000, `copied up in ${Date.now() - began} ms`);
      await is(m.client.pread(fd, 6, 500_000_000_000), 'middle');
      const stat = await ok(m.client.fstat(fd));
      t.equal(stat.size, 2 ** 40);
      t.ok(stat.blocks < 1000, `${stat.blocks} blocks`);
      await m.client.close(fd);
    },
  ),
);
