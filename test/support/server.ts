// Starts and ends the filesystem under test on a mountpoint, each kind its own way. Never waits
// without a limit; never touches the mount with a call of its own process.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { Agent, hostAgent } from './agent.js';
import { type Config, room } from './configs.js';
import { eventually, sleep } from './expect.js';
import { mainScript } from './paths.js';

const run = promisify(execFile);

/** Absolute host paths of one layer stack and its mountpoint. */
export interface Layers {
  readonly lowers: readonly string[];
  readonly upper?: string | undefined;
  readonly work?: string | undefined;
  readonly mountpoint: string;
}

/** The mount options that name the layers. */
export function layerOptions(layers: Layers): string {
  const parts = [`lowerdir=${layers.lowers.join(':')}`];
  if (layers.upper !== undefined) parts.push(`upperdir=${layers.upper}`, `workdir=${layers.work}`);
  return parts.join(',');
}

/** Whether something is mounted exactly at `path`. */
export function isMounted(path: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === path);
}

/** The mountinfo line's filesystem type and source. */
export function mountEntry(path: string): { type: string; source: string; options: string } | undefined {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .findLast((each) => each.split(' ')[4] === path);
  if (line === undefined) return undefined;
  const [type, source] = (line.split(' - ')[1] as string).split(' ');
  return { type: type as string, source: source as string, options: line.split(' ')[5] as string };
}

function detach(path: string): [string, string[]] {
  return process.getuid?.() === 0 ? ['umount', ['-l', path]] : ['fusermount3', ['-u', '-z', path]];
}

/** Detaches whatever is mounted at `path`; silent when nothing is. */
export async function forceUnmount(path: string): Promise<void> {
  while (isMounted(path)) {
    try {
      await run(...detach(path), { timeout: 10_000 });
    } catch {
      return;
    }
  }
}

/** Detaches every mount at or below `path`, the last one first. */
export async function unmountBelow(path: string): Promise<void> {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const points = lines.map((line) => line.split(' ')[4] ?? '').filter((at) => at === path || at.startsWith(`${path}/`));
  for (const point of points.reverse()) await forceUnmount(point);
}

/** How a server's process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** A running filesystem. A kernel mount has no process. */
export interface Server {
  readonly pid: number | undefined;
  readonly ended: Promise<Ending>;
  /** Ends it the way its users do, and waits; rejects when it does not end in time. */
  stop(): Promise<Ending>;
  /** kill -9, and the dead mount detached. */
  kill(): Promise<void>;
  stderr(): string;
}

const CLEAN: Ending = { code: 0, signal: null, stderr: '' };

async function kernelServer(config: Config, layers: Layers): Promise<Server> {
  const options = [config.options, layerOptions(layers)].filter(Boolean).join(',');
  await run('mount', ['-t', 'overlay', 'overlay', '-o', options, layers.mountpoint], { timeout: 20_000 });
  const stop = async (): Promise<Ending> => {
    await run('umount', [layers.mountpoint], { timeout: 20_000 });
    return CLEAN;
  };
  return {
    pid: undefined,
    ended: Promise.resolve(CLEAN),
    stop,
    kill: () => forceUnmount(layers.mountpoint),
    stderr: () => '',
  };
}

/** Collects how `child` ends. */
export function watch(child: ChildProcess): { ended: Promise<Ending>; stderr: () => string } {
  let stderr = '';
  child.stderr?.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const ended = new Promise<Ending>((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, stderr: String(error) }));
    child.once('close', (code, signal) => resolve({ code, signal, stderr }));
  });
  return { ended, stderr: () => stderr };
}

async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until the mount at `path` answers a statfs. */
async function answers(path: string): Promise<void> {
  const agent = await within(Agent.start(path), 10_000, 'mount does not answer');
  await within(agent.statfs('.'), 10_000, 'mount does not answer statfs');
  await agent.stop();
}

function commandOf(config: Config, layers: Layers): string[] {
  const options = [layerOptions(layers), config.options].filter(Boolean).join(',');
  if (config.kind === 'fuse-overlayfs') return ['fuse-overlayfs', '-f', '-o', options, layers.mountpoint];
  const command = [process.execPath, config.program ?? mainScript, 'mount', '-f', '-o', options];
  if (config.channel === 'fuse-native') command.push('--channel=fuse-native');
  return [...command, layers.mountpoint];
}

/** A server in the foreground as a child that dies with this process. */
async function processServer(config: Config, layers: Layers, env: NodeJS.ProcessEnv): Promise<Server> {
  const command = commandOf(config, layers);
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
    env: { ...process.env, ...config.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { ended, stderr } = watch(child);
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await forceUnmount(layers.mountpoint);
  };
  const stop = async (): Promise<Ending> => {
    if (config.kind === 'stratafs') child.kill('SIGTERM');
    else await run('umount', [layers.mountpoint], { timeout: 20_000 });
    return within(ended, 15_000, 'server still runs after its end was asked for');
  };
  const early = ended.then((ending) => {
    throw new Error(`server ended at start, code ${ending.code}: ${ending.stderr}`);
  });
  try {
    await Promise.race([early, eventually(() => isMounted(layers.mountpoint) || child.exitCode !== null, 15_000)]);
    if (!isMounted(layers.mountpoint)) throw new Error(`server did not mount: ${stderr()}`);
    await answers(layers.mountpoint);
  } catch (error) {
    await kill();
    throw error;
  }
  return { pid: child.pid, ended, stop, kill, stderr };
}

/** Copies what a kernel overlay of the layers shows to the mountpoint, as a plain directory. */
async function hostServer(layers: Layers): Promise<Server> {
  const seen = `${layers.mountpoint}.seen`;
  await (await hostAgent()).mkdir(seen);
  await mountReadOnly(layers, seen);
  await run('cp', ['-a', `${seen}/.`, layers.mountpoint], { timeout: 60_000 });
  await run('umount', [seen]);
  return {
    pid: undefined,
    ended: Promise.resolve(CLEAN),
    stop: async () => CLEAN,
    kill: async () => undefined,
    stderr: () => '',
  };
}

/** A filesystem of its own at `path`. */
export async function mountTmpfs(path: string): Promise<void> {
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', path]);
}

/** Mounts the layers at `path` by kernel overlayfs, read-only, the upper as the top lower. */
export async function mountReadOnly(layers: Layers, path: string): Promise<void> {
  const stack = layers.upper === undefined ? [...layers.lowers] : [layers.upper, ...layers.lowers];
  if (stack.length === 1) {
    await run('mount', ['--bind', stack[0] as string, path]);
    return;
  }
  const dialect = room === 'userns' ? ',userxattr' : '';
  await run('mount', ['-t', 'overlay', 'overlay', '-o', `ro,lowerdir=${stack.join(':')}${dialect}`, path]);
}

/** Starts `config` over the layers. */
export async function startServer(config: Config, layers: Layers, env: NodeJS.ProcessEnv = {}): Promise<Server> {
  if (config.kind === 'host') return hostServer(layers);
  if (config.kind === 'kernel') return kernelServer(config, layers);
  return processServer(config, layers, env);
}

/** The kernel forgets what it can: dentries and inodes, after a moment to let references go. */
export async function dropCaches(): Promise<void> {
  const outside = process.env.STRATAFS_TEST_DROP;
  if (outside === undefined) await (await hostAgent()).put('/proc/sys/vm/drop_caches', '2', 1);
  else await new Promise((resolve) => connect(outside).resume().once('close', resolve));
  await sleep(30);
}
