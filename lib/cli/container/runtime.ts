// The OCI runtime that runs a container's process: crun or runc, whichever there is. Its state lies in the container's
// own directory; a process is there when the runtime says so.

import { spawn, spawnSync } from 'node:child_process';
import { constants, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container } from '../../image/container/containers.js';
import { mayAccess } from '../../image/disk.js';
import { ImageError } from '../../image/error.js';

const known = ['crun', 'runc'];
/** Which runtime a bundle was made for. */
const ANNOTATION = 'org.stratafs.runtime';
const POLL_MS = 50;

const isProgram = (path: string): boolean => mayAccess(path, constants.X_OK);

function inPath(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin'];
  return directories.map((directory) => join(directory || '.', name)).find(isProgram);
}

/** crun refuses hosts where both versions of cgroups have controllers. */
function inOrder(): readonly string[] {
  try {
    const controllers = readFileSync('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8').trim();
    return controllers === '' ? known : [...known].reverse();
  } catch {
    return known;
  }
}

/** The path of the runtime; of the one called `wanted`, if one is. */
export function findRuntime(wanted: string | null): string {
  if (wanted?.includes('/') === true) {
    if (isProgram(wanted)) return wanted;
    throw new ImageError(`--runtime ${wanted}: there is no such program`);
  }
  for (const name of wanted === null ? inOrder() : [wanted]) {
    const path = inPath(name);
    if (path !== undefined) return path;
  }
  if (wanted !== null) throw new ImageError(`--runtime ${wanted}: not installed; crun, runc or a path is wanted`);
  throw new ImageError('neither crun nor runc is installed: install one, or name an OCI runtime by --runtime PATH');
}

/** Writes the bundle. Its root filesystem is named in it. */
export function writeBundle(container: Container, spec: object, runtime: string): void {
  const bundle = container.path('bundle');
  mkdirSync(bundle, { recursive: true });
  const file = join(bundle, 'config.json');
  const annotations = { ...(spec as { annotations?: object }).annotations, [ANNOTATION]: runtime };
  writeFileSync(`${file}.new`, JSON.stringify({ ...spec, annotations }, null, 2));
  renameSync(`${file}.new`, file);
}

/** Words that every call of the container's runtime begins with; null when none has run it. */
function callOf(container: Container): [program: string, ...words: string[]] | null {
  const file = join(container.path('bundle'), 'config.json');
  if (!existsSync(file) || !existsSync(container.path('runtime'))) return null;
  const { annotations } = JSON.parse(readFileSync(file, 'utf8')) as { annotations: Record<string, string> };
  return [annotations[ANNOTATION] as string, '--root', container.path('runtime')];
}

function quietly(container: Container, words: readonly string[]): { status: number | null; stdout: string } {
  const [program, ...root] = callOf(container) ?? [];
  if (program === undefined) return { status: 1, stdout: '' };
  const { status, stdout } = spawnSync(program, [...root, ...words], { stdio: ['ignore', 'pipe', 'ignore'] });
  return { status, stdout: stdout?.toString() ?? '' };
}

/** `running`, `paused` …; null when no process of the container is there. */
export function processState(container: Container): string | null {
  const { status, stdout } = quietly(container, ['state', container.record.id]);
  if (status !== 0) return null;
  const { status: state } = JSON.parse(stdout) as { status: string };
  return state === 'stopped' ? null : state;
}

/** Runs the bundle in the foreground; its exit code, or 128 and the signal that ended it. */
export function runBundle(container: Container): Promise<number> {
  mkdirSync(container.path('runtime'), { recursive: true, mode: 0o700 });
  const [program, ...root] = callOf(container) as [string, ...string[]];
  const words = [...root, 'run', '--bundle', container.path('bundle'), container.record.id];
  const child = spawn(program, words, { stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const one of signals) process.off(one, pass);
      resolve(code ?? (signal === 'SIGKILL' ? 137 : 143));
    });
  });
}

/** Ends the container's process: asks, waits, kills. What the runtime keeps of it goes too. */
export async function endProcess(container: Container, patience: number): Promise<void> {
  const { id } = container.record;
  const signal = (name: string): void => void quietly(container, ['kill', id, name]);
  const gone = async (limit: number): Promise<boolean> => {
    for (let waited = 0; processState(container) !== null; waited += POLL_MS) {
      if (waited >= limit) return false;
      await sleep(POLL_MS);
    }
    return true;
  };
  if (processState(container) === 'paused') quietly(container, ['resume', id]);
  if (patience > 0 && processState(container) !== null) signal('TERM');
  if (!(await gone(patience))) {
    signal('KILL');
    await gone(5000);
  }
  quietly(container, ['delete', '--force', id]);
}

/**
 * Keeps the container's processes from writing while `use` takes its time. They go on when it is over, and when this
 * process is killed: somebody else waits for its end.
 */
export async function paused<T>(container: Container, use: () => Promise<T>): Promise<T> {
  if (processState(container) !== 'running') return use();
  const { id, name } = container.record;
  const call = callOf(container) as string[];
  const script = 'cat >/dev/null; exec "$@"';
  const keeper = spawn('/bin/sh', ['-c', script, 'sh', ...call, 'resume', id], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    keeper.on('error', () => resolve());
    keeper.on('exit', () => resolve());
  });
  try {
    if (quietly(container, ['pause', id]).status !== 0) {
      throw new ImageError(`container ${name} cannot be paused: stop it first, or commit with --no-pause`);
    }
    return await use();
  } finally {
    keeper.stdin.end();
    await ended;
  }
}
