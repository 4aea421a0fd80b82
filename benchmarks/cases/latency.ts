// Family latency: how long others wait while one slow request runs. The probe asks for a name that nobody asked for
// before, so each one reaches the server; the figure is the 99th percentile.

import type { ClientWord } from '../client.js';
import { bigFile, warmOnly } from '../recipes/trees.js';
import type { Bench, Case, Scale } from './case.js';
import { sizeName, warmWrites } from './case.js';

const PAGE = 4096;

type Beside = (bench: Bench) => ClientWord[];
type WarmUp = (bench: Bench) => Promise<unknown>;

function row(name: string, recipe: Case['recipe'], words: Beside, warmUp: WarmUp, more: Partial<Case>): Case {
  return {
    name,
    family: 'latency',
    unit: 'us',
    recipe,
    run: async (bench) => {
      await bench.client('missing', bench.list('warm-missing'));
      await warmUp(bench);
      const timing = await bench.client('beside', 500, ...words(bench));
      if (timing.p99 === undefined) throw new Error('the client gives no percentile');
      return timing.p99 / 1000;
    },
    ...more,
  };
}

export function latencyCases(scale: Scale): Case[] {
  const big = bigFile(scale.layers, scale.bigBytes, 'big');
  const size = sizeName(scale.bigBytes);
  const nothing: WarmUp = async () => {};
  const copyUps: WarmUp = (bench) => bench.client('copy-up', bench.list('big-warm'));
  const fsyncs = ['write', 'written', PAGE, scale.quick ? 100 : 500, 'create', 'fsync-each'];
  const flood = ['write', 'written', 1 << 20, scale.bigBytes >> 20, 'create', 'fsync'];
  return [
    row('p99, nothing else runs', warmOnly(scale.layers), () => [], nothing, {}),
    row(`p99 beside a copy-up of ${size}`, big, (bench) => ['copy-up', bench.list('big')], copyUps, {
      writes: true,
      of: 'union',
      quick: true,
    }),
    row('p99 beside fsyncs', warmOnly(scale.layers), () => fsyncs, warmWrites, { writes: true }),
    row(`p99 beside a write of ${size}`, warmOnly(scale.layers), () => flood, warmWrites, { writes: true }),
  ];
}
