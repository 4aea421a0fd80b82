// What a conformance case says about a call's result. Throws, so that a case ends at its first
// surprise; the stack names the line.

import { deepStrictEqual } from 'node:assert/strict';
import { shownResult } from './linux.js';

/** A result that is no error; the data, or the number. */
export function ok(result: Promise<number>): Promise<number>;
export function ok<T extends object | string>(result: Promise<T | number>): Promise<T>;
export async function ok(result: Promise<unknown>): Promise<unknown> {
  const value = await result;
  if (typeof value === 'number' && value < 0) throw new Error(`unexpected ${shownResult(value)}`);
  return value;
}

/** A result that is one of the named errors. */
export async function fails(result: Promise<unknown>, ...names: string[]): Promise<void> {
  const value = await result;
  const found = typeof value === 'number' ? shownResult(value) : 'success';
  if (!names.includes(String(found))) throw new Error(`found ${found}, wanted ${names.join(' or ')}`);
}

/** A value, awaited, equal in depth. */
export async function is<T>(found: Promise<T> | T, wanted: T): Promise<void> {
  deepStrictEqual(await found, wanted);
}

/** A truth that the message explains. */
export function yes(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `probe` holds, at most `ms`, asking every `step` ms; whether it did. */
export async function eventually(probe: () => boolean | Promise<boolean>, ms = 5000, step = 20): Promise<boolean> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (await probe()) return true;
    await sleep(step);
  }
  return probe();
}
