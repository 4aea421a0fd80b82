// Rows of family data that fio measures, where it is installed: a second opinion on the native client's figures.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bigFile } from '../recipes/trees.js';
import { type Bench, type Case, type Scale, warmReads, warmWrites } from './case.js';

interface Side {
  readonly bw_bytes: number;
}

/** Bytes a second of the first job, reads and writes together. */
export function fioBandwidth(report: string): number {
  const { jobs } = JSON.parse(report) as { jobs: { read: Side; write: Side }[] };
  const [job] = jobs;
  if (job === undefined) throw new Error('fio reports no job');
  return job.read.bw_bytes + job.write.bw_bytes;
}

function row(scale: Scale, name: string, words: string): Case {
  const size = scale.bigBytes;
  // fio asks for the file's pages to be dropped first: kernel overlayfs passes that on, and FUSE is never told.
  const same = '--invalidate=0 --randrepeat=1';
  const command = `exec fio --name=bench --filename=data --size=${size} --output=fio.json --output-format=json ${same}`;
  return {
    name: `fio, ${name}`,
    family: 'data',
    unit: 'MB/s',
    recipe: bigFile(scale.layers, size, 'data'),
    writes: true,
    tools: ['fio'],
    run: async (bench: Bench) => {
      await warmReads(bench);
      await warmWrites(bench);
      await bench.script(`${command} ${words}`);
      return fioBandwidth(readFileSync(join(bench.root, 'fio.json'), 'utf8')) / 1e6;
    },
  };
}

export function fioCases(scale: Scale): Case[] {
  const part = `--io_size=${scale.bigBytes / 4}`;
  return [
    row(scale, 'sequential read 128 KiB', '--rw=read --bs=128k --ioengine=psync'),
    row(scale, 'sequential write 128 KiB', '--rw=write --bs=128k --ioengine=psync --end_fsync=1'),
    row(scale, 'random read and write 4 KiB', `--rw=randrw --bs=4k --ioengine=psync ${part}`),
    row(
      scale,
      'random write 4 KiB, four jobs',
      `--rw=randwrite --bs=4k --ioengine=psync --numjobs=4 --group_reporting ${part}`,
    ),
  ];
}
