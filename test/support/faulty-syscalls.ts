// The real syscalls behind a counter that can make one call fail, or end the world at it: the n-th
// call answers an errno, or is the moment of a kill -9 after which nothing reaches the disk.

import { errno } from '../../lib/errno.js';
import type { Jobs, SingleCalls, Syscalls } from '../../lib/sys/calls.js';
import { compound } from '../../lib/sys/compound.js';
import { O_CREAT, O_TMPFILE } from '../../lib/sys/constants.js';
import { jobs as realJobs, syscalls as realSyscalls } from '../../lib/sys/syscalls.js';

type Call = (...args: never[]) => unknown;
type Calls = Record<string, Call>;

/** Never fail, and never count: what a process does to itself. */
const untouched = new Set(['close', 'umask', 'setFsIds', 'geteuid', 'getegid', 'raiseFileLimit']);

const mutating = new Set([
  ...['mkdirAt', 'mknodAt', 'symlinkAt', 'linkAt', 'unlinkAt', 'renameAt', 'chmodAt', 'chownAt', 'utimensAt'],
  ...['ftruncate', 'fallocate', 'pwrite', 'clone', 'copyRange', 'copyData', 'setXattr', 'removeXattr'],
  ...['setFlags', 'setFsx', 'job.copyData', 'job.copyRange', 'job.fallocate'],
]);

/** Thrown at the moment of the crash. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export interface Fault {
  /** Which call of those that `only` lets through, from 1. */
  readonly at: number;
  /** Positive errno, or the end of the world. */
  readonly how: number | 'crash';
  /** Which calls count: all, those that change a disk, or those of one name. */
  readonly only?: 'mutating' | string;
}

export function isMutating(name: string, args: readonly unknown[]): boolean {
  if (name !== 'openAt') return mutating.has(name);
  const flags = args[2] as number;
  return (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
}

/** Counts, and fails once where it was told to. */
export class FaultySyscalls {
  readonly syscalls: Syscalls;
  readonly jobs: Jobs;
  /** Calls made since arm(), one line each. */
  readonly made: string[] = [];
  /** The call that failed, once it has. */
  fired: string | null = null;
  crashed = false;
  #fault: Fault | null = null;
  #count = 0;
  readonly #replaced: Partial<Record<string, Call>> = {};

  constructor() {
    const single = this.#wrap(realSyscalls as unknown as Calls, '') as unknown as SingleCalls;
    // Put together here: each single call counts.
    this.syscalls = { ...single, ...compound(single) };
    this.jobs = this.#wrap(realJobs as unknown as Calls, 'job.') as unknown as Jobs;
  }

  /** The fault comes to the calls from here on. */
  arm(fault: Fault | null): void {
    this.#fault = fault;
    this.#count = 0;
    this.fired = null;
    this.made.length = 0;
  }

  /** Every call of `name` is answered by `call` until it is replaced again, or by the real one for null. */
  replace(name: string, call: Call | null): void {
    if (call === null) delete this.#replaced[name];
    else this.#replaced[name] = call;
  }

  /** Every call of `name` fails with `code`. */
  refuse(name: string, code: number): void {
    this.replace(name, () => -code);
  }

  /** How often `name` was called since arm(). */
  count(name: string): number {
    return this.made.filter((line) => line.startsWith(`${name}(`)).length;
  }

  #wrap(real: Calls, prefix: string): Calls {
    const wrapped: Calls = {};
    for (const name of Object.keys(real)) {
      const call = real[name] as (...args: unknown[]) => unknown;
      const full = prefix + name;
      wrapped[name] = untouched.has(full)
        ? call.bind(real)
        : (...args: unknown[]) => this.#call(full, args, prefix !== '', () => this.#pass(full, real, call, args));
    }
    return wrapped;
  }

  #pass(name: string, real: Calls, call: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    const instead = this.#replaced[name] as ((...args: unknown[]) => unknown) | undefined;
    return instead === undefined ? call.apply(real, args) : instead(...args);
  }

  #call(name: string, args: unknown[], later: boolean, pass: () => unknown): unknown {
    const answer = (code: number): unknown => (later ? Promise.resolve(-code) : -code);
    if (this.crashed) return answer(errno.EIO);
    this.made.push(`${name}(${args.map(shownArgument).join(', ')})`);
    const fault = this.#fault;
    if (fault === null || !counts(fault, name, args)) return pass();
    this.#count += 1;
    if (this.#count !== fault.at) return pass();
    this.fired = this.made.at(-1) as string;
    if (fault.how !== 'crash') return answer(fault.how);
    this.crashed = true;
    throw new Crash(this.fired);
  }
}

function counts(fault: Fault, name: string, args: readonly unknown[]): boolean {
  if (fault.only === undefined) return true;
  return fault.only === 'mutating' ? isMutating(name, args) : fault.only === name;
}

function shownArgument(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' ? '…' : String(value);
}
