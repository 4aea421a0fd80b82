// Family data: the bytes of one big file, in the upper, in the lower, as code there, without an upper, and after its copy-up. The
// file to be read lies there before the mount, so a first read goes through the server with the host's page cache warm.

import type { ClientWord } from '../client.js';
import { bigFile, blank } from '../recipes/trees.js';
import {
  type Bench,
  type Case,
  megabytesPerSecond,
  microsecondsPerOp,
  type Scale,
  warmReads,
  warmWrites,
} from './case.js';
import { fioCases } from './fio.js';

const MEBIBYTE = 1 << 20;
const PAGE = 4096;

interface Pass {
  readonly command: 'read' | 'write';
  readonly file: 'data' | 'big' | 'code' | 'written';
  readonly block: number;
  readonly count: number;
  readonly words: readonly ClientWord[];
}

const run = (bench: Bench, pass: Pass) => bench.client(pass.command, pass.file, pass.block, pass.count, ...pass.words);

/** How a body comes to its measured pass. */
type Before = 'first' | 'again' | 'after copy-up';

async function prepare(bench: Bench, pass: Pass, before: Before): Promise<void> {
  await (pass.command === 'read' ? warmReads(bench) : warmWrites(bench));
  if (before === 'again') await run(bench, pass);
  if (before === 'after copy-up') await bench.client('copy-up', bench.list('big'));
}

class Rows {
  constructor(private readonly scale: Scale) {}

  private base(pass: Pass): Pick<Case, 'family' | 'recipe' | 'writes'> {
    const { layers, bigBytes } = this.scale;
    const recipe = pass.file === 'written' ? blank(layers, this.scale.creations) : bigFile(layers, bigBytes, pass.file);
    return { family: 'data', recipe, writes: true };
  }

  /** Megabytes a second. */
  bytes(name: string, pass: Pass, before: Before = 'first', more: Partial<Case> = {}): Case {
    const body = async (bench: Bench): Promise<number> => {
      await prepare(bench, pass, before);
      return megabytesPerSecond(await run(bench, pass), pass.block);
    };
    return { name, unit: 'MB/s', ...this.base(pass), run: body, ...more };
  }

  /** Microseconds a call. */
  calls(name: string, pass: Pass, before: Before = 'first', more: Partial<Case> = {}): Case {
    const body = async (bench: Bench): Promise<number> => {
      await prepare(bench, pass, before);
      return microsecondsPerOp(await run(bench, pass));
    };
    return { name, unit: 'us/op', ...this.base(pass), run: body, ...more };
  }
}

/** 4 KiB rows move a quarter of the file: they are bound by calls, not by bytes. */
function sequential(
  scale: Scale,
  command: Pass['command'],
  file: Pass['file'],
  block: number,
  ...words: readonly ClientWord[]
): Pass {
  const count = scale.bigBytes / block / (block === PAGE ? 4 : 1);
  return { command, file, block, count, words };
}

function random(
  scale: Scale,
  command: Pass['command'],
  file: Pass['file'],
  ops: number,
  ...words: readonly ClientWord[]
): Pass {
  return { command, file, block: PAGE, count: ops, words: [`span=${scale.bigBytes / PAGE}`, ...words] };
}

/** Reading a lower changes nothing, so whoever can only read takes part. */
function readOnly(row: Case): Case {
  const { writes: _writes, ...rest } = row;
  return rest;
}

function upperless(row: Case): Case {
  return { ...readOnly(row), upperless: true };
}

function reads(scale: Scale, rows: Rows): Case[] {
  const quick = { quick: true };
  const { randomOps } = scale;
  const few = Math.floor(randomOps / 4);
  // Kernel overlayfs wants two lowers where there is no upper.
  const stacked = new Rows({ ...scale, layers: Math.max(2, scale.layers) });
  return [
    rows.bytes('read 1 MiB, upper, first', sequential(scale, 'read', 'data', MEBIBYTE)),
    rows.bytes('read 1 MiB, upper, again', sequential(scale, 'read', 'data', MEBIBYTE), 'again'),
    rows.bytes('read 4 KiB, upper, first', sequential(scale, 'read', 'data', PAGE)),
    rows.bytes('read 4 KiB, upper, again', sequential(scale, 'read', 'data', PAGE), 'again'),
    rows.bytes('read 1 MiB, upper, O_DIRECT', sequential(scale, 'read', 'data', MEBIBYTE, 'direct')),
    rows.bytes('read, upper, mmap', sequential(scale, 'read', 'data', MEBIBYTE, 'mmap')),
    readOnly(rows.bytes('read 1 MiB, lower, first', sequential(scale, 'read', 'big', MEBIBYTE), 'first', quick)),
    readOnly(rows.bytes('read 1 MiB, lower, again', sequential(scale, 'read', 'big', MEBIBYTE), 'again')),
    readOnly(rows.bytes('read, lower, mmap', sequential(scale, 'read', 'big', MEBIBYTE, 'mmap'))),
    readOnly(rows.bytes('read 1 MiB, lower code', sequential(scale, 'read', 'code', MEBIBYTE))),
    readOnly(rows.bytes('read, lower code, mmap', sequential(scale, 'read', 'code', MEBIBYTE, 'mmap'))),
    upperless(stacked.bytes('read 1 MiB, no upper', sequential(scale, 'read', 'big', MEBIBYTE))),
    upperless(stacked.bytes('read, no upper, mmap', sequential(scale, 'read', 'big', MEBIBYTE, 'mmap'))),
    rows.bytes('read 1 MiB, after copy-up', sequential(scale, 'read', 'big', MEBIBYTE), 'after copy-up', {
      of: 'union',
    }),
    rows.calls('pread 4 KiB random, upper, first', random(scale, 'read', 'data', randomOps), 'first', quick),
    rows.calls('pread 4 KiB random, upper, again', random(scale, 'read', 'data', randomOps), 'again'),
    rows.calls('pread 4 KiB random, upper, O_DIRECT', random(scale, 'read', 'data', few, 'direct')),
    readOnly(rows.calls('pread 4 KiB random, lower, first', random(scale, 'read', 'big', randomOps))),
    readOnly(rows.calls('pread 4 KiB random, lower code', random(scale, 'read', 'code', randomOps))),
    upperless(stacked.calls('pread 4 KiB random, no upper', random(scale, 'read', 'big', randomOps))),
  ];
}

function writes(scale: Scale, rows: Rows): Case[] {
  const quick = { quick: true };
  const { randomOps } = scale;
  const few = Math.floor(randomOps / 4);
  return [
    rows.bytes('write 1 MiB, upper', sequential(scale, 'write', 'written', MEBIBYTE, 'create'), 'first', quick),
    rows.bytes('write 4 KiB, upper', sequential(scale, 'write', 'written', PAGE, 'create')),
    rows.bytes('write 1 MiB, upper, O_DIRECT', sequential(scale, 'write', 'written', MEBIBYTE, 'create', 'direct')),
    rows.bytes('write 1 MiB, upper, one fsync', sequential(scale, 'write', 'written', MEBIBYTE, 'create', 'fsync')),
    rows.bytes('write, upper, mmap', sequential(scale, 'write', 'data', MEBIBYTE, 'mmap')),
    rows.bytes('write 1 MiB, after copy-up', sequential(scale, 'write', 'big', MEBIBYTE), 'after copy-up', {
      of: 'union',
    }),
    rows.calls('append 4 KiB', { ...sequential(scale, 'write', 'data', PAGE, 'append'), count: randomOps }),
    rows.calls('pwrite 4 KiB random, upper', random(scale, 'write', 'data', randomOps), 'first', quick),
    rows.calls('pwrite 4 KiB random, upper, O_DIRECT', random(scale, 'write', 'data', few, 'direct')),
    rows.calls('pwrite 4 KiB random, after copy-up', random(scale, 'write', 'big', randomOps), 'after copy-up', {
      of: 'union',
    }),
    rows.calls('write 4 KiB and fsync, each', {
      ...sequential(scale, 'write', 'written', PAGE, 'create', 'fsync-each'),
      count: scale.quick ? 50 : 300,
    }),
  ];
}

export function dataCases(scale: Scale): Case[] {
  const rows = new Rows(scale);
  return [...reads(scale, rows), ...writes(scale, rows), ...fioCases(scale)];
}
