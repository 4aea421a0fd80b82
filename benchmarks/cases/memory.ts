// Family memory: what the server's processes hold, idle and after a walk over many nodes whose names and
// attributes the kernel has been told. Competitors inside the kernel have no such figure.

import type { Bench, Case } from './case.js';

const MEGABYTE = 1e6;

async function idle(bench: Bench): Promise<number> {
  await bench.client('list', 'warm/d000');
  return bench.memory() / MEGABYTE;
}

async function visited(bench: Bench): Promise<number> {
  await bench.client('walk', 'many');
  return bench.memory() / MEGABYTE;
}

export const memoryCases: readonly Case[] = [
  { name: 'memory, idle mount', family: 'memory', unit: 'MB', better: 'lower', needs: ['server'], run: idle },
  {
    name: 'memory, 100k nodes',
    family: 'memory',
    unit: 'MB',
    better: 'lower',
    needs: ['server', 'many'],
    run: visited,
  },
];
