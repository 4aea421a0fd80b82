// Family copy-up: the first change to a file of a lower, by size and by filesystem. Paths are looked up before the clock
// starts, so a row is the change and not the lookup; a first batch elsewhere warms the server.

import { bigFile, deepEdits, edits, sparseFile } from '../recipes/trees.js';
import { type Case, type Filesystem, microsecondsPerOp, milliseconds, type Scale, sizeName } from './case.js';

const KIBIBYTE = 1024;
const MEBIBYTE = KIBIBYTE ** 2;

/** The same call over a list of lower files. */
export function onLower(command: string, suffix = ''): Case['run'] {
  return async (bench) => {
    await bench.client(command, bench.list(`edit-warm${suffix}`));
    await bench.client('stat', bench.list(`edit${suffix}`));
    return microsecondsPerOp(await bench.client(command, bench.list(`edit${suffix}`)));
  };
}

async function copyUpBig(bench: Parameters<Case['run']>[0]): Promise<number> {
  await bench.client('copy-up', bench.list('big-warm'));
  await bench.client('stat', bench.list('big'));
  return milliseconds(await bench.client('copy-up', bench.list('big')));
}

function small(scale: Scale, bytes: number, count: number): Case {
  return {
    name: `copy-up, ${sizeName(bytes)}`,
    family: 'copy-up',
    unit: 'us/op',
    recipe: edits(scale.layers, count, bytes),
    writes: true,
    axis: { line: 'copy-up, by size', of: 'bytes', value: bytes },
    run: onLower('copy-up'),
  };
}

function big(scale: Scale, bytes: number): Case {
  return {
    name: `copy-up, ${sizeName(bytes)}`,
    family: 'copy-up',
    unit: 'ms',
    recipe: bigFile(scale.layers, bytes, 'big'),
    writes: true,
    of: 'union',
    run: copyUpBig,
  };
}

function sparse(scale: Scale, bytes: number): Case {
  return {
    name: `copy-up, ${sizeName(bytes)} sparse`,
    family: 'copy-up',
    unit: 'ms',
    recipe: sparseFile(scale.layers, bytes),
    writes: true,
    of: 'union',
    once: true,
    run: copyUpBig,
  };
}

function on(filesystem: Filesystem, row: Case): Case {
  const tools = [`mkfs.${filesystem}`];
  const { axis: _axis, ...rest } = row;
  return { ...rest, name: `${row.name}, on ${filesystem}`, filesystem, tools };
}

export function copyUpCases(scale: Scale): Case[] {
  const few = scale.quick ? 40 : 200;
  const page = small(scale, 4 * KIBIBYTE, scale.edits);
  const large = small(scale, MEBIBYTE, few / 4);
  const huge = big(scale, scale.bigBytes);
  const holes = sparse(scale, (scale.quick ? 1 : 8) * 1024 * MEBIBYTE);
  const mode = {
    ...page,
    name: 'chmod of a lower file, 4 KiB',
    run: onLower('chmod'),
  };
  const { axis: _axis, ...chmod } = mode;
  const deep: Case = {
    ...chmod,
    name: 'copy-up below 16 parents',
    recipe: deepEdits(scale.layers, few, 16),
    run: onLower('copy-up'),
  };
  const images: readonly Filesystem[] = ['xfs', 'btrfs'];
  return [
    { ...page, quick: true },
    small(scale, 64 * KIBIBYTE, few),
    large,
    { ...huge, quick: true },
    holes,
    chmod,
    deep,
    ...images.flatMap((filesystem) => [page, large, huge, holes].map((row) => on(filesystem, row))),
  ];
}
