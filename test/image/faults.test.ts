// Each call of writing and unpacking a layer tar fails once: then there is an error, or the very same result, and no
// descriptor is left. A wrong layer is never silent.

import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { errno } from '../../lib/errno.js';
import { applyLayer } from '../../lib/image/apply.js';
import { layerTar } from '../../lib/image/layer-tar.js';
import { setSink } from '../../lib/log.js';
import { liveFds } from '../../lib/sys/fd.js';
import { syscalls } from '../../lib/sys/syscalls.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { freshDirectory } from '../support/paths.js';
import { plant } from '../support/plant.js';
import { device, dir, file, hardlink, readTree, sparse, symlink, type TreeSpec, whiteout } from '../support/tree.js';

setSink(() => {});

const lower: TreeSpec = { old: dir({ x: file('x') }), d: dir({ gone: file('') }), meta: file('data', { mode: 0o644 }) };
const upper: TreeSpec = {
  d: dir({ gone: whiteout(), new: file('new', { xattrs: { 'user.k': 'v' } }) }),
  moved: dir({}, { xattrs: { 'trusted.overlay.redirect': '/old' } }),
  meta: sparse(4, {}, { xattrs: { 'trusted.overlay.metacopy': '' } }),
  a: file('a'),
  b: hardlink('a'),
  big: file('b'.repeat(100_000)),
  holes: sparse(4_000_000, { 2000000: 'x' }),
  s: symlink('a'),
  o: dir({ y: file('y') }, { opaque: 'trusted' }),
  dev: device(1, 3),
};

interface Places {
  readonly base: string;
  readonly source: { readonly upper: string; readonly lowers: readonly string[] };
}

function places(t: Test): Places {
  const base = freshDirectory('faults');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  for (const [name, spec] of Object.entries({ upper, lower })) {
    mkdirSync(join(base, name));
    plant(join(base, name), spec);
  }
  return { base, source: { upper: join(base, 'upper'), lowers: [join(base, 'lower')] } };
}

async function digestOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

/** Fails each call of `run` in turn; `same` tells whether its result is the right one. What went wrong, a line each. */
async function sweep<T>(
  run: (faulty: FaultySyscalls, at: number) => Promise<T>,
  same: (result: T, at: number) => Promise<boolean>,
): Promise<{ calls: number; complaints: string[] }> {
  const complaints: string[] = [];
  for (let at = 1; ; at += 1) {
    const faulty = new FaultySyscalls();
    faulty.arm({ at, how: errno.EIO });
    let result: { value: T } | null = null;
    try {
      result = { value: await run(faulty, at) };
    } catch (error) {
      if (!(error instanceof Error) || !/Error$/.test(error.name)) complaints.push(`${faulty.fired}: ${String(error)}`);
    }
    if (faulty.fired === null) return { calls: at - 1, complaints };
    if (result !== null && !(await same(result.value, at))) complaints.push(`${faulty.fired}: a wrong result`);
    if (liveFds() !== 0) complaints.push(`${faulty.fired}: ${liveFds()} descriptors`);
  }
}

t.test('layerTar', async (t) => {
  const { source } = places(t);
  const right = await digestOf(layerTar(syscalls, source));
  const { calls, complaints } = await sweep(
    (faulty) => digestOf(layerTar(faulty.syscalls, source)),
    async (digest) => digest === right,
  );
  t.ok(calls > 100, `${calls} calls`);
  t.same(complaints, []);
});

t.test('applyLayer', async (t) => {
  const { base, source } = places(t);
  const chunks: Buffer[] = [];
  for await (const chunk of layerTar(syscalls, source)) chunks.push(chunk);
  const unpack = async (faulty: FaultySyscalls, at: number): Promise<string> => {
    const into = join(base, `into${at}`);
    mkdirSync(into);
    await applyLayer(
      faulty.syscalls,
      (async function* () {
        yield* chunks;
      })(),
      into,
    );
    return into;
  };
  const how = { mtime: true, xattrs: 'all' } as const;
  const right = await readTree(await unpack(new FaultySyscalls(), 0), how);
  const { calls, complaints } = await sweep(unpack, async (into) =>
    isDeepStrictEqual(await readTree(into, how), right),
  );
  t.ok(calls > 50, `${calls} calls`);
  t.same(complaints, []);
});
