// Families lookup, listing and open: the read-only grid, cold and hot. The warm-up visits another subtree of
// the same mount, so that a cold row measures cold caches and not a cold server.

import { type Bench, type Case, microsecondsPerOp } from './case.js';

type Pass = (bench: Bench, subtree: 'tree' | 'warm') => ReturnType<Bench['client']>;

const walk: Pass = (bench, subtree) => bench.client('walk', subtree);
const stat: Pass = (bench, subtree) => bench.client('stat', bench.list(subtree));
const missing: Pass = (bench, subtree) => bench.client('missing', bench.list(`${subtree}-missing`));
const openRead: Pass = (bench, subtree) => bench.client('open-read', bench.list(subtree));

function first(pass: Pass): Case['run'] {
  return async (bench) => {
    await pass(bench, 'warm');
    await bench.cold();
    return microsecondsPerOp(await pass(bench, 'tree'));
  };
}

function second(pass: Pass): Case['run'] {
  return async (bench) => {
    await pass(bench, 'tree');
    return microsecondsPerOp(await pass(bench, 'tree'));
  };
}

function row(family: string, name: string, run: Case['run']): Case {
  return { name, family, unit: 'us/op', better: 'lower', needs: ['tree'], run };
}

export const lookupCases: readonly Case[] = [
  row('listing', 'walk, cold', first(walk)),
  row('listing', 'walk, hot', second(walk)),
  row('lookup', 'stat, cold', first(stat)),
  row('lookup', 'stat, hot', second(stat)),
  row('lookup', 'missing name, unique', first(missing)),
  row('lookup', 'missing name, repeated', second(missing)),
  row('open', 'open+read+close, cold', first(openRead)),
  row('open', 'open+read+close, again', second(openRead)),
];
