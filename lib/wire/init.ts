// Agreement at INIT: the kernel's offer and our wishes make one Negotiated. Pure: owns which flag
// means which feature and which exclude each other; knows neither mounts nor why a wish was made.

import {
  DEFAULT_MAX_PAGES,
  type FlagBit,
  InitFlag,
  MAJOR,
  MAX_MAX_PAGES,
  MAX_STACK_DEPTH,
  MINOR,
  OLDEST_MINOR,
  PAGE_SIZE,
  structs,
} from './abi.js';
import type { InitBody } from './bodies.js';

/** Feature to the flag that agrees on it, and the protocol minor that brought it. */
const features = {
  asyncRead: [InitFlag.ASYNC_READ, 6],
  posixLocks: [InitFlag.POSIX_LOCKS, 7],
  atomicOTrunc: [InitFlag.ATOMIC_O_TRUNC, 8],
  exportSupport: [InitFlag.EXPORT_SUPPORT, 10],
  bigWrites: [InitFlag.BIG_WRITES, 9],
  dontMask: [InitFlag.DONT_MASK, 12],
  spliceWrite: [InitFlag.SPLICE_WRITE, 14],
  spliceMove: [InitFlag.SPLICE_MOVE, 14],
  spliceRead: [InitFlag.SPLICE_READ, 14],
  flockLocks: [InitFlag.FLOCK_LOCKS, 17],
  hasIoctlDir: [InitFlag.HAS_IOCTL_DIR, 18],
  autoInvalData: [InitFlag.AUTO_INVAL_DATA, 20],
  readdirplus: [InitFlag.DO_READDIRPLUS, 21],
  readdirplusAuto: [InitFlag.READDIRPLUS_AUTO, 21],
  asyncDio: [InitFlag.ASYNC_DIO, 22],
  writebackCache: [InitFlag.WRITEBACK_CACHE, 23],
  noOpenSupport: [InitFlag.NO_OPEN_SUPPORT, 23],
  parallelDirops: [InitFlag.PARALLEL_DIROPS, 25],
  handleKillpriv: [InitFlag.HANDLE_KILLPRIV, 26],
  posixAcl: [InitFlag.POSIX_ACL, 26],
  abortError: [InitFlag.ABORT_ERROR, 27],
  maxPages: [InitFlag.MAX_PAGES, 28],
  cacheSymlinks: [InitFlag.CACHE_SYMLINKS, 28],
  noOpendirSupport: [InitFlag.NO_OPENDIR_SUPPORT, 29],
  explicitInvalData: [InitFlag.EXPLICIT_INVAL_DATA, 30],
  handleKillprivV2: [InitFlag.HANDLE_KILLPRIV_V2, 33],
  setxattrExt: [InitFlag.SETXATTR_EXT, 33],
  securityCtx: [InitFlag.SECURITY_CTX, 36],
  createSuppGroup: [InitFlag.CREATE_SUPP_GROUP, 38],
  hasExpireOnly: [InitFlag.HAS_EXPIRE_ONLY, 38],
  directIoAllowMmap: [InitFlag.DIRECT_IO_ALLOW_MMAP, 39],
  passthrough: [InitFlag.PASSTHROUGH, 40],
  noExportSupport: [InitFlag.NO_EXPORT_SUPPORT, 40],
  hasResend: [InitFlag.HAS_RESEND, 40],
  allowIdmap: [InitFlag.ALLOW_IDMAP, 41],
  overIoUring: [InitFlag.OVER_IO_URING, 42],
  requestTimeout: [InitFlag.REQUEST_TIMEOUT, 43],
} as const satisfies Record<string, readonly [FlagBit, number]>;

export type Feature = keyof typeof features;
export type FeatureSet = { readonly [F in Feature]: boolean };

const featureNames = Object.keys(features) as Feature[];

/** Pairs that the kernel does not take together: when the first is agreed, the second is refused. */
const exclusions: readonly (readonly [Feature, Feature])[] = [
  ['passthrough', 'writebackCache'],
  ['autoInvalData', 'explicitInvalData'],
];

/** The second says nothing without the first. */
const requirements: readonly (readonly [Feature, Feature])[] = [['readdirplus', 'readdirplusAuto']];

export interface Limits {
  /** Bytes in one WRITE; also bounds READ through the pages it implies. */
  readonly maxWrite: number;
  readonly maxReadahead: number;
  readonly maxBackground: number;
  readonly congestionThreshold: number;
  /** Nanoseconds, 1 to 10^9. */
  readonly timeGran: number;
  /** How many filesystems may stack below a passthrough file, 1 or 2. */
  readonly maxStackDepth: number;
  readonly requestTimeoutSeconds: number;
}

/** Features that are not named are not wished; limits that are not named have their defaults. */
export type Wishes = Partial<FeatureSet> & Partial<Limits>;

export const defaultLimits: Limits = {
  maxWrite: MAX_MAX_PAGES * PAGE_SIZE,
  maxReadahead: 0xffff_ffff,
  maxBackground: 64,
  congestionThreshold: 48,
  timeGran: 1,
  maxStackDepth: 1,
  requestTimeoutSeconds: 0,
};

/** What both sides agreed on, final for the connection. */
export interface Negotiated extends Omit<FeatureSet, 'maxPages'>, Limits {
  readonly major: number;
  /** The smaller of the two minors: what may be used. */
  readonly minor: number;
  /** Pages in one request, agreed or the kernel's default. */
  readonly maxPages: number;
  /** The two words of agreed flags, as they go into the answer. */
  readonly flags: number;
  readonly flags2: number;
  /** How much of `fuse_init_out` this kernel knows. */
  readonly initOutSize: number;
}

export type Outcome =
  | {
      readonly kind: 'agreed';
      readonly negotiated: Negotiated;
      /** Wished, but not offered or excluded: why, one sentence each. */
      readonly refused: readonly string[];
    }
  /** The kernel's major is larger: answer ours alone, it will ask again. */
  | { readonly kind: 'again'; readonly major: number; readonly minor: number }
  | { readonly kind: 'error'; readonly why: string };

/** Decides what to answer to INIT. */
export function negotiate(offer: InitBody, wishes: Wishes): Outcome {
  if (offer.major > MAJOR) return { kind: 'again', major: MAJOR, minor: MINOR };
  if (offer.major < MAJOR || offer.minor < OLDEST_MINOR) {
    return { kind: 'error', why: `the kernel speaks FUSE ${offer.major}.${offer.minor}, older than 7.${OLDEST_MINOR}` };
  }
  const refused: string[] = [];
  const agreed = agree(offer, wishes, refused);
  return { kind: 'agreed', negotiated: settle(offer, wishes, agreed), refused };
}

/** 7.22 and older know 24 bytes of the answer. */
export function initOutSize(minor: number): number {
  return minor < 23 ? 24 : structs.fuse_init_out.size;
}

function agree(offer: InitBody, wishes: Wishes, refused: string[]): Set<Feature> {
  const agreed = new Set<Feature>();
  for (const feature of featureNames) {
    if (wishes[feature] !== true) continue;
    if (offered(offer, feature)) agreed.add(feature);
    else refused.push(`${feature}: not offered by the kernel`);
  }
  for (const [winner, loser] of exclusions) {
    if (agreed.has(winner) && agreed.delete(loser)) refused.push(`${loser}: excluded by ${winner}`);
  }
  for (const [base, extra] of requirements) {
    if (!agreed.has(base) && agreed.delete(extra)) refused.push(`${extra}: needs ${base}`);
  }
  return agreed;
}

/** flags2 counts only with INIT_EXT; a flag from before its minor is noise. */
function offered(offer: InitBody, feature: Feature): boolean {
  const [flag, minor] = features[feature];
  if (offer.minor < minor) return false;
  if (flag.word === 0) return (offer.flags & flag.bit) !== 0;
  return (offer.flags & InitFlag.INIT_EXT.bit) !== 0 && (offer.flags2 & flag.bit) !== 0;
}

function settle(offer: InitBody, wishes: Wishes, agreed: ReadonlySet<Feature>): Negotiated {
  const limits = { ...defaultLimits, ...definedLimits(wishes) };
  const { maxPages, maxWrite } = requestSize(limits.maxWrite, agreed);
  const has = Object.fromEntries(featureNames.map((name) => [name, agreed.has(name)])) as Record<Feature, boolean>;
  return {
    ...has,
    ...flagWords(offer, agreed),
    major: MAJOR,
    minor: Math.min(offer.minor, MINOR),
    maxPages,
    maxWrite,
    maxReadahead: Math.min(offer.maxReadahead, limits.maxReadahead),
    maxBackground: between(1, limits.maxBackground, 0xffff),
    congestionThreshold: between(1, limits.congestionThreshold, 0xffff),
    timeGran: between(1, limits.timeGran, 1_000_000_000),
    maxStackDepth: agreed.has('passthrough') ? between(1, limits.maxStackDepth, MAX_STACK_DEPTH) : 0,
    requestTimeoutSeconds: agreed.has('requestTimeout') ? between(0, limits.requestTimeoutSeconds, 0xffff) : 0,
    initOutSize: initOutSize(offer.minor),
  };
}

function definedLimits(wishes: Wishes): Partial<Limits> {
  const names = Object.keys(defaultLimits) as (keyof Limits)[];
  return Object.fromEntries(names.filter((name) => wishes[name] !== undefined).map((name) => [name, wishes[name]]));
}

/** Without MAX_PAGES a request has 32 pages; without BIG_WRITES a write has one. */
function requestSize(wished: number, agreed: ReadonlySet<Feature>): { maxPages: number; maxWrite: number } {
  const most = agreed.has('maxPages') ? 0xffff : DEFAULT_MAX_PAGES;
  const pages = between(1, Math.ceil(wished / PAGE_SIZE), most);
  const maxWrite = agreed.has('bigWrites') ? between(PAGE_SIZE, wished, pages * PAGE_SIZE) : PAGE_SIZE;
  return { maxPages: agreed.has('maxPages') ? pages : DEFAULT_MAX_PAGES, maxWrite };
}

function flagWords(offer: InitBody, agreed: ReadonlySet<Feature>): { flags: number; flags2: number } {
  let flags = offer.flags & InitFlag.INIT_EXT.bit;
  let flags2 = 0;
  for (const feature of agreed) {
    const [flag] = features[feature];
    if (flag.word === 0) flags |= flag.bit;
    else flags2 |= flag.bit;
  }
  return { flags: flags >>> 0, flags2: flags2 >>> 0 };
}

function between(low: number, value: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
