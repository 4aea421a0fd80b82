// Family growth: how time and the server's memory go with the number of nodes visited, open files, clients and mounts.

import { many, tree, warmOnly } from '../recipes/trees.js';
import {
  type AnotherMount,
  type Bench,
  type Case,
  microsecondsPerOp,
  opsPerSecond,
  plural,
  type Scale,
} from './case.js';

const MEGABYTE = 1e6;

/** Time and memory of the same work, as two rows. */
function pair(
  what: string,
  value: number,
  row: Omit<Case, 'name' | 'family' | 'unit' | 'axis' | 'run'>,
  work: (bench: Bench) => Promise<{ time: number; memory: number }>,
  unit: Case['unit'] = 'us/op',
): Case[] {
  const axis = (line: string) => ({ line: `${line}, by ${what}s`, of: `${what}s`, value });
  const name = plural(value, what);
  return [
    {
      ...row,
      name: `time, ${name}`,
      family: 'growth',
      unit,
      axis: axis('time'),
      run: async (b) => (await work(b)).time,
    },
    {
      ...row,
      name: `memory, ${name}`,
      family: 'growth',
      unit: 'MB',
      of: 'server',
      axis: axis('memory'),
      run: async (bench) => (await work(bench)).memory,
    },
  ];
}

function nodes(scale: Scale, count: number): Case[] {
  const row = { recipe: many(scale.layers, count), once: count >= 100_000 };
  return pair('node', count, row, async (bench) => {
    await bench.client('walk', 'warm');
    const timing = await bench.client('walk', 'many');
    return { time: microsecondsPerOp(timing), memory: bench.memory() / MEGABYTE };
  });
}

function openFiles(scale: Scale, count: number): Case[] {
  const row = { recipe: tree(scale.layers, count / 50, 50), once: count >= 10_000 };
  return pair('open file', count, row, async (bench) => {
    await bench.client('open-read', bench.list('warm'));
    const held = await bench.hold('hold', bench.list('tree'));
    const memory = bench.memory() / MEGABYTE;
    await held.release();
    return { time: microsecondsPerOp(held.timing), memory };
  });
}

function clients(scale: Scale, count: number): Case {
  const name = plural(count, 'client');
  return {
    name: `open+read+close, ${name}`,
    family: 'growth',
    unit: 'ops/s',
    recipe: tree(scale.layers, scale.directories, scale.filesPerDirectory),
    axis: { line: 'open+read+close, by clients', of: 'clients', value: count },
    run: async (bench) => {
      await bench.client('open-read', bench.list('tree'));
      return opsPerSecond(await bench.client('parallel', count, 'open-read', bench.list('tree')));
    },
  };
}

function mounts(scale: Scale, count: number): Case[] {
  const row = { recipe: warmOnly(scale.layers), of: 'union', once: count > 10 } as const;
  const work = async (bench: Bench) => {
    const more: AnotherMount[] = [];
    const before = bench.memory();
    try {
      for (let made = 0; made < count; made += 1) more.push(await bench.another());
      const time = more.reduce((sum, mount) => sum + mount.ms, 0) / count;
      return { time, memory: (bench.memory() - before) / MEGABYTE };
    } finally {
      for (const mount of more) await mount.end();
    }
  };
  return pair('mount', count, row, work, 'ms');
}

export function growthCases(scale: Scale): Case[] {
  const inQuick = (name: string) => (row: Case) => (row.name === name ? { ...row, quick: true } : row);
  return [
    ...[1000, 10_000, 100_000, 1_000_000].flatMap((count) => nodes(scale, count)),
    ...[100, 1000, 10_000].flatMap((count) => openFiles(scale, count)),
    ...[1, 2, 8, 32].map((count) => clients(scale, count)),
    ...[1, 10, 50].flatMap((count) => mounts(scale, count)),
  ].map(inQuick('open+read+close, 8 clients'));
}
