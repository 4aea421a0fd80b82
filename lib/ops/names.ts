// LOOKUP and the operations that make, take and move names.

import { ErrnoError, fail } from '../errno.js';
import { check } from '../sys/check.js';
import { RENAME_WHITEOUT } from '../sys/constants.js';
import { NAME_MAX } from '../sys/name.js';
import { placeOf } from '../union/attributes.js';
import { createFile, createUnnamed, link, mkdir, mknod, refuseBadName, symlink } from '../union/create.js';
import { type Backing, DirNode, FileNode } from '../union/inode.js';
import { lookup } from '../union/lookup.js';
import { mirrorNew } from '../union/mirrors.js';
import { admit, type Opened } from '../union/open.js';
import { rmdir, unlink } from '../union/remove.js';
import { rename } from '../union/rename.js';
import { renameLeavingWhiteout } from '../union/rename-whiteout.js';
import { type Opcode, OpenFlag } from '../wire/abi.js';
import type { RequestOf } from '../wire/requests.js';
import { type Context, callerOf } from './context.js';

type Of<K extends keyof typeof Opcode> = RequestOf<(typeof Opcode)[K]>;

export function onLookup(c: Context, r: Of<'LOOKUP'>): void {
  const { name } = r.body;
  if (name.length > NAME_MAX) throw fail('ENAMETOOLONG', 'lookup');
  const dir = c.directory(r.nodeid);
  const node = lookup(c.u, dir, name, c.stat);
  if (node === null) {
    c.u.negatives.miss(dir, name);
    c.reply.negativeEntry(c.validity);
  } else {
    if (node instanceof FileNode) c.u.plane.askedIn(dir.id);
    c.u.rowNodes.learn(c.u, dir, 1, c.validity);
    c.entry(node);
  }
}

export function onMkdir(c: Context, r: Of<'MKDIR'>): void {
  const { name, mode, umask } = r.body;
  const made = mkdir(c.u, c.directory(r.nodeid), name, mode, callerOf(r, umask), c.stat);
  c.entry(made);
  c.u.negatives.learn(made);
}

export function onMknod(c: Context, r: Of<'MKNOD'>): void {
  const { name, mode, rdev, umask } = r.body;
  c.entry(mknod(c.u, c.directory(r.nodeid), name, mode, rdev, callerOf(r, umask), c.stat));
}

export function onSymlink(c: Context, r: Of<'SYMLINK'>): void {
  c.entry(symlink(c.u, c.directory(r.nodeid), r.body.name, r.body.target, callerOf(r, 0), c.stat));
}

export function onReadlink(c: Context, r: Of<'READLINK'>): void {
  const place = placeOf(c.u, c.file(r.nodeid));
  const target = c.u.sys.readlinkAt(place.fd, place.name);
  if (typeof target === 'number') throw new ErrnoError(-target, 'readlink');
  c.reply.text(target);
}

export function onLink(c: Context, r: Of<'LINK'>): void {
  c.entry(link(c.u, c.file(r.body.oldNodeid), c.directory(r.nodeid), r.body.name, c.stat));
}

export function onUnlink(c: Context, r: Of<'UNLINK'>): void {
  const dir = c.directory(r.nodeid);
  unlink(c.u, dir, r.body.name);
  // Further ones may go without us.
  c.u.rowNodes.learn(c.u, dir, 1, c.validity);
}

export function onRmdir(c: Context, r: Of<'RMDIR'>): void {
  rmdir(c.u, c.directory(r.nodeid), r.body.name);
}

export function onRename(c: Context, r: Of<'RENAME'> | Of<'RENAME2'>): void {
  const { name, newName, newDir, flags } = r.body;
  const from = { dir: c.directory(r.nodeid), name };
  const to = { dir: c.directory(newDir), name: newName };
  if ((flags & RENAME_WHITEOUT) === 0) rename(c.u, from.dir, name, to.dir, newName, flags);
  else renameLeavingWhiteout(c.u, from, to, flags & ~RENAME_WHITEOUT, callerOf(r, 0), c.stat);
}

/** How the kernel is to treat an open. */
export function openFlags(backing: Backing | null, keepCache: boolean): number {
  if (backing !== null) return OpenFlag.NOFLUSH | OpenFlag.PASSTHROUGH;
  return keepCache ? OpenFlag.NOFLUSH | OpenFlag.KEEP_CACHE : OpenFlag.NOFLUSH;
}

/** The open part of a reply, after the entry where there is one. */
export function putOpened(c: Context, { handle, backing, keepCache }: Opened): void {
  c.grantHandle(handle.fh);
  c.reply.open(handle.fh, openFlags(backing, keepCache), backing?.id ?? 0);
}

export function onCreate(c: Context, r: Of<'CREATE'>): void {
  const { name, mode, flags, umask } = r.body;
  const dir = c.directory(r.nodeid);
  refuseBadName(c.u, name);
  const { node, fd } = createFile(c.u, dir, name, mode, flags, callerOf(r, umask), c.stat);
  const opened = admit(c.u, node, fd, flags, r, c.stat);
  c.createdEntry(node);
  putOpened(c, opened);
  mirrorNew(c.u, opened.handle, c.stat, c.attrValidity(node));
}

export function onTmpfile(c: Context, r: Of<'TMPFILE'>): void {
  const { mode, flags, umask } = r.body;
  const dir = c.node(r.nodeid);
  if (!(dir instanceof DirNode)) throw fail('ENOTDIR', 'O_TMPFILE');
  const { node, fd } = createUnnamed(c.u, dir, mode, flags, callerOf(r, umask), c.stat);
  const opened = admit(c.u, node, fd, flags, r, c.stat);
  c.createdEntry(node);
  putOpened(c, opened);
}

export function onStatfs(c: Context): void {
  const top = c.u.layers[0];
  const numbers = top === undefined ? -5 : c.u.sys.statFs(top.fd);
  if (typeof numbers === 'number') throw new ErrnoError(-check(numbers, 'statfs'), 'statfs');
  c.reply.statfs({ ...numbers, namelen: c.u.workdir !== null && !c.u.features.deviceWhiteout ? 251 : 255 });
}
