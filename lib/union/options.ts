// The option list of a mount (`-o a=b,c`) as a checked value. Pure: no path is touched here.

import type { PassthroughPolicy } from '../nodes/io-mode.js';
import { type IdOptions, NO_ID, parseIdMap } from './ids-mapping.js';
import { MountError } from './layers.js';

export interface MountOptions extends IdOptions {
  lowers: string[];
  /** Lowers below those that hold only data, top first. */
  dataLowers: string[];
  upper: string | null;
  workdir: string | null;
  readOnly: boolean;
  /** Seconds that the kernel may trust entries and attributes; Infinity when nobody else writes. */
  timeout: number | null;
  passthrough: PassthroughPolicy;
  /** While requests follow each other closely, idle processors are kept from halting. */
  fastWakeups: boolean;
  redirectDir: boolean;
  /** Changes of a file's attributes copy no data up. */
  metacopy: boolean;
  index: boolean;
  /** fsync does nothing: contents may be lost in a power failure. */
  volatile: boolean;
  allowOther: boolean | null;
  debug: boolean;
  fsname: string | null;
  /** `fuse.<subtype>` in the mount table. */
  subtype: string;
  /** Refuses an upper that another writable mount uses; else that is only said. */
  exclusive: boolean;
  noacl: boolean;
  /** The upper keeps owners and modes in xattrs: 1 security.fuseoverlayfs.*, 2 user.containers.*. */
  xattrPermissions: 0 | 1 | 2;
  staticNlink: boolean;
  /** The upper may be sealed while it is mounted, and so many of the first lowers were that before; null: it may not. */
  sealed: number | null;
  /** mount(2) flag words as written: nodev, noexec, ... */
  flags: string[];
}

export function defaultOptions(): MountOptions {
  return {
    lowers: [],
    dataLowers: [],
    upper: null,
    workdir: null,
    readOnly: false,
    timeout: null,
    passthrough: 'auto',
    fastWakeups: true,
    redirectDir: true,
    metacopy: false,
    index: true,
    volatile: false,
    allowOther: null,
    debug: false,
    fsname: null,
    subtype: 'stratafs',
    exclusive: true,
    noacl: false,
    xattrPermissions: 0,
    staticNlink: false,
    uidMapping: [],
    gidMapping: [],
    squashToRoot: false,
    squashToUid: null,
    squashToGid: null,
    sealed: null,
    flags: [],
  };
}

/** More lowers than this are refused, as by kernel overlayfs. */
export const MAX_LOWERS = 500;

/** Splits at `separator`, except where a backslash stands before it; escapes are taken off. */
export function splitEscaped(text: string, separator: string): string[] {
  const parts: string[] = [''];
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    const next = text[at + 1];
    if (char === '\\' && (next === separator || next === '\\')) {
      parts[parts.length - 1] += next;
      at += 1;
    } else if (char === separator) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts;
}

/** `a,b=c\,d` -> words; a backslash keeps a comma, other escapes stay for the option itself. */
export function splitWords(list: string): string[] {
  return list.split(/(?<!\\),/).map((word) => word.replaceAll('\\,', ','));
}

function onOff(key: string, value: string): boolean {
  if (value === 'on' || value === '1') return true;
  if (value === 'off' || value === '0') return false;
  throw new MountError(`option ${key}: '${value}' is neither on nor off`);
}

function oneOf<T extends string>(key: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new MountError(`option ${key}: '${value}' is not one of ${allowed.join(', ')}`);
  return found;
}

const decimal = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function seconds(key: string, value: string): number {
  if (!decimal.test(value)) throw new MountError(`option ${key}: '${value}' is not a number of seconds`);
  return Number(value);
}

function id(key: string, value: string): number {
  const number = /^\d{1,10}$/.test(value) ? Number(value) : NO_ID;
  if (number >= NO_ID) throw new MountError(`option ${key}: '${value}' is not an id`);
  return number;
}

function path(key: string, value: string): string {
  if (value === '') throw new MountError(`option ${key}: an empty path`);
  return value;
}

/** `A:B::D1::D2`: merged layers, then, each after two colons, layers that hold only data. */
function lowerList(value: string): Pick<MountOptions, 'lowers' | 'dataLowers'> {
  const refuse = (why: string): MountError => new MountError(`option lowerdir: ${why} in '${value}'`);
  const parts = splitEscaped(value, ':');
  const firstGap = parts.indexOf('');
  const lowers = firstGap < 0 ? parts : parts.slice(0, firstGap);
  const rest = firstGap < 0 ? [] : parts.slice(firstGap);
  const dataLowers = rest.filter((_, position) => position % 2 === 1);
  if (lowers.length === 0 || dataLowers.includes('') || parts.at(-1) === '') throw refuse('an empty path');
  if (rest.some((part, position) => position % 2 === 0 && part !== '')) {
    throw refuse("a layer after ':' below a data-only layer");
  }
  if (lowers.length + dataLowers.length > MAX_LOWERS) {
    throw new MountError(`option lowerdir: ${lowers.length + dataLowers.length} layers, the most is ${MAX_LOWERS}`);
  }
  return { lowers, dataLowers };
}

type Change = Partial<MountOptions>;

/** A value that is checked and changes nothing. */
function checked(_value: string): Change {
  return {};
}

/** Options that take a value. */
const valued: Record<string, (value: string) => Change> = {
  lowerdir: lowerList,
  upperdir: (value) => ({ upper: path('upperdir', value) }),
  workdir: (value) => ({ workdir: path('workdir', value) }),
  timeout: (value) => ({ timeout: seconds('timeout', value) }),
  passthrough: (value) => ({ passthrough: oneOf('passthrough', value, ['auto', 'all', 'upper', 'off'] as const) }),
  wakeups: (value) => ({ fastWakeups: oneOf('wakeups', value, ['fast', 'plain'] as const) === 'fast' }),
  redirect_dir: (value) => ({ redirectDir: onOff('redirect_dir', value) }),
  metacopy: (value) => ({ metacopy: onOff('metacopy', value) }),
  index: (value) => ({ index: onOff('index', value) }),
  fsync: (value) => ({ volatile: !onOff('fsync', value) }),
  uidmapping: (value) => ({ uidMapping: parseIdMap('uidmapping', value) }),
  gidmapping: (value) => ({ gidMapping: parseIdMap('gidmapping', value) }),
  squash_to_root: (value) => ({ squashToRoot: onOff('squash_to_root', value) }),
  squash_to_uid: (value) => ({ squashToUid: id('squash_to_uid', value) }),
  squash_to_gid: (value) => ({ squashToGid: id('squash_to_gid', value) }),
  // Numbers are unique in one mount whatever is chosen: there is nothing to choose.
  xattr_permissions: (value) => ({
    xattrPermissions: Number(oneOf('xattr_permissions', value, ['0', '1', '2'] as const)) as 0 | 1 | 2,
  }),
  xino: (value) => checked(oneOf('xino', value, ['off', 'auto', 'on'] as const)),
  fsname: (value) => ({ fsname: path('fsname', value) }),
  sealed: (value) => ({ sealed: Number(id('sealed', value)) }),
};

/** Words without a value. */
const words: Record<string, Change> = {
  ro: { readOnly: true },
  rw: { readOnly: false },
  volatile: { volatile: true },
  allow_other: { allowOther: true },
  default_permissions: {},
  debug: { debug: true },
  noacl: { noacl: true },
  squash_to_root: { squashToRoot: true },
  ino32_t: {},
  static_nlink: { staticNlink: true },
};

/** mount(2) flags that are passed on. */
export const flagWords = [
  'dev',
  'nodev',
  'suid',
  'nosuid',
  'exec',
  'noexec',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'relatime',
  'strictatime',
  'nostrictatime',
  'lazytime',
  'nolazytime',
  'sync',
  'async',
  'dirsync',
] as const;

/** Adds one `-o` list to `options`. A word that is not known goes to `unknown`, which may throw. */
export function applyList(options: MountOptions, list: string, unknown: (word: string) => void): void {
  for (const word of splitWords(list)) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    const key = equals < 0 ? word : word.slice(0, equals);
    const parse = Object.hasOwn(valued, key) ? valued[key] : undefined;
    const change = Object.hasOwn(words, word) ? words[word] : undefined;
    if (parse !== undefined && change === undefined && equals < 0) throw new MountError(`option ${key} needs a value`);
    if (parse !== undefined && equals >= 0) Object.assign(options, parse(word.slice(equals + 1)));
    else if (change !== undefined) Object.assign(options, change);
    else if ((flagWords as readonly string[]).includes(word)) options.flags.push(word);
    else unknown(word);
  }
}

/** What `stratafs mount` does with a word it does not know. */
export function refuseUnknown(word: string): void {
  throw new MountError(`unknown option '${word}'`);
}

/** Checks what no single option can tell. */
export function checkWhole(options: MountOptions): void {
  if (options.lowers.length === 0) throw new MountError('no lowerdir: -o lowerdir=TOP:…:BOTTOM is needed');
  if (options.metacopy && !options.redirectDir) {
    throw new MountError('option metacopy=on needs redirect_dir=on: a renamed file would lose its data');
  }
  if (options.upper !== null && options.workdir === null) {
    throw new MountError(`upperdir ${options.upper} needs a workdir on the same filesystem`);
  }
  if (options.upper === null && options.workdir !== null) {
    throw new MountError(`workdir ${options.workdir} without an upperdir`);
  }
}
