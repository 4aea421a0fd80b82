// What is worth another attempt, and when. Waits grow, and are never all of one length.

import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Patience {
  readonly attempts: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
}

export const patience: Patience = { attempts: 5, firstWaitMs: 400, longestWaitMs: 10_000 };

/** Longest that a registry may ask for. */
const LONGEST_ASKED_MS = 120_000;
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);
const connection = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
]);

export function isPassingStatus(status: number): boolean {
  return passing.has(status);
}

/** An error of the connection, which says nothing of what was asked. */
export function isConnectionError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && connection.has(code);
}

/** What the header asks for, in ms; null when it asks for nothing. */
export function askedWait(headers: IncomingHttpHeaders, now = Date.now()): number | null {
  const text = headers['retry-after'];
  if (text === undefined) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), LONGEST_ASKED_MS);
}

/** How long to wait after attempt number `attempt`, the first being 0. */
export function waitAfter(attempt: number, { firstWaitMs, longestWaitMs }: Patience, chance = Math.random()): number {
  return Math.min(firstWaitMs * 2 ** attempt, longestWaitMs) * (0.75 + chance / 2);
}

export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal });
}
