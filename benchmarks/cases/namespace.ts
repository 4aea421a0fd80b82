// Families namespace and copy-up: changes to names and to lower files. Paths are looked up before the clock
// starts, so that a row is the change and not the lookup; a first batch elsewhere warms the server.

import { type Bench, type Case, microsecondsPerOp, milliseconds, type Need } from './case.js';

function row(family: string, name: string, needs: readonly Need[], run: Case['run']): Case {
  return { name, family, unit: 'us/op', better: 'lower', needs: ['upper', ...needs], run };
}

/** The same call over a list of lower files. */
function onLower(command: string): Case['run'] {
  return async (bench) => {
    await bench.client(command, bench.list('edit-warm'));
    await bench.client('stat', bench.list('edit'));
    return microsecondsPerOp(await bench.client(command, bench.list('edit')));
  };
}

/** The same call over names of a directory that exists in the upper only. */
function onNew(command: string): Case['run'] {
  return async (bench) => {
    await bench.client('mkdir', bench.list('new-root'));
    await bench.client(command, bench.list('new-warm'));
    return microsecondsPerOp(await bench.client(command, bench.list('new')));
  };
}

async function unlinkUpper(bench: Bench): Promise<number> {
  await bench.client('mkdir', bench.list('new-root'));
  for (const names of ['new-warm', 'new']) await bench.client('create', bench.list(names));
  await bench.client('unlink', bench.list('new-warm'));
  return microsecondsPerOp(await bench.client('unlink', bench.list('new')));
}

async function copyUpBig(bench: Bench): Promise<number> {
  await bench.client('stat', bench.list('big'));
  return milliseconds(await bench.client('copy-up', bench.list('big')));
}

export const namespaceCases: readonly Case[] = [
  row('namespace', 'create', [], onNew('create')),
  row('namespace', 'mkdir', [], onNew('mkdir')),
  row('namespace', 'unlink, upper', [], unlinkUpper),
  row('namespace', 'unlink, lower (whiteout)', ['edit'], onLower('unlink')),
  row('namespace', 'rename, lower file', ['edit'], onLower('rename')),
  row('copy-up', 'copy-up, 4 KiB', ['edit'], onLower('copy-up')),
  row('copy-up', 'chmod of a lower file, 4 KiB', ['edit'], onLower('chmod')),
  { ...row('copy-up', 'copy-up, 256 MiB', ['big', 'union'], copyUpBig), unit: 'ms' },
];
