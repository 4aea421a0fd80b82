// libfuse's path calls as the union's operations: one row per call that the package knows. A row
// throws what it cannot do, and returns its result alone or with what it carries.

import { Buffer } from 'node:buffer';
import { errno, fail } from '../errno.js';
import { check, checkData } from '../sys/check.js';
import { DT_DIR, O_DIRECTORY, O_RDONLY, O_RDWR, S_IFMT, S_IFREG } from '../sys/constants.js';
import { shown } from '../sys/name.js';
import { getAttributes, placeOf } from '../union/attributes.js';
import { createFile, link, mkdir, mknod, refuseBadName, symlink } from '../union/create.js';
import { handleOf, release } from '../union/handles.js';
import { DirNode, type Inode } from '../union/inode.js';
import { visibleEntry } from '../union/lookup.js';
import { admit, openFile } from '../union/open.js';
import { listNames, numberOf } from '../union/readdir.js';
import { rmdir, unlink } from '../union/remove.js';
import { rename } from '../union/rename.js';
import { type AttributeChanges, setAttributes } from '../union/set-attributes.js';
import type { Caller, Union } from '../union/union.js';
import { getXattr, listXattr, removeXattr, setXattr } from '../union/xattrs.js';
import {
  bytesFrom,
  direntWords,
  hiddenName,
  joined,
  mtimeOf,
  splitLast,
  splitPath,
  statfsWords,
  statWords,
  timeOf,
} from './fuse-native-convert.js';
import type { ScriptPlane } from './fuse-native-plane.js';
import type { Walk } from './fuse-native-tree.js';

/** What an operation is handed beside its arguments. */
export interface Call {
  readonly u: Union;
  readonly plane: ScriptPlane;
  readonly walk: Walk;
  /** The record of the libfuse thread that waits. */
  readonly thread: Uint8Array | null;
}

/** A result, or 0 and what the answer carries, or a result that comes later. */
export type Outcome = number | readonly unknown[] | Promise<number>;

/**
 * The package does not say who calls: what is made belongs to the server's user. Never with that
 * user's setuid or setgid bit, which the caller may not be entitled to. The kernel has applied the umask.
 */
const MADE_MODE = 0o1777;

function serverOf(u: Union): Caller {
  return { uid: u.features.uid, gid: u.features.gid, umask: 0 };
}

function parentOf(c: Call, path: string): { dir: DirNode; name: string } {
  const { parent, name } = splitLast(path);
  return { dir: c.walk.directory(parent), name };
}

function presented(c: Call, path: string): Outcome {
  // libfuse takes one off for the name that it believes is still there.
  const links = hiddenName(path) === null ? 0 : 1;
  return [statWords(c.walk.tree.stat, links)];
}

function getattr(c: Call, path: string): Outcome {
  c.walk.attributes(path);
  return presented(c, path);
}

function fgetattr(c: Call, path: string, fh: number): Outcome {
  getAttributes(c.u, handleOf(c.u, fh).node, c.walk.tree.stat);
  return presented(c, path);
}

function change(c: Call, node: Inode, changes: AttributeChanges): number {
  setAttributes(c.u, node, changes, c.walk.tree.stat);
  return 0;
}

function ftruncate(c: Call, _path: string, fh: number, low: number, high: number): Outcome {
  const { node, fd, writable } = handleOf(c.u, fh);
  return change(c, node, { size: joined(low, high), ...(writable && { fd }) });
}

function utimens(c: Call, path: string, low: number, high: number): Outcome {
  const atime = joined(low, high);
  const mtime = mtimeOf(c.thread, atime) ?? atime;
  return change(c, c.walk.node(path), { atime: timeOf(atime), mtime: timeOf(mtime) });
}

function statfs(c: Call): Outcome {
  const top = c.u.layers[0];
  const numbers = checkData(top === undefined ? -errno.EIO : c.u.sys.statFs(top.fd), 'statfs');
  return [statfsWords(numbers, c.u.workdir !== null && !c.u.features.deviceWhiteout ? 251 : 255)];
}

function readdir(c: Call, path: string): Outcome {
  const { u } = c;
  const dir = c.walk.node(path);
  if (!(dir instanceof DirNode)) throw fail('ENOTDIR', 'readdir');
  c.walk.tree.warm(dir);
  const parent = dir.parent ?? dir;
  const names = ['.', '..'];
  const stats = [dir, parent].map((each) => direntWords(each.inoLow, each.inoHigh, DT_DIR));
  listNames(u, dir, 0, (name, entry) => {
    numberOf(u, dir, name, entry);
    names.push(shown(name));
    stats.push(direntWords(u.numbers.low, u.numbers.high, entry.kind));
    return true;
  });
  return [names, stats];
}

function readlink(c: Call, path: string): Outcome {
  const place = placeOf(c.u, c.walk.file(path));
  const target = checkData(c.u.sys.readlinkAt(place.fd, place.name), 'readlink');
  const text = shown(target);
  if (Buffer.from(text, 'utf8').toString('latin1') !== target) throw fail('EIO', 'a target that is not UTF-8');
  return [text];
}

function open(c: Call, path: string, flags: number): Outcome {
  const node = c.walk.file(path);
  if (node.format !== S_IFREG) throw fail('ENXIO', 'open of a special file');
  const { handle } = openFile(c.u, node, flags);
  c.walk.tree.opened(handle.fh, node);
  return [handle.fh];
}

/** How the new file is opened is not said: for reading and writing. */
function create(c: Call, path: string, mode: number): Outcome {
  const { dir, name } = parentOf(c, path);
  refuseBadName(c.u, name);
  const made = createFile(c.u, dir, name, mode & MADE_MODE, O_RDWR, serverOf(c.u), c.walk.tree.stat);
  c.walk.keep(made.node);
  const { handle } = admit(c.u, made.node, made.fd, O_RDWR);
  c.walk.tree.opened(handle.fh, made.node);
  return [handle.fh];
}

function read(
  c: Call,
  _path: string,
  fh: number,
  into: Uint8Array,
  length: number,
  low: number,
  high: number,
): Outcome {
  return check(c.u.sys.pread(c.plane.fd(fh), into.subarray(0, length), joined(low, high)), 'read');
}

function write(
  c: Call,
  _path: string,
  fh: number,
  from: Uint8Array,
  length: number,
  low: number,
  high: number,
): Outcome {
  return check(c.u.sys.pwrite(c.plane.fd(fh), from.subarray(0, length), joined(low, high)), 'write');
}

function onRelease(c: Call, _path: string, fh: number): Outcome {
  release(c.u, fh);
  c.walk.tree.closed(fh);
  return 0;
}

function fsync(c: Call, _path: string, dataOnly: number, fh: number): Outcome {
  const handle = handleOf(c.u, fh);
  if (c.u.options.volatile || !handle.node.inUpper) return 0;
  return c.u.jobs.fsync(handle.fd, dataOnly !== 0);
}

function fsyncdir(c: Call, path: string, dataOnly: number): Outcome {
  const { upper } = c.walk.directory(splitPath(path));
  if (upper === null || c.u.options.volatile) return 0;
  const fd = check(c.u.sys.openAt(c.u.dirFds.fd(upper), '.', O_RDONLY | O_DIRECTORY, 0), 'fsyncdir');
  return c.u.jobs.fsync(fd, dataOnly !== 0).finally(() => c.u.sys.close(fd));
}

function onMkdir(c: Call, path: string, mode: number): Outcome {
  const { dir, name } = parentOf(c, path);
  c.walk.keep(mkdir(c.u, dir, name, mode & MADE_MODE, serverOf(c.u), c.walk.tree.stat));
  return 0;
}

function onMknod(c: Call, path: string, mode: number, rdev: number): Outcome {
  const { dir, name } = parentOf(c, path);
  const wanted = mode & (S_IFMT | MADE_MODE);
  c.walk.keep(mknod(c.u, dir, name, wanted, rdev, serverOf(c.u), c.walk.tree.stat));
  return 0;
}

function onSymlink(c: Call, target: string, path: string): Outcome {
  const { dir, name } = parentOf(c, path);
  c.walk.keep(symlink(c.u, dir, name, bytesFrom(target), serverOf(c.u), c.walk.tree.stat));
  return 0;
}

function onLink(c: Call, from: string, to: string): Outcome {
  const node = c.walk.file(from);
  const { dir, name } = parentOf(c, to);
  c.walk.keep(link(c.u, node, dir, name, c.walk.tree.stat));
  c.walk.tree.moved();
  return 0;
}

function onUnlink(c: Call, path: string): Outcome {
  const hidden = hiddenName(path);
  if (hidden !== null && c.walk.tree.reveal(hidden)) return 0;
  const { dir, name } = parentOf(c, path);
  // A file that is known keeps count of its other names.
  c.walk.step(dir, name);
  unlink(c.u, dir, name);
  return 0;
}

function onRmdir(c: Call, path: string): Outcome {
  const { dir, name } = parentOf(c, path);
  const node = visibleEntry(c.u, dir, name) === null ? null : c.walk.step(dir, name);
  rmdir(c.u, dir, name);
  c.walk.tree.cool(node);
  return 0;
}

/** libfuse removes a name of an open file by this rename; the union can remove it for good. */
function hide(c: Call, path: string, hidden: string): Outcome {
  const node = c.walk.file(path);
  const { dir, name } = parentOf(c, path);
  unlink(c.u, dir, name);
  c.walk.tree.hide(hidden, node);
  return 0;
}

function onRename(c: Call, from: string, to: string): Outcome {
  const hidden = hiddenName(to);
  if (hidden !== null) return hide(c, from, hidden);
  const old = parentOf(c, from);
  const next = parentOf(c, to);
  const node = c.walk.step(old.dir, old.name);
  const replaced = visibleEntry(c.u, next.dir, next.name) === null ? null : c.walk.step(next.dir, next.name);
  // The kernel does not know that two names are one file, so it asks.
  if (replaced === node) return 0;
  rename(c.u, old.dir, old.name, next.dir, next.name, 0);
  c.walk.tree.cool(replaced);
  c.walk.tree.moved();
  return 0;
}

/** Size 0 asks how large; a value that is larger than the caller's buffer is ERANGE. */
function sized(value: Uint8Array, into: Uint8Array): number {
  if (into.length === 0) return value.length;
  if (value.length > into.length) throw fail('ERANGE', 'xattr');
  into.set(value);
  return value.length;
}

function onSetxattr(c: Call, path: string, name: string, value: Uint8Array, _at: number, flags: number): Outcome {
  setXattr(c.u, c.walk.node(path), bytesFrom(name), value, flags, false);
  return 0;
}

function onRemovexattr(c: Call, path: string, name: string): Outcome {
  removeXattr(c.u, c.walk.node(path), bytesFrom(name));
  return 0;
}

/** The calls, their arguments as the package's C code gives them. */
export const rows = {
  getattr,
  fgetattr,
  statfs,
  readdir,
  readlink,
  chmod: (c: Call, path: string, mode: number) => change(c, c.walk.node(path), { mode: mode & ~S_IFMT }),
  chown: (c: Call, path: string, uid: number, gid: number) => change(c, c.walk.node(path), { uid, gid }),
  truncate: (c: Call, path: string, low: number, high: number) =>
    change(c, c.walk.file(path), { size: joined(low, high) }),
  ftruncate,
  utimens,
  open,
  create,
  read,
  write,
  release: onRelease,
  fsync,
  fsyncdir,
  mkdir: onMkdir,
  mknod: onMknod,
  symlink: onSymlink,
  link: onLink,
  unlink: onUnlink,
  rmdir: onRmdir,
  rename: onRename,
  setxattr: onSetxattr,
  getxattr: (c: Call, path: string, name: string, into: Uint8Array) =>
    sized(getXattr(c.u, c.walk.node(path), bytesFrom(name)), into),
  listxattr: (c: Call, path: string, into: Uint8Array) => sized(listXattr(c.u, c.walk.node(path)), into),
  removexattr: onRemovexattr,
} as const;

export type RowName = keyof typeof rows;
