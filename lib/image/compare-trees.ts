// Whether two trees are the same to whoever mounts them: names, types, owners, modes, times, attributes, contents and which
// names are one file. Reads both, changes nothing, follows no symlink.

import { Buffer } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import { check, checkData } from '../sys/check.js';
import { O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import { syscalls } from '../sys/syscalls.js';
import { walkTree } from './disk.js';
import { travels } from './xattrs.js';

const CHUNK = 1 << 20;

interface Known {
  readonly stat: BigIntStats;
  /** The first name of the same file. */
  readonly first: string;
}

function namesOf(root: string): Map<string, Known> {
  const firsts = new Map<bigint, string>();
  const names = new Map<string, Known>();
  for (const { path, stat } of walkTree(root)) names.set(path, { stat, first: path });
  // In one order for both trees, whatever the host lists first.
  for (const path of [...names.keys()].sort()) {
    const { stat } = names.get(path) as Known;
    const shared = stat.nlink > 1n && !stat.isDirectory();
    const first = shared ? (firsts.get(stat.ino) ?? path) : path;
    firsts.set(stat.ino, first);
    names.set(path, { stat, first });
  }
  return names;
}

class Tree {
  readonly names: Map<string, Known>;
  readonly #root: OwnedFd;

  constructor(path: string) {
    this.names = namesOf(path);
    this.#root = new OwnedFd(syscalls, check(syscalls.openPath(path, O_RDONLY | O_DIRECTORY), path));
  }

  xattrs(path: string): string {
    const names = syscalls.listXattr(this.#root.fd, path);
    if (typeof names === 'number' || names.length === 0) return '';
    const value = (name: string): string => {
      const found = checkData(syscalls.getXattr(this.#root.fd, path, name), `${shown(path)}: ${name}`);
      return Buffer.from(found).toString('base64');
    };
    const pairs = names.filter(travels).sort();
    return pairs.map((name) => `${name}=${value(name)}`).join(' ');
  }

  target(path: string): string {
    return checkData(syscalls.readlinkAt(this.#root.fd, path), shown(path));
  }

  open(path: string): OwnedFd {
    return new OwnedFd(syscalls, check(syscalls.openAt(this.#root.fd, path, O_RDONLY, 0), shown(path)));
  }

  close(): void {
    this.#root.close();
  }
}

function sameContents(a: Tree, b: Tree, path: string): boolean {
  const files = [a.open(path), b.open(path)] as const;
  const buffers = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)] as const;
  try {
    for (let at = 0; ; ) {
      const [mine, theirs] = files.map((file, which) =>
        check(syscalls.pread(file.fd, buffers[which as 0 | 1], at), shown(path)),
      ) as [number, number];
      if (mine !== theirs || buffers[0].compare(buffers[1], 0, theirs, 0, mine) !== 0) return false;
      if (mine === 0) return true;
      at += mine;
    }
  } finally {
    for (const file of files) file.close();
  }
}

/** What of `path` is not the same, in a word; null when all is. */
function difference(a: Tree, b: Tree, path: string, isImplied: boolean): string | null {
  const [mine, theirs] = [a.names.get(path), b.names.get(path)];
  if (mine === undefined) return 'is not in the archive';
  if (theirs === undefined) return 'is missing';
  const [one, other] = [mine.stat, theirs.stat];
  if (one.mode !== other.mode) return 'has another type or mode';
  if (one.uid !== other.uid || one.gid !== other.gid) return 'has another owner';
  if (one.rdev !== other.rdev) return 'is another device';
  if (mine.first !== theirs.first) return 'is another hard link';
  if (!one.isDirectory() && one.size !== other.size) return 'has another size';
  // The time of a whiteout, and of a directory that no member describes, is when it was unpacked.
  const isTimed = !isImplied && !(one.isCharacterDevice() && one.rdev === 0n);
  if (one.mtimeNs !== other.mtimeNs && isTimed) return 'has another modification time';
  if (a.xattrs(path) !== b.xattrs(path)) return 'has other attributes';
  if (one.isSymbolicLink()) return a.target(path) === b.target(path) ? null : 'leads elsewhere';
  if (one.isFile() && mine.first === path && !sameContents(a, b, path)) return 'has other contents';
  return null;
}

/** One line for each name at which `tree` is not what `wanted` is; at most `most`. */
export function differences(wanted: string, tree: string, most = 20): string[] {
  const found: string[] = [];
  const a = new Tree(wanted);
  const b = new Tree(tree);
  try {
    for (const path of new Set([...a.names.keys(), ...b.names.keys()])) {
      if (found.length === most) break;
      const what = difference(a, b, path, path === '');
      if (what !== null) found.push(`${path === '' ? '/' : shown(path)} ${what}`);
    }
  } finally {
    a.close();
    b.close();
  }
  return found;
}
