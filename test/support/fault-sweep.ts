// One operation, failed at each of its syscalls in turn and killed at each of those that change the
// disk. What must hold every time is written here once; the cases are in test/union.

import type { Test } from 'tap';
import { ErrnoError, errno, errnoName } from '../../lib/errno.js';
import { setSink } from '../../lib/log.js';
import { FaultySyscalls } from './faulty-syscalls.js';
import { type Layout, TempUnion } from './union-in-temp.js';

export interface SweepCase {
  readonly name: string;
  readonly layout: Layout;
  /** Looks up what the operation needs (never failed) and returns the operation. */
  readonly prepare: (w: TempUnion) => () => unknown;
  /** Views that a crash may leave beside the old and the new one; each says why. */
  readonly between?: (
    found: Record<string, string>,
    old: Record<string, string>,
    now: Record<string, string>,
  ) => boolean;
  /** Paths made anew: they are younger at each run. */
  readonly fresh?: readonly string[];
}

type View = Record<string, string>;

/** The view without the times of what the operation makes. */
function viewOf(one: SweepCase, view: View): View {
  const lines = { ...view };
  for (const path of one.fresh ?? []) {
    if (path in lines) lines[path] = (lines[path] as string).replace(/ mtime [\d.]+/, '');
  }
  return lines;
}

function differs(found: View, wanted: View): string[] {
  const paths = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  return paths
    .filter((path) => found[path] !== wanted[path])
    .map((path) => `${path}: found ${found[path] ?? 'nothing'}, wanted ${wanted[path] ?? 'nothing'}`);
}

const equal = (a: View, b: View): boolean => differs(a, b).length === 0;

/** What went wrong when the operation ran: nothing, an errno, or something that no operation may throw. */
async function attempt(w: TempUnion, operation: () => unknown): Promise<{ code: number; strange?: string }> {
  try {
    await w.run(operation);
    return { code: 0 };
  } catch (error) {
    if (error instanceof ErrnoError) return { code: error.code };
    return { code: -1, strange: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

interface World {
  readonly w: TempUnion;
  readonly faulty: FaultySyscalls;
  readonly operation: () => unknown;
  readonly old: View;
}

async function build(one: SweepCase): Promise<World> {
  const faulty = new FaultySyscalls();
  const w = await TempUnion.make({ ...one.layout, sys: faulty.syscalls, jobs: faulty.jobs });
  const old = viewOf(one, w.view());
  const operation = one.prepare(w);
  return { w, faulty, operation, old };
}

/** The view after the operation when nothing fails. */
async function expected(one: SweepCase): Promise<View> {
  const { w, operation } = await build(one);
  await w.run(operation);
  const now = viewOf(one, w.view());
  const disk = differs(viewOf(one, await w.diskView()), now).map((line) => `a read-only mount shows ${line}`);
  await w.remount();
  const complaints = [
    ...disk,
    ...differs(viewOf(one, w.view()), now).map((line) => `a remount shows ${line}`),
    ...w.close(),
  ];
  if (complaints.length > 0) throw new Error(`${one.name} without a fault: ${complaints.join('; ')}`);
  return now;
}

/** Everything that must hold after call `at` failed; null when there was no such call. */
async function failAt(one: SweepCase, now: View, at: number, code: number, only?: string): Promise<string[] | null> {
  const { w, faulty, operation, old } = await build(one);
  faulty.arm(only === undefined ? { at, how: code } : { at, how: code, only });
  const first = await attempt(w, operation);
  const fired = faulty.fired;
  faulty.arm(null);
  const complaints: string[] = [];
  const say = (text: string): void => void complaints.push(`${errnoName(code)} at ${fired}: ${text}`);
  if (first.strange !== undefined) say(first.strange);
  if (fired !== null && first.code > 0 && first.code !== code) say(`threw ${errnoName(first.code)}`);
  // What was published stays when the stat for its answer fails: nothing is ever undone.
  const after = viewOf(one, w.view());
  const telling = fired?.startsWith('statAt(') || fired?.includes('override_stat")');
  const published = first.code !== 0 && telling && equal(after, now) && !equal(now, old);
  const wanted = first.code === 0 || published ? now : old;
  const when = first.code === 0 ? 'after a success' : 'after the failure';
  for (const line of differs(viewOf(one, w.view()), wanted)) say(`${when} the mount: ${line}`);
  for (const line of differs(viewOf(one, await w.diskView()), wanted)) say(`${when} the disk: ${line}`);
  // A call that takes a temporary name away is best effort: the next mount does it.
  const cleaning = first.code === 0 || (fired?.startsWith('unlinkAt(') && fired.includes('"#'));
  if (cleaning) w.u.workdir?.clear();
  for (const name of w.leftovers()) say(`left in work: ${name}`);
  if (first.code !== 0 && !published) {
    const second = await attempt(w, operation);
    if (second.code !== 0) say(`the next attempt: ${second.strange ?? errnoName(second.code)}`);
    for (const line of differs(viewOf(one, w.view()), now)) say(`after the next attempt: ${line}`);
    for (const line of differs(viewOf(one, await w.diskView()), now)) say(`after the next attempt the disk: ${line}`);
  }
  for (const line of w.close()) say(line);
  return fired === null ? null : complaints;
}

async function crashAt(one: SweepCase, now: View, at: number): Promise<string[] | null> {
  const { w, faulty, operation, old } = await build(one);
  faulty.arm({ at, how: 'crash', only: 'mutating' });
  await attempt(w, operation);
  const { fired } = faulty;
  faulty.arm(null);
  w.dissolve();
  faulty.crashed = false;
  await w.assemble();
  const complaints: string[] = [];
  const say = (text: string): void => void complaints.push(`killed at ${fired}: ${text}`);
  const found = viewOf(one, w.view());
  const allowed = equal(found, old) || equal(found, now) || one.between?.(found, old, now) === true;
  if (!allowed) {
    for (const line of differs(found, old)) say(`against the old state: ${line}`);
    for (const line of differs(found, now)) say(`against the new state: ${line}`);
  }
  for (const name of w.leftovers()) say(`left in work: ${name}`);
  // Descriptors on the stack of the operation that was killed went with its process.
  for (const line of w.close()) if (!line.includes('descriptors more')) say(line);
  return fired === null ? null : complaints;
}

async function each(visit: (at: number) => Promise<string[] | null>): Promise<{ calls: number; complaints: string[] }> {
  const complaints: string[] = [];
  for (let at = 1; ; at += 1) {
    const found = await visit(at);
    if (found === null) return { calls: at - 1, complaints };
    complaints.push(...found);
  }
}

/** No complaints; those that there are stand in the output as they are, one line each. */
function same(t: Test, complaints: readonly string[], what: string): void {
  for (const line of complaints) t.comment(line);
  t.equal(complaints.length, 0, what);
}

/** Three subtests: EIO at every call, ENOSPC or EDQUOT at every change, kill -9 at every change. */
export function sweep(t: Test, one: SweepCase): void {
  void t.test(one.name, async (t) => {
    const now = await expected(one);
    const silent = (): void => undefined;
    setSink(silent);
    const eio = await each((at) => failAt(one, now, at, errno.EIO));
    same(t, eio.complaints, `EIO at each of ${eio.calls} calls`);
    const noRoom = (at: number): number => (at % 2 === 0 ? errno.EDQUOT : errno.ENOSPC);
    const full = await each((at) => failAt(one, now, at, noRoom(at), 'mutating'));
    same(t, full.complaints, `ENOSPC and EDQUOT in turn at each of ${full.calls} changes`);
    const killed = await each((at) => crashAt(one, now, at));
    same(t, killed.complaints, `kill -9 at each of ${killed.calls} changes`);
    t.ok(eio.calls >= killed.calls && eio.calls > 0, 'there were calls to fail');
  });
}
