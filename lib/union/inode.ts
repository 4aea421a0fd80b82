// The union's inodes: what the kernel's nodeids stand for. A directory is a stack of layer
// directories with an index of its names; a file lives in one layer at a time. No I/O here.

import type { BackingId, Fh } from '../nodes/ids.js';
import { KernelNode } from '../nodes/node-table.js';
import type { OwnedFd } from '../sys/fd.js';
import type { Stat } from '../sys/stat.js';
import type { LayerDir, LayerFile } from './dir-fds.js';
import type { KeptCtime } from './kept-ctime.js';
import type { PackedNames, PackedRecord } from './packed-names.js';
import type { Stepping } from './steps.js';

/** Beyond d_type: a name of the upper that hides the lowers' one. */
export const WHITEOUT = 100;

const BENEATH = 1;
const CLOSED = 2;
const NUMBERED = 4;
const OURS = 8;

/** One name of a directory. There may be a million: what is true or false of it shares one field. */
export class Entry {
  /** The node the kernel knows under this name, if it does. */
  node: Inode | null = null;
  /** Deeper layers that hold a directory of this name too, top first. */
  deeper: LayerDir[] | null = null;
  #flags = 0;

  constructor(
    /** d_type, or WHITEOUT. */
    public kind: number,
    /** The part of the directory's stack that shows it. */
    public dir: LayerDir,
    public inoLow: number,
    public inoHigh: number,
  ) {}

  /** A lower layer shows this name too, beneath the one that counts. */
  get beneath(): boolean {
    return (this.#flags & BENEATH) !== 0;
  }

  set beneath(value: boolean) {
    this.#put(BENEATH, value);
  }

  /** No deeper layer can add to this name. */
  get closed(): boolean {
    return (this.#flags & CLOSED) !== 0;
  }

  set closed(value: boolean) {
    this.#put(CLOSED, value);
  }

  /** inoLow and inoHigh are the number users see, not the host's. */
  get numbered(): boolean {
    return (this.#flags & NUMBERED) !== 0;
  }

  set numbered(value: boolean) {
    this.#put(NUMBERED, value);
  }

  /** Made by this mount: it carries no marks that were not put there knowingly. */
  get ours(): boolean {
    return (this.#flags & OURS) !== 0;
  }

  set ours(value: boolean) {
    this.#put(OURS, value);
  }

  #put(flag: number, value: boolean): void {
    this.#flags = value ? this.#flags | flag : this.#flags & ~flag;
  }
}

/** The entry shows the number of `node`, whatever the host calls the inode there. */
export function takeNumber(entry: Entry, node: Inode): void {
  entry.inoLow = node.inoLow;
  entry.inoHigh = node.inoHigh;
  entry.numbered = true;
}

/** Rows of packed names that the kernel knows though they have no object. */
export interface HeldRows {
  /** How many. */
  readonly live: number;
  /** `entry` was made of `row`: if the kernel knows the file, it gets its node. */
  wake(row: number, name: string, entry: Entry): void;
  rows(): Iterable<number>;
}

/** name -> Entry. Most names that lowers alone have are packed: one gets an object for as long as what it shows has one. */
export class Names {
  readonly #entries = new Map<string, Entry>();
  /** Objects of packed names. */
  readonly #unpacked = new Map<string, Entry>();
  packed: PackedNames | null = null;
  packedDirs: readonly (LayerDir | null)[] = [];
  held: HeldRows | null = null;

  get size(): number {
    return this.#entries.size + (this.packed?.size ?? 0);
  }

  /** The names of `packed` are shown by `dirs` alone; null: that one shows none of them, but may come to show copies. */
  pack(packed: PackedNames, dirs: readonly (LayerDir | null)[]): void {
    this.packed = packed;
    this.packedDirs = dirs;
  }

  /** The entry of a name that is not packed, or not yet. */
  plain(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** Adds a name that is not packed. */
  addPlain(name: string, entry: Entry): void {
    this.#entries.set(name, entry);
  }

  get(name: string): Entry | undefined {
    const known = this.#entries.get(name);
    if (known !== undefined || this.packed === null) return known;
    const unpacked = this.#unpacked.get(name);
    if (unpacked !== undefined) return unpacked;
    const at = this.packed.find(name);
    if (at < 0) return undefined;
    const entry = this.#made(this.packed.takeAt(at) as PackedRecord);
    this.#unpacked.set(name, entry);
    this.held?.wake(at, name, entry);
    return entry;
  }

  removePlain(name: string): void {
    this.#entries.delete(name);
  }

  set(name: string, entry: Entry): void {
    this.delete(name);
    this.#entries.set(name, entry);
  }

  delete(name: string): void {
    this.#entries.delete(name);
    this.#unpacked.delete(name);
    if (this.packed !== null) this.packed.remove(this.packed.find(name));
  }

  /** Names that are not packed. */
  plainNames(): string[] {
    return [...this.#entries.keys()];
  }

  /** The packed name at a position and its entry, which is kept only once it shows a node; null for none. */
  packedAt(at: number): { name: string; entry: Entry; cookie: number } | null {
    const record = this.packed?.takeAt(at) ?? null;
    if (record === null) return null;
    const { name, cookie } = record;
    const entry = this.#unpacked.get(name) ?? this.#made(record);
    this.held?.wake(at, name, entry);
    return { name, entry, cookie };
  }

  /** `entry` of `name` shows a node now. */
  keep(name: string, entry: Entry): void {
    if (this.packed !== null && !this.#entries.has(name)) this.#unpacked.set(name, entry);
  }

  /** `entry` of `name` shows no node any more: a packed name that did not change needs no object. */
  release(name: string, entry: Entry): void {
    if (!this.packedDirs.includes(entry.dir) || entry.ours || entry.kind === WHITEOUT) return;
    this.#unpacked.delete(name);
    this.packed?.giveBack(this.packed.find(name));
  }

  /** Names that show nodes. */
  live(): [string, Entry][] {
    for (const row of this.held?.rows() ?? []) this.packedAt(row);
    return [...this.#entries, ...this.#unpacked].filter(([, entry]) => entry.node !== null);
  }

  *named(): Generator<[string, Entry]> {
    yield* this.#entries;
    const count = this.packed?.cookies.length ?? 0;
    for (let at = 0; at < count; at += 1) {
      const found = this.packedAt(at);
      if (found !== null) yield [found.name, found.entry];
    }
  }

  *values(): Generator<Entry> {
    for (const [, entry] of this.named()) yield entry;
  }

  #made(record: PackedRecord): Entry {
    const dirAt = (source: number): LayerDir => this.packedDirs[source] as LayerDir;
    const entry = new Entry(record.kind, dirAt(record.source), record.inoLow, record.inoHigh);
    entry.deeper = record.deeper?.map(dirAt) ?? null;
    return entry;
  }
}

/** The names of one merged directory, whiteouts of the upper included. */
export class DirIndex {
  readonly entries = new Names();
  /** Entries that show a node. */
  liveNodes = 0;
  /** The upper's part holds entries that were copied up or moved in (their d_ino is elsewhere). */
  impure = false;
  /** The upper's part is marked as one that may hold nested whiteouts. */
  holdsNested = false;
  /** Of its names in the filter of negatives.ts; 0: they are not there. */
  salt = 0;
}

/** Names of a large directory that show nodes though it has no index, and how many more may be asked for: single-names.ts. */
export interface SingleNames {
  readonly entries: Map<string, Entry>;
  questions: number;
}

/** A large directory whose names are read between requests, and the stack that is read. */
export interface Walking {
  readonly stepping: Stepping<DirIndex>;
  readonly stack: readonly LayerDir[];
  /** What was read means something else by now. */
  stale: boolean;
}

/** Another name of a file with several hard links. */
export interface Alias {
  readonly parent: DirNode;
  readonly name: string;
}

/** What most nodes have none of, with what that means. */
const usual = {
  singles: null as SingleNames | null,
  keptCtime: null as KeptCtime | null,
  orphan: null as OwnedFd | null,
  aliases: null as Alias[] | null,
  handles: null as Set<FileHandle> | null,
  backing: null as Backing | null,
  cachedOpens: 0,
  cacheStale: false,
  identities: null as string[] | null,
  extraLinks: 0,
  lowerLinks: 0,
  isNestedWhiteout: false,
  copying: null as Copying | null,
  filling: null as Stat | null,
};
type Aside = typeof usual;

/**
 * Properties that are kept in an object of their own, made when the first of them is not as usual: there may be a
 * million nodes, and a word in each for each of these would be a third of their memory.
 */
function keepAside(owner: { readonly prototype: Inode }, keys: readonly (keyof Aside)[]): void {
  for (const key of keys) {
    Object.defineProperty(owner.prototype, key, {
      get(this: Inode) {
        return this.aside === null ? usual[key] : this.aside[key];
      },
      set(this: Inode, value: never) {
        if (this.aside === null && value === usual[key]) return;
        this.aside ??= { ...usual };
        this.aside[key] = value;
      },
    });
  }
}

export abstract class Inode extends KernelNode {
  /** null for the root and for what was removed. */
  parent: DirNode | null;
  name: string;
  /** The inode number shown to users, low and high word. */
  inoLow = 0;
  inoHigh = 0;
  /** Its protecting flags, see protection.ts; undefined: not asked yet. */
  protection: number | undefined = undefined;
  aside: Aside | null = null;
  /** The ctime shown after a copy-up; null: the host's. */
  declare keptCtime: KeptCtime | null;
  /** Keeps a removed object reachable while the kernel still refers to it. */
  declare orphan: OwnedFd | null;

  constructor(parent: DirNode | null, name: string) {
    super();
    this.parent = parent;
    this.name = name;
  }
}
keepAside(Inode, ['keptCtime', 'orphan']);

export class DirNode extends Inode {
  index: DirIndex | null = null;
  /**
   * Same-named directories of deeper layers that may belong to the stack; whether they do is told by
   * marks on disk, which are read when the directory is first entered. null once that is settled.
   */
  candidates: readonly LayerDir[] | null = null;
  /** Removed: has no names and takes none. */
  dead = false;
  /** The data plane may answer for its attributes. */
  mirrored = false;
  /** Only while there is no index. */
  declare singles: SingleNames | null;

  constructor(
    parent: DirNode | null,
    name: string,
    /** The layer directories that make it up, top first. */
    public stack: LayerDir[],
  ) {
    super(parent, name);
  }

  /** Its directory in the upper, if it is there. */
  get upper(): LayerDir | null {
    const top = this.stack[0];
    return top?.layer.writable ? top : null;
  }
}

keepAside(DirNode, ['singles']);

/** One open file. The data plane owns the descriptor. */
export interface FileHandle {
  readonly fh: Fh;
  readonly node: FileNode;
  fd: number;
  readonly openFlags: number;
  readonly mode: 'cached' | 'passthrough';
  readonly writable: boolean;
  /** Host uid of who opened it. */
  readonly opener: number;
}

/** The one passthrough backing that all passthrough opens of a node share. */
export interface Backing {
  readonly id: BackingId;
  /** Becomes so when the upper that it is in is sealed. */
  onLower: boolean;
  users: number;
}

/** The data of a metadata-only copy: a file of a lower, and how many blocks that has. */
export interface FileData {
  readonly file: LayerFile;
  readonly blocks: number;
}

/** A file: `dir` and `base` are where its attributes are, `data` is where its bytes are. */
export class FileNode extends Inode {
  /** Names beside `parent`/`name` under which the kernel knows this file. */
  declare aliases: Alias[] | null;
  declare handles: Set<FileHandle> | null;
  declare backing: Backing | null;
  declare cachedOpens: number;
  /** Written in passthrough: the page cache of this inode is older than the file. */
  declare cacheStale: boolean;
  /** Its keys in the table of files with several hard links: as a lower file, as an upper one. */
  declare identities: string[] | null;
  /** The link count shown, less the count of the host: lower names count, the index's does not. */
  declare extraLinks: number;
  /** The link count of the lower file that an indexed copy was made from. */
  declare lowerLinks: number;
  /** A device 0:0 to users, kept as an empty file with an xattr. */
  declare isNestedWhiteout: boolean;
  /** A copy of a lower file that is being made. */
  declare copying: Copying | null;
  /** Its attributes from before its data began to come in. */
  declare filling: Stat | null;
  /** null: its bytes are with its attributes. undefined: not asked yet, see metacopy.ts. */
  data: FileData | null | undefined = null;

  constructor(
    parent: DirNode | null,
    name: string,
    /** S_IFMT bits. */
    readonly format: number,
    /** Where the file's attributes are: a directory of a layer, and its name there. */
    public dir: LayerDir,
    public base: string,
  ) {
    super(parent, name);
  }

  get inUpper(): boolean {
    return this.dir.layer.writable;
  }

  /** A write to its bytes reaches no lower. Only for files whose data was asked for. */
  get dataInUpper(): boolean {
    return this.inUpper && this.data === null;
  }
}

keepAside(FileNode, ['aliases', 'handles', 'backing', 'cachedOpens', 'cacheStale', 'identities', 'extraLinks']);
keepAside(FileNode, ['lowerLinks', 'isNestedWhiteout', 'copying', 'filling']);

/** Slow part of a copy-up under way. */
export interface Copying {
  readonly fd: OwnedFd;
  readonly work: Promise<number>;
  readonly cancel: Int32Array;
  /** undefined while the work goes on. */
  result: number | undefined;
  waiters: number;
}
