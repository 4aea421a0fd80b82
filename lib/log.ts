// One logger for the process. The daemon writes to where its launcher tells it; once the mount is
// up in the background that is nowhere, unless a log file was asked for.

export type Level = 'error' | 'warn' | 'info' | 'debug';

const order: readonly Level[] = ['error', 'warn', 'info', 'debug'];
let threshold = order.indexOf('warn');
let sink: (line: string) => void = (line) => process.stderr.write(`${line}\n`);
const told = new Map<string, number>();

/** Shows messages of `level` and the more urgent ones. */
export function setLevel(level: Level): void {
  threshold = order.indexOf(level);
}

/** Sends every further line to `to`. */
export function setSink(to: (line: string) => void): void {
  sink = to;
}

export function debugEnabled(): boolean {
  return threshold >= 3;
}

function write(level: Level, message: string): void {
  if (order.indexOf(level) <= threshold) sink(`stratafs: ${level}: ${message}`);
}

export const log = {
  error: (message: string): void => write('error', message),
  warn: (message: string): void => write('warn', message),
  info: (message: string): void => write('info', message),
  debug: (message: string): void => write('debug', message),
  /** Says `message` the first time `key` is seen; later calls are only counted. */
  once(level: Level, key: string, message: string): void {
    const seen = told.get(key) ?? 0;
    told.set(key, seen + 1);
    if (seen === 0) write(level, message);
  },
};
