// Loads the addon: the only importer of native/.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DirScan, Jobs, Syscalls } from './calls.js';

/** How the addon answers what the channel's reader found; see native/README.md. */
export interface NativeChannel {
  /** Polls the descriptor and calls `onRequest(length)` for each request left to JavaScript; 0: there is only something told. */
  start(onRequest: (length: number) => void, onEnd: (code: number) => void): void;
  /** The request at hand, valid until onRequest returns. */
  readonly requestBuffer: ArrayBuffer;
  /** Where a reply is built; header first. */
  readonly replyBuffer: ArrayBuffer;
  /** Writes replyBuffer[0, length) to /dev/fuse. 0 or -errno. */
  reply(length: number): number;
  /** Writes any message (notify codes) to /dev/fuse. 0 or -errno. */
  write(message: Uint8Array): number;
  /**
   * Grants the data plane READ and WRITE with this fh on `fd`, and takes ownership of `fd`. `fsyncs`: FSYNC too, which is
   * then an fsync of the descriptor and nothing else.
   */
  attach(fh: number, fd: number, fsyncs: boolean): number;
  /** Points fh at another descriptor it then owns; the old one closes when no worker uses it. */
  swap(fh: number, fd: number): number;
  /** Takes fh away; its descriptor closes when no worker uses it. */
  detach(fh: number): number;
  /**
   * Further opens of `nodeid` are answered with `fh`, which one open has now, as long as they have no flags but `indifferent`
   * ones; it stays a while after the last close. Nothing where one stands already, or as many stay as may. `whole`: what is
   * open has the file's attributes, too, and where it has no capabilities (security.capability) GETXATTR is answered so.
   */
  stand(nodeid: number, fh: number, flags: number, backingId: number, indifferent: number, whole: boolean): void;
  /** Ends that. True when nobody has `fh` open any more: no RELEASE will come, it is the caller's to end. */
  withdraw(fh: number): boolean;
  /** The same for the fh that was closed first; 0: there is none that nobody has open. */
  reclaim(): number;
  /**
   * From now on RELEASE is answered without us. `told[0]` is how many handles have ended so, of fhs `told[1]` and on: detached,
   * and ours to forget before anything else is done. Whoever has read it sets it to 0.
   */
  tell(told: Float64Array): void;
  /**
   * From now on LOOKUP of a name that is not there is answered without us: of a directory whose nodeid stands in its place of
   * `directories`, a salt beside it, when `filter` (a power of two of bits) lacks the bit of the name. `vacant`: a name that may
   * be made all the same. As union/negatives.ts writes them, at any time. `valid`: seconds that such an answer is.
   */
  negatives(directories: Float64Array, filter: Uint32Array, vacant: Float64Array, valid: number): void;
  /**
   * What is opened, made and removed without us is in `records` and `names`, as union/changes.ts reads them, and ours to know
   * before anything else is done.
   */
  log(records: Float64Array, names: Uint8Array): void;
  /**
   * From now on OPEN of a file that nobody has open is answered without us, and stands for further ones as with `stand`: of
   * rows, which are passed through as SHARE in union/changes.ts has it, and of files that were made without us, passed through
   * if `own`; `quiet`: reading those leaves their access times. Opens with other flags than `indifferent` ones are ours.
   */
  open(rows: number, own: boolean, quiet: boolean, indifferent: number): void;
  /** The handle by which row `nodeid` is open without us, which is ours from now on but for its descriptor; null: there is none. */
  takeOpen(nodeid: number): OpenedFile | null;
  /** The row that is open so by `fh`; 0: none. */
  nodeOfOpen(fh: number): number;
  /** All that are. */
  openRows(): Float64Array;
  /**
   * From now on names are made and removed without us in directories that are mirrored and open to change. CREATE, MKDIR and
   * SYMLINK: those by `uid` and `gid`, where the directory surely lacks the name, of at most `nameMax` bytes. Files are opened
   * in passthrough, and FSYNC of them granted, where that is said. `directoryNlink`: the link count that users see, unless 0.
   * `valid`: seconds that entries and attributes are. UNLINK: of files that were made so, and of rows, as soon as there is a
   * whiteout to hide them.
   */
  change(
    uid: number,
    gid: number,
    nameMax: number,
    passthrough: boolean,
    fsyncs: boolean,
    directoryNlink: number,
    valid: number,
  ): void;
  /** Whiteouts are links of `name` in the directory open as `fd`, which stays the caller's. */
  hide(fd: number, name: string): void;
  /**
   * What users see of node `nodeid` is what the host has of the file that is open as `fh`, but for the inode number: GETATTR,
   * and what sets no size and no privileges, are answered so while it is attached. `valid`: seconds. 0 or -errno.
   */
  mirror(fh: number, nodeid: number, inoLow: number, inoHigh: number, valid: number): number;
  /**
   * The same of a directory that is open as `fd`, which stays the caller's; `nlink` is its link count unless 0. SETATTR only
   * where it is `openToChange`.
   */
  mirrorDirectory(
    nodeid: number,
    fd: number,
    inoLow: number,
    inoHigh: number,
    nlink: number,
    valid: number,
    openToChange: boolean,
  ): void;
  /** Ends that for `nodeid`; 0: for all. */
  unmirror(nodeid: number): void;
  /**
   * LOOKUP in directory `nodeid` of a plain file or directory among the rows of `table` (PackedNames), and FORGET of it, are
   * answered without us from now on: as the node that union/row-nodes.ts knows by `number` and the row. `told` has how often the
   * kernel was told of each row, and at its end of how many rows; both may be written by either. `more`: PackedNames.more. A row is
   * found in the directory open as `directories[source]`, which stays the caller's, and not by them where that is -1. `valid`:
   * seconds. `nlink`: the link count that users see of a directory, unless 0. The last two words are the inode number of `nodeid`.
   */
  serveRows(
    nodeid: number,
    number: number,
    table: ArrayBuffer,
    told: Uint32Array,
    more: Uint32Array,
    directories: Int32Array,
    valid: number,
    nlink: number,
    inoLow: number,
    inoHigh: number,
  ): void;
  /** Ends that for LOOKUP; what the kernel was told stays. */
  endRows(nodeid: number): void;
  /** The table is gone. */
  dropRows(number: number): void;
  /**
   * `putNames` of rows in directory `nodeid`, those of a kind at which the cells do not stop with their attributes, which tells
   * the kernel of them; returns how many.
   */
  putRows(nodeid: number, into: Uint8Array, cells: Uint32Array): number;
  /**
   * Plain directories that are rows are entered without us from now on: LOOKUP and listings in them are answered. Not those with a
   * name that begins with `prefix` or is of one of these d_types (as bits), a file `mark`, `part` in the name of an xattr, or
   * more than `most` names.
   */
  enterRows(prefix: string, mark: string, part: string, types: number, most: number): void;
  /** Whether further ones are. */
  allowRows(allowed: boolean): void;
  /** The directory that was entered so and whose rows have `number` in their nodeids; 0: none. */
  rowsIn(number: number): number;
  /** What is known of `nodeid` is ours from now on; null: it was not entered so. */
  takeRows(nodeid: number): EnteredRows | null;
  /** Rows that the kernel knows in such directories. */
  liveRows(): number;
  /**
   * Whether rows may be files with several links; at first they may not. All names of one lead to the node of the row by which it
   * was found first; `told` has LED (union/row-nodes.ts) of the others.
   */
  allowLinks(allowed: boolean): void;
  /** We have an object of the file with this Stat.identity(), or have it no longer: its names are ours. */
  ownLinks(identity: string, owned: boolean): void;
  /** The row's node by which such a file is known; 0: none. */
  linkedNode(identity: string): number;
  /** The node to which a row with LED leads, whose own nodeid would be `row`; 0: none. */
  ledTo(row: number): number;
  /** What is known of the file `nodeid` is ours from now on; null: it has no several links. */
  takeLinks(nodeid: number): LinkedRow | null;
  /** A listing of directory `nodeid`, which has `names` names, begins: whether it is worth coming with attributes. */
  beginListing(nodeid: number, names: number): boolean;
  /** Whether it goes on so. */
  fillsListing(nodeid: number): boolean;
  /** Somebody asked for a name in `nodeid` that is no directory. */
  askedIn(nodeid: number): void;
  /** Behind `cookie` directory `nodeid` has no names: a READDIR for those that is the very next request is answered without us. */
  listed(nodeid: number, cookie: number): void;
  /** From now on IOCTL reaches us with these commands only; others are ENOTTY. */
  ioctls(commands: Uint32Array): void;
  /** FUSE_DEV_IOC_BACKING_OPEN: a backing id > 0, or -errno. */
  backingOpen(fd: number): number;
  backingClose(id: number): number;
  /** Stops polling; the descriptor stays open. */
  stop(): void;
  /** Counters since start: requests, reads, spliced, writes, fsyncs, offloaded, bytesRead, bytesWritten, stood, opened, mirrored, missed, found, listed, entered, created, removed, wishes; attached, backings, openRows, idle and mirrors now. */
  counters(): Record<string, number>;
}

/** An open file: flags of its OPEN, and its backing or 0. */
export interface OpenedFile {
  readonly fh: number;
  readonly fd: number;
  readonly flags: number;
  readonly backing: number;
}

/** A directory that was entered without us: what `serveRows` is told of one, and its descriptors by source, or none of them. */
export interface EnteredRows {
  readonly number: number;
  readonly table: ArrayBuffer;
  readonly told: Uint32Array;
  readonly more: Uint32Array;
  readonly parts: Int32Array;
  /** Nodeids of its rows that are files with several links, those with LED included. */
  readonly linked: Float64Array;
}

/** A file with several links. */
export interface LinkedRow {
  readonly identity: string;
  /** What would be the nodeids of rows that lead to its node. */
  readonly names: Float64Array;
}

/** The names of several directories. */
export interface MergedNames {
  /** Rows of `table`, whose arrays lie as `columnsIn` of union/packed-names.ts says. */
  readonly count: number;
  readonly table: ArrayBuffer | null;
  /** A row and a further source for each directory that further ones have too, in the order of both. */
  readonly more: Uint32Array;
  /** Rows that are not in the table, in the order in which they came; `sources` tells of which directory each is. */
  readonly apart: (DirScan & { readonly sources: Uint32Array }) | null;
}

/** See sys/name-tables.ts. */
export interface NameTables {
  mergeNames(records: Uint8Array, ranges: Uint32Array, prefix: string): MergedNames;
  putNames(into: Uint8Array, table: ArrayBuffer, count: number, cells: Uint32Array): number;
}

export interface Addon {
  readonly syscalls: Syscalls;
  readonly jobs: Jobs;
  readonly tables: NameTables;
  /** `wakeful`: while requests follow each other closely, idle processors are kept from halting, where that is allowed. */
  openChannel(fd: number, maxWrite: number, wakeful: boolean): NativeChannel;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Straight from where it is built: finding node-gyp-build and having it look takes longer than loading. */
function builtHere(): Addon | undefined {
  const module: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(module, join(root, 'build', 'Release', 'stratafs.node'));
  } catch {
    return undefined;
  }
  return module.exports as Addon;
}

/** Wherever else it is: shipped in prebuilds/, or nowhere, which this one says. */
function found(): Addon {
  const load = createRequire(import.meta.url)('node-gyp-build') as (directory: string) => unknown;
  return load(root) as Addon;
}

/** The loaded addon. Built by `npm run build`, or shipped in prebuilds/. */
export const addon: Addon = builtHere() ?? found();
