// Family data: the bytes of one big file, buffered. The file to be read lies in the upper (or the bottom lower)
// before the mount, so a first read goes through the server with the host's page cache warm.

import { type Bench, type Case, megabytesPerSecond, microsecondsPerOp, type Need } from './case.js';

const MEBIBYTE = 1 << 20;
const PAGE = 4096;
/** 4 KiB rows move a quarter of the file: they are bound by calls, not by bytes. */
const portion = (block: number): number => (block === PAGE ? 4 : 1);

function throughput(name: string, needs: readonly Need[], run: Case['run']): Case {
  return { name, family: 'data', unit: 'MB/s', better: 'higher', needs, run };
}

function latency(name: string, run: Case['run']): Case {
  return { name, family: 'data', unit: 'us/op', better: 'lower', needs: ['upper', 'data'], run };
}

function sequential(command: 'read' | 'write', file: string, block: number, warmups: number): Case['run'] {
  return async (bench) => {
    const count = bench.scale.fileBytes / block / portion(block);
    for (let pass = 0; pass < warmups; pass += 1) await bench.client(command, file, block, count);
    return megabytesPerSecond(await bench.client(command, file, block, count), block);
  };
}

function random(command: 'pread' | 'pwrite', warmups: number): Case['run'] {
  const pass = (bench: Bench) =>
    bench.client(command, 'data', PAGE, bench.scale.randomOps, bench.scale.fileBytes / PAGE);
  return async (bench) => {
    for (let done = 0; done < warmups; done += 1) await pass(bench);
    return microsecondsPerOp(await pass(bench));
  };
}

export const dataCases: readonly Case[] = [
  throughput('write 1 MiB, upper', ['upper'], sequential('write', 'written', MEBIBYTE, 0)),
  throughput('write 4 KiB, upper', ['upper'], sequential('write', 'written', PAGE, 0)),
  throughput('read 1 MiB, upper, first', ['upper', 'data'], sequential('read', 'data', MEBIBYTE, 0)),
  throughput('read 1 MiB, upper, again', ['upper', 'data'], sequential('read', 'data', MEBIBYTE, 1)),
  throughput('read 4 KiB, upper, first', ['upper', 'data'], sequential('read', 'data', PAGE, 0)),
  throughput('read 4 KiB, upper, again', ['upper', 'data'], sequential('read', 'data', PAGE, 1)),
  throughput('read 1 MiB, lower, first', ['big'], sequential('read', 'big', MEBIBYTE, 0)),
  throughput('read 1 MiB, lower, again', ['big'], sequential('read', 'big', MEBIBYTE, 1)),
  latency('pread 4 KiB random, first', random('pread', 0)),
  latency('pread 4 KiB random, again', random('pread', 1)),
  latency('pwrite 4 KiB random', random('pwrite', 0)),
];
