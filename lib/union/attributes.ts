// What stat shows of a node: the layer's own attributes, with the number, link count and ids that
// the union gives. Reads only.

import { assert } from '../assert.js';
import { check } from '../sys/check.js';
import type { Stat } from '../sys/stat.js';
import { hardLinkCount } from './hard-links.js';
import { DirNode, FileNode, type Inode } from './inode.js';
import { showCtime } from './kept-ctime.js';
import { presentNested } from './nested-whiteout.js';
import type { Union } from './union.js';

/** A descriptor and the name below it ('' is the descriptor itself) of what a node is in its layer. */
export interface Place {
  readonly fd: number;
  readonly name: string;
}

/** Where `node` is now. */
export function placeOf(u: Union, node: Inode): Place {
  if (node.orphan !== null) return { fd: node.orphan.fd, name: '' };
  if (node instanceof FileNode) return { fd: u.dirFds.fd(node.dir), name: node.base };
  assert(node instanceof DirNode && node.stack[0] !== undefined, 'a directory has at least one layer');
  return { fd: u.dirFds.fd(node.stack[0]), name: '' };
}

/** Opens what is at `place`: a descriptor, or -errno. */
export function openAtPlace(u: Union, place: Place, flags: number): number {
  return place.name === '' ? u.sys.reopen(place.fd, flags) : u.sys.openAt(place.fd, place.name, flags, 0);
}

/** Fills `out` with the attributes users see. */
export function getAttributes(u: Union, node: Inode, out: Stat): void {
  const place = placeOf(u, node);
  check(u.sys.statAt(place.fd, place.name, out), () => `stat ${node.name}`);
  present(u, node, out);
}

/** Turns the host's attributes of `node` in `out` into the union's. */
export function present(u: Union, node: Inode, out: Stat): void {
  if (node instanceof FileNode) {
    out.nlink = hardLinkCount(node, out.nlink);
    presentData(node, out);
    if (node.isNestedWhiteout) presentNested(out);
  } else if (node instanceof DirNode) presentDirectory(u, node, out);
  showCtime(node, out);
  out.setIno(node.inoLow, node.inoHigh);
}

/** The blocks of a metadata-only copy are its data's; while its data comes in, its times are not the host's. */
function presentData(node: FileNode, out: Stat): void {
  if (node.data) out.blocks = node.data.blocks;
  if (node.filling !== null) out.copyTimes(node.filling);
}

/** A merged directory's link count is not known without reading it: 1 says so to tree walkers. */
function presentDirectory(u: Union, node: DirNode, out: Stat): void {
  if (node.dead) out.nlink = 0;
  else if (hidesLinkCount(u, node)) out.nlink = 1;
}

/** Whether users see 1, whatever the host counts. */
export function hidesLinkCount(u: Union, { stack, candidates }: DirNode): boolean {
  return u.options.staticNlink || stack.length > 1 || (candidates?.length ?? 0) > 0;
}
