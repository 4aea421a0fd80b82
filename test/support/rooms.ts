// Rooms with fewer rights, where root lets another test program run: `userns` is a user namespace of
// 65536 ids that holds no privilege outside, `user` is a plain user with fusermount3. The program,
// its mounts, its servers and its clients all live inside; root stays outside to drop caches.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, lchownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { buildAgent } from './agent.js';
import { checkout, freshDirectory } from './paths.js';

export type Room = 'userns' | 'user';

/** The user of the room `user`: daemon, whom every Linux knows by name. */
export const ROOM_USER = 1;
/** The ids of `userns`, as they are outside. */
export const FIRST_ID = 100_000;
const IDS = 65_536;
const FOREIGN_ID = 42;
const LIMIT_MS = 115_000;

/** dist/test, seen from the checkout. */
const tests = relative(checkout, dirname(dirname(fileURLToPath(import.meta.url))));

/** Why there can be no rooms here, or undefined. */
export function roomsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  return existsSync('/dev/fuse') ? undefined : 'needs /dev/fuse';
}

/**
 * Opens what distributions open to users (/dev/fuse), shows the checkout where all may look, and waits. A mount of another
 * test that came along would not end before the room does.
 */
const furnish = `
set -e
umount --all --internal-only --lazy --types fuse.stratafs,fuse || true
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
mknod -m 666 "$1/dev/fuse" c 10 229
mount --bind "$1/dev/fuse" /dev/fuse
mount --bind "$2" "$1/checkout"
shift 2
exec "$@"
`;

/** A process that only keeps the namespaces; it ends when its input does. */
async function keeper(room: Room, base: string): Promise<ChildProcess> {
  const inner = room === 'userns' ? ['unshare', '--user', '--mount', '--propagation', 'private', 'cat'] : ['cat'];
  const outer = ['--mount', '--propagation', 'private', 'sh', '-c', furnish, 'sh', base, checkout, ...inner];
  const child = spawn('unshare', outer, { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('close', (code) => reject(new Error(`the room could not be made: ${code}`)));
    child.stdin?.write('\n');
  });
  if (room === 'userns') {
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, `0 ${FIRST_ID} ${IDS}`);
  }
  return child;
}

/** Arguments of nsenter that start what follows them in the room. */
function entrance(room: Room, pid: number): string[] {
  const mounts = ['--target', String(pid), '--mount'];
  if (room === 'userns') return [...mounts, '--user', '--setuid', '0', '--setgid', '0'];
  const id = String(ROOM_USER);
  return [...mounts, 'setpriv', '--reuid', id, '--regid', id, '--clear-groups'];
}

/** Drops the kernel's caches for whoever connects, and hangs up when that is done. */
async function dropper(path: string): Promise<Server> {
  const server = createServer((connection) => {
    writeFileSync('/proc/sys/vm/drop_caches', '2');
    connection.end();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  chmodSync(path, 0o666);
  return server;
}

/** A layer that belongs to an id which no room maps. */
function furnishForeign(path: string): void {
  mkdirSync(join(path, 'dir'), { recursive: true });
  chmodSync(join(path, 'dir'), 0o777);
  writeFileSync(join(path, 'setuid'), 'foreign\n');
  for (const each of ['dir', 'setuid']) lchownSync(join(path, each), FOREIGN_ID, FOREIGN_ID);
  chmodSync(join(path, 'setuid'), 0o4777);
}

/** Runs the built test program `script` (below dist/test) in `room`, as one subtest. */
export async function runInside(t: Test, room: Room, script: string, ...args: readonly string[]): Promise<void> {
  buildAgent();
  const base = freshDirectory(`room-${room}`);
  chmodSync(base, 0o755);
  for (const name of ['dev', 'checkout', 'tmp']) mkdirSync(join(base, name));
  chmodSync(join(base, 'tmp'), 0o1777);
  furnishForeign(join(base, 'tmp', 'foreign'));
  const drop = await dropper(join(base, 'drop'));
  const child = await keeper(room, base);
  const program = join(base, 'checkout', tests, script);
  const env = {
    ...process.env,
    HOME: join(base, 'tmp'),
    STRATAFS_TEST_TMP: join(base, 'tmp'),
    STRATAFS_TEST_DROP: join(base, 'drop'),
    STRATAFS_TEST_ROOM: room,
  };
  try {
    // NODE_OPTIONS: tap's own loader writes into its directory, which belongs to root.
    const command = [
      ...entrance(room, child.pid as number),
      'env',
      '-u',
      'NODE_OPTIONS',
      process.execPath,
      program,
      ...args,
    ];
    await t.spawn('nsenter', command, { env, cwd: '/', timeout: LIMIT_MS }, `${room}: ${script} ${args.join(' ')}`);
  } finally {
    child.stdin?.end();
    drop.close();
    await new Promise((resolve) => (child.exitCode === null ? child.once('close', resolve) : resolve(0)));
    rmSync(base, { recursive: true, force: true });
  }
}
