// What libfuse's path calls and the package's 32-bit words say, in our terms and back: paths, errors,
// attributes, times, mount options. Pure; knows neither the union nor the package.

import { ErrnoError, fail } from '../errno.js';
import { bytesOf, NAME_MAX } from '../sys/name.js';
import { type Stat, W } from '../sys/stat.js';

const HIGH = 0x1_0000_0000;
/** What the package makes of bytes that are no UTF-8. Which bytes they were is lost. */
const LOST = '\uFFFD';

/** Bytes of text that came through the package; EINVAL when the package has damaged it. */
export function bytesFrom(text: string): string {
  if (text.includes(LOST)) throw fail('EINVAL', 'a name that is not UTF-8');
  return bytesOf(text);
}

/** `/a/b` -> the components as byte strings. */
export function splitPath(path: string): string[] {
  const names = path.split('/').filter((part) => part !== '');
  return names.map((part) => {
    const name = bytesFrom(part);
    if (name.length > NAME_MAX) throw fail('ENAMETOOLONG', 'name');
    return name;
  });
}

/** A path's directory and its last component; EINVAL for the root, which has none. */
export function splitLast(path: string): { parent: string[]; name: string } {
  const parent = splitPath(path);
  const name = parent.pop();
  if (name === undefined) throw fail('EINVAL', 'the root has no name');
  return { parent, name };
}

/** The name that libfuse gives to an open file whose last name goes; null for any other. */
export function hiddenName(path: string): string | null {
  return /\/(\.fuse_hidden[0-9a-f]{16})$/.exec(path)?.[1] ?? null;
}

/** -errno of what an operation threw; null when it is no errno. */
export function resultOf(error: unknown): number | null {
  return error instanceof ErrnoError ? -error.code : null;
}

/** A 64-bit number from its two words; the sign is the high word's. */
export function joined(low: number, high: number): number {
  return (high | 0) * HIGH + low;
}

/** 64-bit inode numbers in 32 bits; those of hosts with small numbers stay as they are. */
export function folded(low: number, high: number): number {
  return (low ^ Math.imul(high, 0x9e37_79b1)) >>> 0 || 1;
}

/** Milliseconds since 1970 in two words. What is earlier has no form here and becomes 1970. */
function putTime(into: Uint32Array, at: number, seconds: number, nanoseconds: number): void {
  const ms = Math.max(seconds * 1000 + Math.floor(nanoseconds / 1e6), 0);
  into[at] = ms % HIGH;
  into[at + 1] = Math.floor(ms / HIGH);
}

/** The package's record of attributes. `links`: how many more the count is to say. */
export function statWords(stat: Stat, links = 0): Uint32Array {
  const w = stat.words;
  const word = (at: number): number => w[at] as number;
  const seconds = (at: number): number => joined(word(at), word(at + 1));
  const out = new Uint32Array(18);
  out.set([stat.mode, stat.uid, stat.gid, word(W.size), word(W.size + 1), 0, stat.nlink + links]);
  out.set([folded(stat.inoLow, stat.inoHigh), stat.rdev, stat.blksize, word(W.blocks), word(W.blocks + 1)], 7);
  putTime(out, 12, seconds(W.atime), word(W.atimeNsec));
  putTime(out, 14, seconds(W.mtime), word(W.mtimeNsec));
  putTime(out, 16, seconds(W.ctime), word(W.ctimeNsec));
  return out;
}

/** The same for one name of a listing: only the number and the type count. */
export function direntWords(low: number, high: number, kind: number): Uint32Array {
  const out = new Uint32Array(18);
  out[0] = kind << 12;
  out[7] = folded(low, high);
  return out;
}

export interface FsNumbers {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** The package's record of a filesystem. Counts that need more than 32 bits are told in larger blocks. */
export function statfsWords(numbers: FsNumbers, namelen: number): Uint32Array {
  let scale = 1;
  while (numbers.blocks / scale >= HIGH) scale *= 2;
  const blocks = [numbers.blocks, numbers.bfree, numbers.bavail].map((count) => Math.floor(count / scale));
  const files = [numbers.files, numbers.ffree, numbers.ffree].map((count) => Math.min(count, HIGH - 1));
  return Uint32Array.from([numbers.bsize, numbers.frsize * scale, ...blocks, ...files, 0, 0, namelen]);
}

/** Where the record of a waiting thread (fuse_thread_locals_t, 64-bit) keeps the times of utimens, bytes. */
const ATIME_AT = 104;
const MTIME_AT = 112;

/**
 * utimens hands the access time over twice and drops the modification time, which stands in the
 * thread's record. The access time beside it tells whether the record looks as expected; null if not.
 */
export function mtimeOf(thread: Uint8Array | null, atimeMs: number): number | null {
  if (thread === null || thread.byteLength < MTIME_AT + 8) return null;
  const view = new DataView(thread.buffer, thread.byteOffset, thread.byteLength);
  const time = (at: number): number => joined(view.getUint32(at, true), view.getUint32(at + 4, true));
  return time(ATIME_AT) === atimeMs ? time(MTIME_AT) : null;
}

/** Milliseconds as seconds and nanoseconds. */
export function timeOf(ms: number): { seconds: number; nanoseconds: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: (ms - seconds * 1000) * 1_000_000 };
}

export interface MountWishes {
  /** As people read it. */
  readonly source: string;
  readonly readOnly: boolean;
  readonly allowOther: boolean;
  /** Seconds of trust; null for what is right by default. */
  readonly timeout: number | null;
  /** mount(2) flag words. */
  readonly flags: readonly string[];
}

/** The words of mount(2) that libfuse 2.9 knows; it refuses others. */
const knownFlags = new Set([
  'dev',
  'nodev',
  'suid',
  'nosuid',
  'exec',
  'noexec',
  'atime',
  'noatime',
  'sync',
  'async',
  'dirsync',
]);
/** The package copies the whole argument into so many bytes, NUL included. */
const OPTIONS_MAX = 1024;

/**
 * The one `-o` argument of libfuse. Attributes are asked for each time, because each name of a file
 * with several hard links is an inode of its own to the kernel. Names only change through the kernel.
 * No atomic_o_trunc: the kernel then leaves it to the server to take setuid away, and who asks is unknown.
 */
export function mountArgument(wishes: MountWishes): string {
  const options = [
    'default_permissions',
    'use_ino',
    'big_writes',
    'nonempty',
    'subtype=stratafs',
    'noatime',
    `attr_timeout=${Math.min(wishes.timeout ?? 0, 1e9)}`,
    `entry_timeout=${Math.min(wishes.timeout ?? 1, 1e9)}`,
    wishes.readOnly ? 'ro' : 'rw',
    ...(wishes.allowOther ? ['allow_other'] : []),
    ...wishes.flags.filter((word) => knownFlags.has(word)),
  ];
  const head = `-o${options.join(',')},fsname=`;
  const room = OPTIONS_MAX - 1 - head.length;
  return head + fitting(wishes.source, room);
}

/** As much of `source` as fits into `room` bytes, its commas escaped. */
function fitting(source: string, room: number): string {
  let text = '';
  let length = 0;
  for (const char of source) {
    const escaped = char === ',' || char === '\\' ? `\\${char}` : char;
    length += bytesOf(escaped).length;
    if (length > room) break;
    text += escaped;
  }
  return text;
}
