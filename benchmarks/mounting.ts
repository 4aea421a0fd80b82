// One competitor mounted and unmounted: waits until the mount is there, finds its server processes by a mark
// in their environment, waits for them to go afterwards. Keeps the list of live mounts for interrupts.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type Command, run, runDaemonizing, sleep } from './process.js';

const MOUNT_LIMIT_MS = 20_000;
const APPEAR_LIMIT_MS = 5_000;
const UNMOUNT_LIMIT_MS = 10_000;
const MARK = 'STRATAFS_BENCH_MOUNT';
const root = process.getuid?.() === 0;

export interface Mount {
  readonly mountpoint: string;
  /** The processes that serve it; none for a kernel filesystem. */
  readonly servers: readonly number[];
  /** From starting the command until the mount was there. */
  readonly readyMs: number;
}

const live = new Set<Mount>();

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Whoever was started for this mountpoint and still runs; nobody else's process can carry the mark. */
function serversOf(mountpoint: string): number[] {
  return markedBy(`\0${MARK}=${mountpoint}\0`);
}

function markedBy(mark: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const marked = pids.filter((pid) => {
    const environment = attempt(() => readFileSync(`/proc/${pid}/environ`, 'latin1'), '');
    return `\0${environment}`.includes(mark);
  });
  return marked.map(Number);
}

function isMounted(mountpoint: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === mountpoint);
}

function isGone(pid: number): boolean {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return stat === '' || state === 'Z' || state === 'X';
}

async function waitUntil(condition: () => boolean, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await sleep(5);
  }
  return true;
}

/** Mounts; throws with the program's own last words when it does not come up. */
export async function mount(command: Command, mountpoint: string, log: string): Promise<Mount> {
  const starting: Mount = { mountpoint, servers: [], readyMs: 0 };
  let readyMs = 0;
  live.add(starting);
  const started = performance.now();
  try {
    await runDaemonizing(
      { ...command, environment: { ...command.environment, [MARK]: mountpoint } },
      log,
      MOUNT_LIMIT_MS,
    );
    const appeared = await waitUntil(() => isMounted(mountpoint), APPEAR_LIMIT_MS);
    readyMs = performance.now() - started;
    if (!appeared) throw new Error('exited 0 but nothing is mounted');
  } catch (error) {
    await unmount({ ...starting, servers: serversOf(mountpoint) });
    throw error;
  } finally {
    live.delete(starting);
  }
  const mounted = { mountpoint, servers: serversOf(mountpoint), readyMs };
  live.add(mounted);
  return mounted;
}

function unmountCommand(mountpoint: string): Command {
  return root ? { file: 'umount', args: [mountpoint] } : { file: 'fusermount3', args: ['-u', mountpoint] };
}

async function detach(mountpoint: string): Promise<void> {
  for (let tries = 0; tries < 20 && isMounted(mountpoint); tries += 1) {
    const done = await run(unmountCommand(mountpoint), UNMOUNT_LIMIT_MS).then(
      () => true,
      () => false,
    );
    if (!done) await sleep(100);
  }
  if (isMounted(mountpoint)) detachByForce(mountpoint);
}

function detachByForce(mountpoint: string): void {
  const [file, args] = root ? ['umount', ['-f', '-l', mountpoint]] : ['fusermount3', ['-u', '-z', mountpoint]];
  spawnSync(file as string, args as string[], { stdio: 'ignore', timeout: UNMOUNT_LIMIT_MS });
}

function end(pid: number): void {
  attempt(() => process.kill(pid, 'SIGKILL'), false);
}

/** Unmounts and waits for the servers; one that stays is killed and named on stderr. */
export async function unmount(mounted: Mount): Promise<void> {
  await detach(mounted.mountpoint);
  for (const pid of mounted.servers) {
    const left = await waitUntil(() => isGone(pid), UNMOUNT_LIMIT_MS);
    if (left) continue;
    process.stderr.write(`\nserver ${pid} outlived its mount ${mounted.mountpoint} and was killed\n`);
    end(pid);
  }
  live.delete(mounted);
}

/** Mountpoints below a directory, the innermost first. */
function mountpointsBelow(directory: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const points = lines.map((line) => line.split(' ')[4] ?? '').filter((point) => point.startsWith(`${directory}/`));
  return points.reverse();
}

/** Ends the servers of all mounts below a directory, in whatever namespace; their mounts end with them. */
export function endServers(directory: string): void {
  for (const pid of markedBy(`\0${MARK}=${directory}/`)) end(pid);
}

/** For the end of a run: synchronous, forceful, everything below `directory`, images too. */
export function unmountAll(directory: string): void {
  for (const { mountpoint } of live) detachByForce(mountpoint);
  live.clear();
  endServers(directory);
  for (const point of mountpointsBelow(directory)) detachByForce(point);
}

/** Resident memory of a mount's servers in bytes. */
export function serverMemory(mounted: Mount): number {
  const kilobytes = mounted.servers.map((pid) => {
    const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'utf8'), '');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  });
  return kilobytes.reduce((sum, value) => sum + value, 0) * 1024;
}
