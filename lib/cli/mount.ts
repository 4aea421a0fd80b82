// `stratafs mount`: checks the arguments, then serves the mount here (-f) or in a process of its own
// that outlives this one. This one exits 0 when the mount answers and never before.

import { closeSync, openSync, writeSync } from 'node:fs';
import { errno, errnoName } from '../errno.js';
import { log, setLevel, setSink } from '../log.js';
import { type Mounted, mountUnion, report } from '../mounted.js';
import { type MountRequest, parseMount } from './arguments.js';
import type { Manner } from './manner.js';

/** Where the serving process says that the mount answers. */
const READY_FD = 3;

/** Entry of the command: returns the exit code. */
export async function mountCommand(argv: readonly string[], manner: Manner, serve: readonly string[]): Promise<number> {
  if (asksRemount(argv)) return remount(argv, manner);
  const request = parseMount(argv, manner);
  if (request.dryRun) return 0;
  if (request.foreground) return serveHere(request, () => {});
  return serveApart([...serve, ...argv]);
}

/** Entry of the serving process. */
export async function serveCommand(argv: readonly string[], manner: Manner): Promise<number> {
  if (asksRemount(argv)) return remount(argv, manner);
  const request = parseMount(argv, manner);
  if (request.dryRun) return 0;
  return serveHere(request, detach);
}

/** An option list of `argv` has the word. */
function asksRemount(argv: readonly string[]): boolean {
  const lists = argv.map((word, at) => (argv[at - 1] === '-o' ? word : word.startsWith('-o') ? word.slice(2) : ''));
  return lists.some((list) => list.split(',').includes('remount'));
}

async function remount(argv: readonly string[], manner: Manner): Promise<number> {
  return (await import('./remount.js')).remountCommand(argv, manner);
}

/** After the mount answers nobody reads this process's output, and nobody waits for it. */
function detach(): void {
  setSink(() => {});
  writeSync(READY_FD, 'ready\n');
  closeSync(READY_FD);
  // The lowest free number is taken: stderr is /dev/null from here on, never a layer's descriptor.
  closeSync(2);
  openSync('/dev/null', 'w');
}

async function serveHere(request: MountRequest, answered: () => void): Promise<number> {
  if (request.options.debug) setLevel('debug');
  const open = request.channel === 'native' ? mountUnion : await fuseNative();
  const mounted = await open(request.options, request.mountpoint);
  process.chdir('/');
  listen(mounted);
  answered();
  const code = await mounted.ended;
  if (code !== errno.ENODEV) log.error(`the connection ended: ${errnoName(code)}`);
  process.exit(code === errno.ENODEV ? 0 : 1);
}

/** Loaded only when asked for: the package needs a libfuse that may not be there. */
async function fuseNative(): Promise<typeof mountUnion> {
  const { mountFuseNative } = await import('../fuse-native.js');
  return mountFuseNative;
}

function listen(mounted: Mounted): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => mounted.unmount());
  process.on('SIGUSR1', () => report(mounted.stats()));
  process.on('SIGPIPE', () => {});
}

/** Starts the serving process and waits until it is ready or has failed. */
async function serveApart(argv: readonly string[]): Promise<number> {
  const code = await startServer(argv, (text) => process.stderr.write(text));
  // The serving process keeps its end of the pipes a moment longer than this one needs them.
  if (code === 0) setImmediate(() => process.exit(0));
  return code;
}

/** Starts a serving process; 0 when its mount answers, else its exit code. What it complains of goes to `complain`. */
export async function startServer(argv: readonly string[], complain: (text: string) => void): Promise<number> {
  // Loaded here: the process that serves starts sooner without it.
  const { spawn } = await import('node:child_process');
  const main = process.argv[1] as string;
  const child = spawn(process.execPath, [main, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve) => {
    const end = (code: number): void => {
      child.unref();
      for (const pipe of [child.stderr, child.stdio[READY_FD]]) pipe?.destroy();
      resolve(code);
    };
    child.stderr?.on('data', (text: Buffer) => complain(text.toString()));
    child.stdio[READY_FD]?.on('data', () => end(0));
    child.on('error', (error) => {
      complain(`stratafs: ${error.message}\n`);
      end(1);
    });
    child.on('close', (code) => end(code ?? 1));
  });
}
