// Family latency: how long others wait while one slow request runs. The probe asks for a name that nobody asked for
// before, so each one reaches the server; the figure is the 99th percentile.

import type { ClientWord } from '../client.js';
import { bigFile, warmOnly } from '../recipes/trees.js';
import type { Bench, Case, Scale } from './case.js';
import { sizeName } from './case.js';

const PAGE = 4096;

function row(name: string, recipe: Case['recipe'], words: (bench: Bench) => ClientWord[], more: Partial<Case>): Case {
  return {
    name,
    family: 'latency',
    unit: 'us',
    recipe,
    run: async (bench) => {
      await bench.client('walk', 'warm');
      const timing = await bench.client('beside', 500, ...words(bench));
      if (timing.p99 === undefined) throw new Error('the client gives no percentile');
      return timing.p99 / 1000;
    },
    ...more,
  };
}

export function latencyCases(scale: Scale): Case[] {
  const big = bigFile(scale.layers, scale.bigBytes, 'lower');
  const size = sizeName(scale.bigBytes);
  const fsyncs = ['write', 'written', PAGE, scale.quick ? 100 : 500, 'create', 'fsync-each'];
  const flood = ['write', 'written', 1 << 20, scale.bigBytes >> 20, 'create', 'fsync'];
  return [
    row('p99, nothing else runs', warmOnly(scale.layers), () => [], {}),
    row(`p99 beside a copy-up of ${size}`, big, (bench) => ['copy-up', bench.list('big')], {
      writes: true,
      of: 'union',
      quick: true,
    }),
    row('p99 beside fsyncs', warmOnly(scale.layers), () => fsyncs, { writes: true }),
    row(`p99 beside a write of ${size}`, warmOnly(scale.layers), () => flood, { writes: true }),
  ];
}
