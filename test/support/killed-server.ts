// A server that kills itself (SIGKILL) at one chosen call that changes a disk: right before it, or
// right after. Run in place of the command; STRATAFS_KILL=before:3 counts from when the mount answers.
// Changes of an unnamed file do not count: with the process it is gone, whatever was done to it.
// STRATAFS_CRASH=all counts them too.

import { parseMount } from '../../lib/cli/arguments.js';
import { mountUnion, report } from '../../lib/mounted.js';
import { compound } from '../../lib/sys/compound.js';
import { O_TMPFILE } from '../../lib/sys/constants.js';
import { jobs, syscalls } from '../../lib/sys/syscalls.js';
import { isMutating } from './faulty-syscalls.js';

const [moment, which] = (process.env.STRATAFS_KILL ?? 'never:0').split(':');
const wanted = Number(which);
let armed = false;
let changes = 0;
const everyChange = process.env.STRATAFS_CRASH === 'all';
const unnamed = new Set<number>();

/** Nothing runs in this process after it. */
function die(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

type Call = (...args: unknown[]) => unknown;

function strike(real: object, call: Call, args: unknown[]): unknown {
  // A job is under way on its thread when the kill comes.
  if (moment === 'before') {
    if (real === jobs) void call.apply(real, args);
    die();
  }
  const result = call.apply(real, args);
  if (result instanceof Promise) return result.then(die);
  return die();
}

/** Keeps the numbers of unnamed files that are open. */
function follow(name: string, args: unknown[], result: unknown): void {
  if (name === 'close') unnamed.delete(args[0] as number);
  if (name !== 'openAt' || ((args[2] as number) & O_TMPFILE) !== O_TMPFILE) return;
  unnamed.add(result as number);
}

function counts(name: string, args: unknown[]): boolean {
  if (!armed || !isMutating(name, args)) return false;
  const onlyItself = name !== 'linkAt' && !name.startsWith('job.') && unnamed.has(args[0] as number);
  return everyChange || !onlyItself;
}

function deadly<T extends object>(real: T, prefix: string): T {
  const wrapped: Record<string, Call> = {};
  for (const [name, call] of Object.entries(real) as [string, Call][]) {
    wrapped[name] = (...args) => {
      if (counts(prefix + name, args)) {
        changes += 1;
        if (changes === wanted) return strike(real, call, args);
      }
      const result = call.apply(real, args);
      follow(name, args, result);
      return result;
    };
  }
  return wrapped as T;
}

const request = parseMount(process.argv.slice(3));
const single = deadly(syscalls, '');
// Put together here: a kill comes between any two single calls.
const host = { syscalls: { ...single, ...compound(single) }, jobs: deadly(jobs, 'job.') };
const mounted = await mountUnion(request.options, request.mountpoint, host);
armed = true;
process.on('SIGTERM', () => mounted.unmount());
process.on('SIGUSR1', () => report(mounted.stats()));
await mounted.ended;
