// Temporary directories and descriptor accounting for the addon's tests.

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { O_DIRECTORY, O_RDONLY } from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';

/** Descriptors of this process that name something below `root`, or a deleted file. */
export function fdsBelow(root: string): string[] {
  const targets: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      targets.push(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // The listing's own descriptor is gone by now.
    }
  }
  return targets.filter((target) => target.startsWith(root));
}

/** A fresh directory and a descriptor on it; the caller closes the one and removes the other. */
export function tempDir(base = tmpdir()): { dir: string; dirfd: number; remove: () => void } {
  const dir = mkdtempSync(join(base, 'stratafs-'));
  const dirfd = sys.openPath(dir, O_RDONLY | O_DIRECTORY);
  return { dir, dirfd, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Runs `body` in a fresh directory with a descriptor on it; answers what was left open. */
export function inTempDir(body: (dir: string, dirfd: number) => void, base = tmpdir()): string[] {
  const { dir, dirfd, remove } = tempDir(base);
  try {
    body(dir, dirfd);
  } finally {
    sys.close(dirfd);
  }
  const left = fdsBelow(dir);
  remove();
  return left;
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

export function text(data: Uint8Array | number): string {
  return typeof data === 'number' ? `errno ${-data}` : Buffer.from(data).toString('latin1');
}
