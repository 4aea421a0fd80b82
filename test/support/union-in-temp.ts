// A real union over temporary directories and real syscalls, without a mount: what the kernel and the
// data plane would do is played by small fakes. Taking it down tells what leaked.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { assertionFailures } from '../../lib/assert.js';
import { fail } from '../../lib/errno.js';
import type { Jobs, Syscalls } from '../../lib/sys/calls.js';
import { O_RDONLY, S_IFLNK, S_IFREG } from '../../lib/sys/constants.js';
import { liveFds } from '../../lib/sys/fd.js';
import { Stat, W } from '../../lib/sys/stat.js';
import { jobs, syscalls } from '../../lib/sys/syscalls.js';
import { assembleUnion, dissolveUnion } from '../../lib/union/assemble.js';
import { placeOf } from '../../lib/union/attributes.js';
import { DirNode, FileNode, type Inode } from '../../lib/union/inode.js';
import { lookup } from '../../lib/union/lookup.js';
import { dataPlace } from '../../lib/union/metacopy.js';
import { defaultOptions, type MountOptions } from '../../lib/union/options.js';
import { Pending } from '../../lib/union/pending.js';
import { listNames, numberOf } from '../../lib/union/readdir.js';
import type { Caller, Staleness, Union } from '../../lib/union/union.js';
import { listXattr } from '../../lib/union/xattrs.js';
import { FakePlane } from './fake-plane.js';
import { freshDirectory } from './paths.js';
import { fingerprint, plant } from './plant.js';
import type { TreeSpec } from './tree.js';

export interface Layout {
  /** Top first. */
  readonly lowers: readonly TreeSpec[];
  /** Data-only layers below them. */
  readonly dataLowers?: readonly TreeSpec[];
  /** null: a mount without an upper. */
  readonly upper?: TreeSpec | null;
  readonly options?: Partial<MountOptions>;
  readonly sys?: Syscalls;
  readonly jobs?: Jobs;
}

export const root: Caller = { uid: 0, gid: 0, umask: 0 };
export const user: Caller = { uid: 1000, gid: 1000, umask: 0o022 };

/** Descriptors of this process that lead to files. */
function openFiles(): number {
  let count = 0;
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (target.startsWith('/') && !target.startsWith('/dev/') && !target.startsWith('/proc/')) count += 1;
    } catch {
      // The listing's own descriptor is gone by now.
    }
  }
  return count;
}

export interface ViewOptions {
  /** Modification times of directories, which a copy may touch. */
  readonly dirTimes?: boolean;
  readonly nlink?: boolean;
}

export class TempUnion {
  readonly base = freshDirectory('unit');
  readonly upper: string | null;
  readonly work: string;
  readonly lowers: string[];
  readonly stat = new Stat();
  plane = new FakePlane();
  stale: Inode[] = [];
  sys: Syscalls;
  jobs: Jobs;
  options: MountOptions;
  readonly #prints: string[];
  readonly #filesBefore: number;
  readonly #assertionsBefore = assertionFailures();
  #u: Union | null = null;

  private constructor(layout: Layout) {
    this.lowers = layout.lowers.map((spec, index) => this.#make(`lower${index}`, spec));
    const { upper = {}, dataLowers = [] } = layout;
    const data = dataLowers.map((spec, index) => this.#make(`data${index}`, spec));
    this.upper = upper === null ? null : this.#make('upper', upper);
    this.work = this.#make('workdir', {});
    this.sys = layout.sys ?? syscalls;
    // Closed at once, so that descriptors can be counted when a test ends.
    this.jobs = layout.jobs ?? { ...jobs, close: async (fd) => syscalls.close(fd) };
    const workdir = upper === null ? null : this.work;
    const places = { lowers: this.lowers, dataLowers: data, upper: this.upper, workdir };
    this.options = { ...defaultOptions(), ...places, passthrough: 'off', ...layout.options };
    this.#prints = this.lowers.map(fingerprint);
    this.#filesBefore = openFiles();
  }

  static async make(layout: Layout): Promise<TempUnion> {
    const made = new TempUnion(layout);
    try {
      await made.assemble();
    } catch (error) {
      rmSync(made.base, { recursive: true, force: true });
      throw error;
    }
    return made;
  }

  #make(name: string, spec: TreeSpec): string {
    const path = join(this.base, name);
    mkdirSync(path);
    plant(path, spec);
    return path;
  }

  get u(): Union {
    if (this.#u === null) throw new Error('no union is assembled');
    return this.#u;
  }

  async assemble(): Promise<void> {
    this.plane = new FakePlane();
    this.stale = [];
    const staleness: Staleness = { attributes: (node) => void this.stale.push(node) };
    this.#u = await assembleUnion(this.sys, this.jobs, this.options, this.plane, staleness);
    this.#u.root.nlookup = 1;
  }

  /** Takes the union apart; the directories stay. */
  dissolve(): void {
    if (this.#u !== null) dissolveUnion(this.#u);
    this.#u = null;
  }

  async remount(options: Partial<MountOptions> = {}): Promise<void> {
    this.dissolve();
    this.options = { ...this.options, ...options };
    await this.assemble();
  }

  /** The node at `path`, known to the kernel from now on. */
  node(path: string): Inode {
    let at: Inode = this.u.root;
    for (const name of path.split('/').filter(Boolean)) {
      const next: Inode | null = at instanceof DirNode ? lookup(this.u, at, name, this.stat) : null;
      if (next === null) throw fail('ENOENT', path);
      if (next.nlookup === 0) this.u.nodes.remember(next);
      at = next;
    }
    return at;
  }

  dir(path: string): DirNode {
    const node = this.node(path);
    if (node instanceof DirNode) return node;
    throw fail('ENOTDIR', path);
  }

  file(path: string): FileNode {
    const node = this.node(path);
    if (node instanceof FileNode) return node;
    throw fail('EISDIR', path);
  }

  has(path: string): boolean {
    const parts = path.split('/');
    const name = parts.pop() as string;
    return lookup(this.u, this.dir(parts.join('/')), name, this.stat) !== null;
  }

  /** Runs an operation, again as often as it has to wait. */
  async run<T>(operation: () => T): Promise<T> {
    for (;;) {
      try {
        return operation();
      } catch (error) {
        if (!(error instanceof Pending)) throw error;
        await error.work;
      }
    }
  }

  names(path = ''): string[] {
    const found: string[] = [];
    listNames(this.u, this.dir(path), 0, (name) => found.push(name) > 0);
    return found.sort();
  }

  /** The bytes of the regular file `node`. */
  content(node: Inode): string {
    const place = node instanceof FileNode ? dataPlace(this.u, node) : placeOf(this.u, node);
    const { sys } = this.u;
    const fd = place.name === '' ? sys.reopen(place.fd, O_RDONLY) : sys.openAt(place.fd, place.name, O_RDONLY, 0);
    if (fd < 0) throw new Error(`content of ${node.name}: ${fd}`);
    sys.statAt(fd, '', this.stat);
    const into = Buffer.alloc(this.stat.size);
    sys.pread(fd, into, 0);
    sys.close(fd);
    return into.toString('latin1');
  }

  read(path: string): string {
    return this.content(this.node(path));
  }

  /** What users see: a line for each path. Leaves the union as it was. */
  view(how: ViewOptions = {}): Record<string, string> {
    const lines: Record<string, string> = {};
    const seen: Inode[] = [];
    this.#viewDir(this.u.root, '', how, lines, seen);
    for (const node of seen.reverse()) this.u.nodes.forget(node.id, 1);
    return lines;
  }

  #viewDir(dir: DirNode, prefix: string, how: ViewOptions, lines: Record<string, string>, seen: Inode[]): void {
    const { u } = this;
    const found: { name: string; low: number; high: number }[] = [];
    listNames(u, dir, 0, (name, entry) => {
      numberOf(u, dir, name, entry);
      return found.push({ name, low: u.numbers.low, high: u.numbers.high }) > 0;
    });
    for (const { name, low, high } of found) {
      const stat = new Stat();
      const node = lookup(u, dir, name, stat);
      const path = prefix + name;
      if (node === null) throw new Error(`${path} is listed but not found`);
      u.nodes.remember(node);
      seen.push(node);
      const numbered = stat.inoLow === low && stat.inoHigh === high;
      lines[path] = this.#line(node, stat, how) + (numbered ? '' : ' with another d_ino');
      if (node instanceof DirNode) this.#viewDir(node, `${path}/`, how, lines, seen);
    }
  }

  #line(node: Inode, stat: Stat, how: ViewOptions): string {
    const parts = [stat.mode.toString(8), `${stat.uid}:${stat.gid}`];
    const format = stat.mode & 0o170000;
    if (format === S_IFREG) {
      const content = this.content(node);
      parts.push(
        content.length < 40 ? JSON.stringify(content) : createHash('md5').update(content, 'latin1').digest('hex'),
      );
    } else if (format === S_IFLNK) {
      const place = placeOf(this.u, node);
      parts.push(`-> ${this.u.sys.readlinkAt(place.fd, place.name)}`);
    } else if (!stat.isDirectory) parts.push(`rdev ${stat.rdev}`);
    if (!stat.isDirectory && how.nlink) parts.push(`nlink ${stat.nlink}`);
    if (!stat.isDirectory || how.dirTimes) parts.push(`mtime ${stat.words[W.mtime]}.${stat.words[W.mtimeNsec]}`);
    parts.push(...Buffer.from(listXattr(this.u, node)).toString('latin1').split('\0').filter(Boolean).sort());
    return parts.join(' ');
  }

  /** What a read-only mount of the same layers shows: the truth on disk, without this union's memory. */
  async diskView(how: ViewOptions = {}): Promise<Record<string, string>> {
    const mine = this.#u;
    const options = { ...this.options, workdir: null, readOnly: true };
    const other = await assembleUnion(syscalls, jobs, options, new FakePlane(), { attributes: () => undefined });
    this.#u = other;
    try {
      return this.view(how);
    } finally {
      dissolveUnion(other);
      this.#u = mine;
    }
  }

  /** Names in WORK/work that are not the shared whiteout. */
  leftovers(): string[] {
    const stat = new Stat();
    const path = join(this.work, 'work');
    const fd = syscalls.openPath(path, O_RDONLY);
    const names = readdirSync(path).filter((name) => {
      syscalls.statAt(fd, name, stat);
      return !(stat.mode >>> 12 === 2 && stat.rdev === 0);
    });
    syscalls.close(fd);
    return names;
  }

  /** Ends everything; what was left behind, one line each. */
  close(): string[] {
    const complaints: string[] = [];
    if (this.#u?.workdir) complaints.push(...this.leftovers().map((name) => `left in work: ${name}`));
    this.dissolve();
    if (liveFds() !== 0) complaints.push(`${liveFds()} OwnedFds live`);
    if (this.plane.fds.size > 0) complaints.push(`${this.plane.fds.size} fds in the data plane`);
    if (this.plane.backings.size > 0) complaints.push(`${this.plane.backings.size} backing ids`);
    const files = openFiles() - this.#filesBefore;
    if (files !== 0) complaints.push(`${files} descriptors more than before`);
    if (assertionFailures() !== this.#assertionsBefore) complaints.push('an assertion failed');
    this.lowers.forEach((path, index) => {
      if (fingerprint(path) !== this.#prints[index]) complaints.push(`${path} has changed`);
    });
    rmSync(this.base, { recursive: true, force: true });
    return complaints;
  }
}

/** A test with a union of its own, which must end without a leak. */
export function unionTest(
  t: Test,
  name: string,
  layout: Layout,
  body: (t: Test, w: TempUnion) => Promise<void> | void,
): void {
  void t.test(name, async (t) => {
    const w = await TempUnion.make(layout);
    try {
      await body(t, w);
    } finally {
      t.same(w.close(), [], 'nothing is left behind');
    }
  });
}

/** The errno that `operation` throws; 0 when it does not. */
export function codeOf(operation: () => unknown): number {
  try {
    operation();
    return 0;
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return error.code;
    throw error;
  }
}
