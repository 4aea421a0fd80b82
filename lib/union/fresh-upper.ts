// A mount goes on with a fresh upper, and the one it had becomes its first lower, where everything stays as it is. The
// fresh one is prepared in the workdir and published by one rename to a name beside the sealed one: `upper`, `upper-1`,
// `upper-2` … A crash leaves the upper as it was or the fresh one over it, which show the same.

import { basename, dirname } from 'node:path/posix';
import { ErrnoError, errno, fail } from '../errno.js';
import { log } from '../log.js';
import { check } from '../sys/check.js';
import { LOCK_EX, LOCK_NB, O_DIRECTORY, O_RDONLY } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { Stat } from '../sys/stat.js';
import { placeOf } from './attributes.js';
import { asServer } from './caller.js';
import { copyMetadata, keepTimes, setTimes, writePrivate } from './copy-metadata.js';
import { coverDirectory, settleEntry, writableWork } from './copy-up.js';
import { LayerDir } from './dir-fds.js';
import { namesOf } from './hard-links.js';
import { DirNode, FileNode } from './inode.js';
import { showCtime } from './kept-ctime.js';
import { type Layer, scratchLayer, seal } from './layers.js';
import { originOf } from './origin.js';
import { protectionOf, storeProtection } from './protection.js';
import { keepReachable } from './remove.js';
import { dropFrozen, frozenCopies, type Moving, planSealing, type SealingPlan } from './sealing.js';
import type { Union } from './union.js';
import type { Workdir } from './workdir.js';

/** The name of the upper that comes after the one called `name`. */
export function nameAfter(name: string): string {
  const [, stem = '', number = '0'] = /^(.*?)(?:-(\d{1,9}))?$/s.exec(name) ?? [];
  return `${stem}-${Number(number) + 1}`;
}

/** What the upper is called in the directory that it lies in. */
export function upperName(u: Union): string {
  return basename(u.layers[0]?.path ?? '');
}

/** Directories of the fresh upper by whose copies they are, and what those were before: parents first. */
type Prepared = Map<DirNode, { readonly fd: OwnedFd; readonly before: Stat }>;

/** Seals the upper, which `expected` names: whoever asks twice seals once. */
export function sealUpper(u: Union, expected: string): void {
  const name = upperName(u);
  if (name !== expected) throw fail('ESTALE', `the upper is ${name}`);
  const work = writableWork(u);
  const plan = planSealing(u);
  frozenCopies(u, plan.moving);
  const before = statsOf(u, plan);
  const temporary = work.temporary();
  const prepared: Prepared = new Map();
  try {
    keepIndexed(u);
    prepare(u, work, plan, temporary, prepared);
    const { fd } = prepared.get(u.root) as { fd: OwnedFd };
    check(u.sys.flock(fd.fd, LOCK_EX | LOCK_NB), 'lock the fresh upper');
    check(u.sys.renameAt(work.fd, temporary, u.home?.fd ?? -1, nameAfter(name), 0), 'publish the fresh upper');
  } catch (error) {
    for (const { fd } of prepared.values()) fd.close();
    work.discard(temporary);
    dropFrozen(u);
    throw error;
  }
  // Further whiteouts are no links of those that are sealed.
  work.retireWhiteout();
  const sealed = adopt(u, plan, prepared);
  unindex(u, plan, sealed);
  for (const moving of plan.moving) leaveCopy(u, work, moving, sealed);
  for (const [node, stat] of before) keepTimes(u, node, stat);
}

/** What users see of the times of all that is about to be linked or copied. */
function statsOf(u: Union, { moving, directories }: SealingPlan): Map<FileNode | DirNode, Stat> {
  const stats = new Map<FileNode | DirNode, Stat>();
  const indexed = [...u.nodes.all()].filter(
    (node): node is FileNode => node instanceof FileNode && node.dir === u.index,
  );
  for (const node of [u.root, ...directories, ...moving.map((one) => one.node), ...indexed]) {
    const place = placeOf(u, node);
    const stat = new Stat();
    check(u.sys.statAt(place.fd, place.name, stat), 'stat what comes along');
    showCtime(node, stat);
    stats.set(node, stat);
  }
  return stats;
}

/** Files that only the index leads to are kept by a descriptor: their entry goes. */
function keepIndexed(u: Union): void {
  for (const node of u.nodes.all()) {
    if (node instanceof FileNode && node.dir === u.index && node.parent === null) keepReachable(u, node);
  }
}

/** Modes and times come last: neither may stand in the way of what is put inside. */
function prepare(u: Union, work: Workdir, plan: SealingPlan, temporary: string, prepared: Prepared): void {
  const fdOf = (dir: DirNode): number => prepared.get(dir)?.fd.fd ?? -1;
  for (const dir of [u.root, ...plan.directories]) {
    const [at, name] = dir.parent === null ? [work.fd, temporary] : [fdOf(dir.parent), dir.name];
    prepared.set(dir, makeDirectory(u, dir, at, name));
  }
  for (const { node, names } of plan.moving) {
    const from = placeOf(u, node);
    for (const { parent, name } of names)
      check(u.sys.linkAt(from.fd, from.name, fdOf(parent), name), 'link an open file');
  }
  for (const [dir, { fd, before }] of [...prepared].reverse()) {
    const from = placeOf(u, dir);
    const { layer } = dir.stack[0] as LayerDir;
    const to = { fd: fd.fd, name: '' };
    copyMetadata(u, layer, from, to, before, dir.parent === null ? null : originOf(u.sys, layer, from.fd, from.name));
    const flags = protectionOf(u, dir);
    if (flags !== 0) check(storeProtection(u, to, flags), 'protattr');
    check(setTimes(u, to.fd, '', before), 'utimens');
  }
}

function makeDirectory(u: Union, dir: DirNode, at: number, name: string): { fd: OwnedFd; before: Stat } {
  const from = placeOf(u, dir);
  const before = new Stat();
  check(u.sys.statAt(from.fd, from.name, before), 'stat directory');
  asServer(u, () => check(u.sys.mkdirAt(at, name, 0o700), 'fresh directory'));
  const fd = new OwnedFd(u.sys, check(u.sys.openAt(at, name, O_RDONLY | O_DIRECTORY, 0), 'fresh directory'));
  // What is linked or copied there may show the number of another layer's.
  const marked = writePrivate(u, { fd: fd.fd, name: '' }, 'impure', new Uint8Array([0x79]));
  if (marked < 0 && marked !== -errno.EOPNOTSUPP && marked !== -errno.EPERM) {
    fd.close();
    throw new ErrnoError(-marked, 'impure mark');
  }
  return { fd, before };
}

/** The fresh upper is there: from now on it is the upper. Changes memory only. */
function adopt(u: Union, plan: SealingPlan, prepared: Prepared): Layer {
  const sealed = u.layers[0] as Layer;
  const path = `${dirname(sealed.path)}/${nameAfter(basename(sealed.path))}`;
  const fd = (prepared.get(u.root) as { fd: OwnedFd }).fd.release();
  const upper: Layer = { ...sealed, path, fd };
  for (const layer of [...u.layers, ...u.dataLayers]) layer.index += 1;
  seal(sealed);
  u.layers.unshift(upper);
  for (const walking of u.walks.values()) walking.stale = true;
  for (const node of u.nodes.all()) {
    if (!(node instanceof DirNode) || node.index === null) continue;
    node.index.impure = false;
    node.index.holdsNested = false;
  }
  u.root.stack = [new LayerDir(upper, null, ''), ...u.root.stack];
  for (const dir of plan.directories) {
    const parent = dir.parent as DirNode;
    coverDirectory(dir, parent.index?.entries.get(dir.name), parent.upper as LayerDir);
  }
  for (const [dir, { fd }] of prepared) {
    if (dir.index !== null) dir.index.impure = true;
    (dir.upper as LayerDir).impure = true;
    fd.close();
  }
  for (const { node, names } of plan.moving) moveIn(u, node, names);
  settleOthers(u, sealed);
  return sealed;
}

function moveIn(u: Union, node: FileNode, names: Moving['names']): void {
  for (const { parent, name } of names) settleEntry(u, parent, name, parent.upper as LayerDir);
  const [first] = names;
  if (first === undefined) return;
  if (node.dir === u.index) node.extraLinks = 0;
  node.dir = first.parent.upper as LayerDir;
  node.base = first.name;
  // Until the copies that stay behind take them over, the sealed upper's names are links too.
  node.extraLinks -= names.length;
}

/** What stays behind is a lower's, but for files that no name leads to: those belong to nobody else. */
function settleOthers(u: Union, sealed: Layer): void {
  for (const node of u.nodes.all()) {
    if (!(node instanceof FileNode)) continue;
    if (node.orphan !== null && node.dir.layer === sealed && isNameless(u, node.orphan)) {
      node.dir = new LayerDir(scratchLayer('workdir', writableWork(u).fd), null, '');
    }
    if (node.backing !== null && !node.dataInUpper) node.backing.onLower = true;
  }
}

function isNameless(u: Union, { fd }: OwnedFd): boolean {
  return u.sys.statAt(fd, '', u.scratch) === 0 && u.scratch.nlink === 0;
}

/** Files that the index held together have all their names in the sealed upper, as links of one inode. */
function unindex(u: Union, { indexed }: SealingPlan, sealed: Layer): void {
  const index = u.index;
  if (index === null) return;
  for (const node of u.nodes.all()) {
    if (!(node instanceof FileNode) || node.dir !== index) continue;
    node.extraLinks = 0;
    node.dir = new LayerDir(sealed, null, '');
    for (const { parent, name } of namesOf(node)) {
      const shown = parent.index?.entries.get(name)?.dir;
      if (shown?.layer !== sealed) continue;
      node.dir = shown;
      node.base = name;
    }
    if (node.backing !== null) node.backing.onLower = true;
  }
  for (const name of indexed) u.sys.unlinkAt(index.layer.fd, name, 0);
}

/** The copy takes the places of the moving file in the sealed upper, whose directories keep their times. */
function leaveCopy(u: Union, work: Workdir, { node, names }: Moving, sealed: Layer): void {
  const copy = u.frozen.get(node);
  u.frozen.delete(node);
  if (copy === undefined) return;
  for (const { parent, name } of names) {
    const there = parent.stack.find(({ layer }) => layer === sealed);
    const replaced = there === undefined ? -errno.ENOENT : replace(u, work, copy.fd, u.dirFds.fd(there), name);
    if (replaced === 0) node.extraLinks += 1;
    else
      log.once(
        'warn',
        'seal',
        `sealing: a file that is open for writing goes on in the sealed upper too (${replaced})`,
      );
  }
  copy.close();
}

function replace(u: Union, work: Workdir, copy: number, dirfd: number, name: string): number {
  const before = new Stat();
  const temporary = work.temporary();
  const known = u.sys.statAt(dirfd, '', before);
  const linked = known < 0 ? known : u.sys.linkAt(copy, '', work.fd, temporary);
  if (linked < 0) return linked;
  const moved = u.sys.renameAt(work.fd, temporary, dirfd, name, 0);
  if (moved < 0) u.sys.unlinkAt(work.fd, temporary, 0);
  setTimes(u, dirfd, '', before);
  return moved;
}
