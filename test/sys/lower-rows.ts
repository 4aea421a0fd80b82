// The root of a tiny server as a directory of a lower whose files are rows (native/row_nodes.h).

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { O_DIRECTORY, O_RDONLY } from '../../lib/sys/constants.js';
import { mergeNames } from '../../lib/sys/name-tables.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { InodeNumbers } from '../../lib/union/inode-numbers.js';
import { PackedNames } from '../../lib/union/packed-names.js';
import { served, type TinyServer } from './tiny-server.js';

/** Of the table. */
export const NUMBER = 1 << 20;

/** A directory of the host and the table of its names. */
export class Lower {
  readonly path: string;
  readonly fd: number;
  readonly packed: PackedNames;
  readonly told: Uint32Array;

  constructor(server: TinyServer, hash: (name: string) => number, fill: (path: string) => void) {
    this.path = join(server.temp.dir, 'lower');
    mkdirSync(this.path);
    fill(this.path);
    this.fd = sys.openPath(this.path, O_RDONLY | O_DIRECTORY);
    const records = new Uint8Array(1 << 16);
    const bytes = sys.readNames(this.fd, records, 0, 'mark', new Uint32Array(2));
    const { table, count } = mergeNames(records, Uint32Array.of(0, bytes, 0), '.wh.');
    this.packed = PackedNames.of(table as ArrayBuffer, count, hash);
    this.told = new Uint32Array(count + 1);
  }

  serve(server: TinyServer, valid: number): void {
    const { table, more } = this.packed;
    server.channel.serveRows(1, NUMBER, table, this.told, more, Int32Array.of(this.fd), valid, 0, 1, 0);
  }

  toldOf(name: string): number {
    return this.told[this.packed.find(name)] as number;
  }
}

/** Runs `body` with a directory that `fill` has filled; returns what the server complained of. */
export async function servingLower(
  fill: (path: string) => void,
  body: (server: TinyServer, lower: Lower) => Promise<void>,
): Promise<string[]> {
  const { hash } = await InodeNumbers.create(sys, []);
  return served(async (server) => {
    const lower = new Lower(server, hash, fill);
    try {
      await body(server, lower);
    } finally {
      sys.close(lower.fd);
    }
  });
}
