// kill -9 in the middle of a stream of changes, then a remount: each change happened wholly or not
// at all, the workdir is empty again, and kernel overlayfs sees the same tree.

import t from 'tap';
import { type Agent, hostAgent } from '../support/agent.js';
import { chosen, native, nativeCached } from '../support/configs.js';
import { ok, sleep } from '../support/expect.js';
import { O } from '../support/linux.js';
import { type Mounted, onEach } from '../support/mounts.js';
import { Random } from '../support/random.js';
import { differences, dir, file, type TreeSpec } from '../support/tree.js';

const ROUNDS = Number(process.env.STRATAFS_CRASH_ROUNDS ?? 6);
const FILES = 120;
const SIZE = 40_000;
/** The next file's change may be done already, in a round before. */
const ENOENT = -2;
const configs = chosen([native, nativeCached]).filter((config) => config.kind === 'stratafs');
const OLD = (i: number): string => `old ${i} `.padEnd(SIZE, 'o');

const indices = Array.from({ length: FILES }, (_v, i) => i);
const lower: TreeSpec = {
  change: dir(Object.fromEntries(indices.map((i) => [`f${i}`, file(OLD(i), { mode: 0o640, uid: 7, gid: 8 })]))),
  remove: dir(Object.fromEntries(indices.map((i) => [`f${i}`, `r${i}`]))),
  move: dir(Object.fromEntries(indices.map((i) => [`f${i}`, `m${i}`]))),
  trees: dir(Object.fromEntries(indices.map((i) => [`d${i}`, dir({ in: `t${i}`, sub: dir({ deep: `s${i}` }) })]))),
};

/** One stream: a change for each file; ends at the first call that the crash answers. */
const streams: Readonly<Record<string, (a: Agent, i: number) => Promise<number>>> = {
  'copy-ups by chmod': (a, i) => a.chmod(`change/f${i}`, 0o600),
  'copy-ups by a write': async (a, i) => {
    const fd = await a.open(`change/f${i}`, O.WRONLY);
    if (fd < 0) return fd;
    const wrote = await a.pwrite(fd, 'new', 0);
    await a.close(fd);
    return wrote;
  },
  removes: (a, i) => a.unlink(`remove/f${i}`),
  renames: (a, i) => a.rename(`move/f${i}`, `move/g${i}`),
  'directory renames': (a, i) => a.rename(`trees/d${i}`, `trees/e${i}`),
  'directories removed and made again': async (a, i) => {
    const failed = await a.rmtree(`trees/d${i}`);
    return failed > 0 ? -5 : a.mkdir(`trees/d${i}`);
  },
};

/** Lets the stream run and kills the server somewhere in it; how many changes were answered. */
async function crashDuring(
  m: Mounted,
  stream: (a: Agent, i: number) => Promise<number>,
  after: number,
): Promise<number> {
  const agent = await m.newClient();
  let answered = 0;
  const running = (async () => {
    for (const i of indices) {
      const result = await stream(agent, i).catch(() => -107);
      if (result < 0 && result !== ENOENT) return;
      if (result >= 0) answered += 1;
    }
  })();
  await sleep(after);
  await m.crash();
  await running;
  await m.mount();
  return answered;
}

/** What may stand at a name, as the content of the file, ENOENT, or the names of a directory. */
async function state(m: Mounted, path: string): Promise<string> {
  const found = await m.client.cat(path);
  if (typeof found === 'string') return found;
  if (found !== -21) return String(found);
  return ((await m.client.list(path)) as string[]).join();
}

async function changedProperly(m: Mounted, i: number): Promise<boolean> {
  const [content, st] = [await state(m, `change/f${i}`), await ok(m.client.stat(`change/f${i}`))];
  const whole = content === OLD(i) || content === `new${OLD(i).slice(3)}`;
  return whole && st.uid === 7 && st.gid === 8 && [0o100640, 0o100600].includes(st.mode);
}

async function movedProperly(m: Mounted, from: string, to: string, content: string): Promise<boolean> {
  const pair = [await state(m, from), await state(m, to)];
  return (pair[0] === content && pair[1] === '-2') || (pair[0] === '-2' && pair[1] === content);
}

/** The paths that are neither wholly old nor wholly new. */
async function torn(m: Mounted): Promise<string[]> {
  const found: string[] = [];
  for (const i of indices) {
    if (!(await changedProperly(m, i))) found.push(`change/f${i}`);
    if (!['-2', `r${i}`].includes(await state(m, `remove/f${i}`))) found.push(`remove/f${i}`);
    if (!(await movedProperly(m, `move/f${i}`, `move/g${i}`, `m${i}`))) found.push(`move/f${i}`);
    const here = await state(m, `trees/d${i}`);
    const there = await state(m, `trees/e${i}`);
    const whole = here === 'in,sub' || there === 'in,sub';
    // A tree that was being removed may be at any depth of it; what is left of it is old.
    const partly = there === '-2' && ['-2', '', 'sub', 'in'].includes(here);
    if (!whole && !partly) found.push(`trees/d${i}: ${here} ${there}`);
    if (here === 'in,sub' && there !== '-2') found.push(`trees/e${i}`);
  }
  return found;
}

for (const [name, stream] of Object.entries(streams)) {
  await t.test(`kill -9 during ${name}`, (t) =>
    onEach(t, configs, { lowers: [lower] }, async (m, t) => {
      const seed = Number(process.env.STRATAFS_SEED ?? Date.now() % 1_000_000);
      const random = new Random(seed);
      for (let round = 0; round < ROUNDS; round++) {
        const after = random.below(15);
        const answered = await crashDuring(m, stream, after);
        t.same(await torn(m), [], `seed ${seed}, round ${round}: ${answered} answered, killed after ${after} ms`);
        const left = await (await hostAgent()).list(`${m.layers.work}/work`);
        t.ok(typeof left === 'number' || left.length <= 1, `no temporary is left: ${left}`);
      }
      t.same(differences(await m.kernelTree(), await m.tree()), [], 'kernel overlayfs sees the same');
    }),
  );
}

await t.test('an answered change survives kill -9', (t) =>
  onEach(t, configs, { lowers: [lower] }, async (m, t) => {
    await ok(m.client.chmod('change/f0', 0o600));
    await ok(m.client.unlink('remove/f0'));
    await ok(m.client.rename('move/f0', 'move/g0'));
    await ok(m.client.put('new', 'new'));
    const before = await m.tree();
    await m.crash();
    await m.mount();
    t.same(differences(await m.tree(), before), []);
  }),
);
