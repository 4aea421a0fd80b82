// An OCI layer tar unpacked into an empty directory as overlayfs has layers. A hostile archive ends in an error at the
// first member that is one; whoever gave the directory removes it.

import { errno } from '../errno.js';
import { check, checkData } from '../sys/check.js';
import { O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import type { Syscalls } from '../sys/syscalls.js';
import { OPAQUE_FILE, WH } from '../union/marks.js';
import type { Guard } from './room.js';
import { storedSize, type TarEntry, TarError } from './tar/entry.js';
import { type Member, readTar } from './tar/reader.js';
import { Marks } from './unpack-marks.js';
import { counted, describe, type Maker, makeFile, makeNode, type Spot } from './unpack-object.js';
import { componentsOf, Places, refuse } from './unpack-place.js';

/** What one layer may be at most. */
export interface ApplyLimits {
  /** Members. */
  readonly entries: number;
  /** Bytes of files, holes not counted. */
  readonly bytes: number;
  /** Device nodes. */
  readonly devices: number;
  /** Bytes of names and xattrs of directories and whiteouts, which are kept in memory to the end. */
  readonly kept: number;
  /** What may be taken of the disk; null where the stream is one's own. */
  readonly guard: Guard | null;
  /** Files belong to whom the archive says; false for servers that may not give files away. */
  readonly owners: boolean;
}

export const defaultLimits: ApplyLimits = {
  entries: 10_000_000,
  bytes: 2 ** 40,
  devices: 4096,
  // A Debian root of 16,000 directories keeps 2 MB.
  kept: 256 << 20,
  guard: null,
  owners: true,
};

export interface Applied {
  readonly entries: number;
  /** Bytes of files, holes not counted. */
  readonly bytes: number;
  /** Xattrs and devices that the host does not take. */
  readonly leftOut: number;
}

/** AUFS's own names, of no meaning to anybody else. */
const AUFS = `${WH}${WH}`;

interface Directory {
  readonly names: readonly string[];
  /** null: no member describes it. */
  entry: TarEntry | null;
  opaque: boolean;
  holdsNested: boolean;
}

const impliedEntry: TarEntry = {
  ...{ path: '', type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0 },
  ...{ mtime: { seconds: 0, nanoseconds: 0 }, target: '', major: 0, minor: 0, xattrs: new Map(), extents: null },
};

class Unpacking {
  readonly #sys: Syscalls;
  readonly #limits: ApplyLimits;
  readonly #places: Places;
  readonly #marks: Marks;
  readonly #maker: Maker;
  /** By path; their metadata is set when everything is in them. */
  readonly #directories = new Map<string, Directory>();
  readonly #whiteouts = new Set<string>();
  readonly #stat = new Stat();
  #entries = 0;
  #bytes = 0;
  #devices = 0;
  #leftOut = 0;
  #kept = 0;

  constructor(sys: Syscalls, root: OwnedFd, limits: ApplyLimits) {
    this.#sys = sys;
    this.#limits = limits;
    this.#places = new Places(sys, root.fd, (names) => void this.#directory(names));
    this.#marks = new Marks(sys);
    const leftOut = counted(() => {
      this.#leftOut += 1;
    });
    const stores = (bytes: number): void => limits.guard?.stores(bytes);
    this.#maker = { sys, owners: limits.owners, leftOut, stores };
  }

  close(): void {
    this.#places.close();
    this.#marks.close();
  }

  #directory(names: readonly string[]): Directory {
    const key = names.join('/');
    const known = this.#directories.get(key);
    if (known !== undefined) return known;
    this.#keep(2 * key.length);
    const made: Directory = { names: [...names], entry: null, opaque: false, holdsNested: false };
    this.#directories.set(key, made);
    return made;
  }

  #keep(bytes: number): void {
    this.#kept += bytes;
    if (this.#kept > this.#limits.kept) throw new TarError('too many names and xattrs of directories');
  }

  /** The entry of a directory counts when everything is in it. */
  #describeLater(names: readonly string[], entry: TarEntry): void {
    for (const [key, value] of entry.xattrs) this.#keep(key.length + value.length);
    this.#directory(names).entry = entry;
  }

  async add(member: Member): Promise<void> {
    const { entry } = member;
    this.#count(entry);
    const names = componentsOf(entry.path);
    const last = names.at(-1);
    if (last === undefined) {
      if (entry.type !== 'directory') refuse(entry.path, 'the root is no directory');
      this.#describeLater([], entry);
    } else if (last === OPAQUE_FILE) this.#opaque(names.slice(0, -1), entry.path);
    else if (names.some((name) => name.startsWith(AUFS))) return;
    else if (names.slice(0, -1).some((name) => name.startsWith(WH))) refuse(entry.path, 'a path through a whiteout');
    else if (last.startsWith(WH)) this.#whiteout(names, entry);
    else await this.#object(names, member);
  }

  #count(entry: TarEntry): void {
    const { entries, bytes, devices } = this.#limits;
    this.#entries += 1;
    this.#bytes += storedSize(entry);
    if (entry.type === 'char' || entry.type === 'block') this.#devices += 1;
    if (this.#entries > entries) throw new TarError(`more than ${entries} members`);
    if (this.#bytes > bytes) throw new TarError(`more than ${bytes} bytes`);
    if (this.#devices > devices) throw new TarError(`more than ${devices} devices`);
  }

  #opaque(names: readonly string[], path: string): void {
    if (names.some((name) => name.startsWith(WH))) refuse(path, 'a path through a whiteout');
    this.#enter(names, path);
    this.#directory(names).opaque = true;
  }

  /** The directory of an object, made if it is missing; what was hidden there is now replaced. */
  #enter(names: readonly string[], path: string): number {
    for (let depth = 1; this.#whiteouts.size > 0 && depth <= names.length; depth += 1) {
      if (this.#whiteouts.has(names.slice(0, depth).join('/')))
        this.#replaceWhiteout(names.slice(0, depth), path, true);
    }
    return this.#places.enter(names, path, true);
  }

  /** An object of this layer takes the place of a whiteout of this layer, which then hides only what is beneath it. */
  #replaceWhiteout(names: readonly string[], path: string, isDirectory: boolean): void {
    const fd = this.#places.enter(names.slice(0, -1), path, true);
    this.#marks.remove({ fd, name: names.at(-1) as string });
    this.#whiteouts.delete(names.join('/'));
    if (isDirectory) this.#directory(names).opaque = true;
  }

  #whiteout(names: readonly string[], { path, type }: TarEntry): void {
    const name = (names.at(-1) as string).slice(WH.length);
    if (name === '' || name === '.' || name === '..') refuse(path, 'a whiteout of no name');
    if (type !== 'file' && type !== 'hardlink') refuse(path, `a whiteout that is a ${type}`);
    const hidden = [...names.slice(0, -1), name];
    const fd = this.#enter(names.slice(0, -1), path);
    if (this.#whiteouts.has(hidden.join('/'))) return;
    const there = this.#sys.statAt(fd, name, this.#stat);
    if (there === -errno.ENOENT) {
      this.#marks.whiteout({ fd, name });
      this.#whiteouts.add(hidden.join('/'));
      this.#keep(path.length);
    } else {
      check(there, `stat ${shown(path)}`);
      // It hides what is beneath, and not what this layer has.
      if (this.#stat.isDirectory) this.#directory(hidden).opaque = true;
    }
  }

  async #object(names: readonly string[], member: Member): Promise<void> {
    const { entry } = member;
    const isDirectory = entry.type === 'directory';
    const key = names.join('/');
    const dir = names.slice(0, -1);
    let fd = this.#enter(dir, entry.path);
    if (this.#whiteouts.has(key)) {
      this.#replaceWhiteout(names, entry.path, isDirectory);
      fd = this.#enter(dir, entry.path);
    }
    const spot = { fd, name: names.at(-1) as string };
    if (isDirectory) {
      this.#makeDirectory(spot, entry);
      this.#describeLater(names, entry);
      return;
    }
    if (entry.type === 'hardlink') {
      this.#link(names, entry);
      return;
    }
    let made = await this.#make(spot, names, member);
    if (made === -errno.EEXIST) {
      this.#clear(spot, entry);
      made = await this.#make(spot, names, member);
    }
    check(made, shown(entry.path));
  }

  #makeDirectory({ fd, name }: Spot, { path }: TarEntry): void {
    const made = this.#sys.mkdirAt(fd, name, 0o700);
    if (made !== -errno.EEXIST) {
      check(made, `mkdir ${shown(path)}`);
      return;
    }
    check(this.#sys.statAt(fd, name, this.#stat), `stat ${shown(path)}`);
    if (!this.#stat.isDirectory) refuse(path, 'it is a directory and something else');
  }

  /** Of two members of one name the later counts. A directory is never replaced: what is in it would go with it. */
  #clear({ fd, name }: Spot, { path }: TarEntry): void {
    const removed = this.#sys.unlinkAt(fd, name, 0);
    if (removed === -errno.EISDIR) refuse(path, 'it is a directory and something else');
    check(removed, `replace ${shown(path)}`);
  }

  /** 0 or -errno; -EEXIST leaves what is there. */
  async #make(spot: Spot, names: readonly string[], member: Member): Promise<number> {
    const { entry } = member;
    if (entry.type === 'file') return makeFile(this.#maker, spot, member);
    let made: number;
    if (entry.type === 'symlink') made = this.#symlink(spot, entry);
    else if (entry.type === 'char' && entry.major === 0 && entry.minor === 0) {
      made = this.#marks.nested(spot);
      this.#directory(names.slice(0, -1)).holdsNested = true;
    } else made = makeNode(this.#maker, spot, entry);
    if (made === -errno.EPERM && entry.type !== 'symlink') {
      this.#maker.leftOut('a device');
      return 0;
    }
    if (made === 0) describe(this.#maker, spot, entry);
    return made;
  }

  #symlink({ fd, name }: Spot, { path, target }: TarEntry): number {
    if (target === '' || target.includes('\0')) refuse(path, 'a symlink to nothing');
    return this.#sys.symlinkAt(target, fd, name);
  }

  #link(names: readonly string[], { path, target }: TarEntry): void {
    const from = componentsOf(target);
    const name = from.pop();
    const to = names.at(-1) as string;
    if (name === undefined || [...from, name].some((part) => part.startsWith(WH))) {
      refuse(path, `a hard link to ${shown(target)}`);
    }
    const key = [...from, name].join('/');
    if (this.#whiteouts.has(key)) refuse(path, `a hard link to ${shown(target)}, which is not there`);
    const source = new OwnedFd(this.#sys, check(this.#sys.dup(this.#places.enter(from, path, false)), 'dup'));
    try {
      const there = this.#sys.statAt(source.fd, name, this.#stat);
      if (there === -errno.ENOENT) refuse(path, `a hard link to ${shown(target)}, which is not there`);
      check(there, `stat ${shown(target)}`);
      if (this.#stat.isDirectory) refuse(path, `a hard link to the directory ${shown(target)}`);
      if (key === names.join('/')) return;
      const fd = this.#places.enter(names.slice(0, -1), path, true);
      let linked = this.#sys.linkAt(source.fd, name, fd, to);
      if (linked === -errno.EEXIST) {
        this.#clear({ fd, name: to }, { ...impliedEntry, path });
        linked = this.#sys.linkAt(source.fd, name, fd, to);
      }
      check(linked, `link ${shown(path)}`);
    } finally {
      source.close();
    }
  }

  /** Describes the directories, the deepest first: a mode may shut others out. */
  finish(): Applied {
    const sorted = [...this.#directories.values()].sort((a, b) => b.names.length - a.names.length);
    for (const { names, entry, opaque, holdsNested } of sorted) {
      const fd = this.#places.enter(names, names.join('/'), false);
      if (opaque) this.#marks.opaque(fd, names.length === 0);
      const isRoot = names.length === 0 && entry === null;
      if (!isRoot) describe(this.#maker, { fd, name: '' }, entry ?? { ...impliedEntry, path: names.join('/') });
      if (holdsNested) this.#marks.holdsNested(fd);
    }
    return { entries: this.#entries, bytes: this.#bytes, leftOut: this.#leftOut };
  }
}

/**
 * Unpacks the layer in `stream`, which is not compressed, into the empty directory `into`. Throws TarError for what is
 * damaged or hostile, ImageError for what there is no room for, ErrnoError for what the host refuses; what is in `into` is then of no use.
 */
export async function applyLayer(
  sys: Syscalls,
  stream: AsyncIterable<Uint8Array>,
  into: string,
  limits: Partial<ApplyLimits> = {},
): Promise<Applied> {
  const root = new OwnedFd(sys, check(sys.openPath(into, O_RDONLY | O_DIRECTORY), shown(into)));
  try {
    if (checkData(sys.scanDir(root.fd), shown(into)).names.length > 0) check(-errno.ENOTEMPTY, shown(into));
    const whole = { ...defaultLimits, ...limits };
    const unpacking = new Unpacking(sys, root, whole);
    try {
      for await (const member of readTar(whole.guard?.unpacked(stream) ?? stream)) await unpacking.add(member);
      return unpacking.finish();
    } finally {
      unpacking.close();
    }
  } finally {
    root.close();
  }
}
