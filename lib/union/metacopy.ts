// Metadata-only copies, read: a file marked `metacopy` has its own attributes and the data of a file in
// a deeper layer. Says where that data is, or refuses the file; never shows the zeros in its place.

import { ErrnoError, errno, fail } from '../errno.js';
import { log } from '../log.js';
import { check } from '../sys/check.js';
import { S_IFREG } from '../sys/constants.js';
import type { Examined } from '../sys/examined.js';
import { Stat } from '../sys/stat.js';
import { type Place, placeOf } from './attributes.js';
import { LayerDir, LayerFile } from './dir-fds.js';
import type { FileData, FileNode } from './inode.js';
import { LayerSearch, lookIn } from './layer-search.js';
import { readRedirect } from './marks.js';
import { type Dialect, dialects, privateName } from './private-xattrs.js';
import type { Union } from './union.js';

const metacopyNames = dialects('metacopy');
const [ownStat, dataStat] = [new Stat(), new Stat()];

/** What a metadata-only copy says of itself. */
interface CopyMarks {
  readonly dialect: Dialect;
  readonly redirect: string | null;
}

/** The marks of the file at `place`; null when its data is its own. */
export function readCopyMarks(u: Union, place: Place): CopyMarks | null {
  const list = u.sys.listXattr(place.fd, place.name);
  if (typeof list === 'number') {
    if (list === -errno.EOPNOTSUPP) return null;
    throw new ErrnoError(-list, 'metacopy listxattr');
  }
  const mark = metacopyNames.find((key) => list.includes(key));
  if (mark === undefined) return null;
  if (mark !== privateName('trusted', 'metacopy')) return { dialect: 'user', redirect: readRedirect(u.sys, place) };
  // A user's xattr must not lead a privileged mark elsewhere.
  return { dialect: 'trusted', redirect: readRedirect(u.sys, place, [privateName('trusted', 'redirect')]) };
}

/**
 * What the attributes alone say of where a file's data is. Whoever makes metadata-only copies marks
 * the directory impure, or leaves a hole where the data would be; only in a small file can the blocks
 * of xattrs fill that hole. So a lookup costs no further call: such a file is asked when it is opened.
 */
function suspicion(node: FileNode, stat: Stat): 'none' | 'later' | 'now' {
  const { impure, layer } = node.dir;
  if (impure || layer.blocksTell === null || stat.blocks * 512 < stat.size) return 'now';
  return stat.size > layer.blocksTell ? 'none' : 'later';
}

/** Finds out where the data of `node` is, whose attributes are in `stat`, as far as a lookup must know. */
export function findDataAtLookup(u: Union, node: FileNode, stat: Stat): void {
  if (node.format !== S_IFREG) return;
  const suspected = suspicion(node, stat);
  node.data = suspected === 'later' ? undefined : null;
  if (suspected === 'now') node.data = findData(u, node, stat);
}

/** The same of a file that was `examined`: one without xattrs is not marked. */
export function dataOfExamined(u: Union, node: FileNode, examined: Examined): FileData | null {
  if (node.data === undefined && !examined.hasXattrs) node.data = null;
  return dataOf(u, node, examined.stat);
}

/** Where the data of `node` is; null: with its attributes, which are in `known` if the caller has just read them. */
export function dataOf(u: Union, node: FileNode, known: Stat | null = null): FileData | null {
  if (node.data === undefined) node.data = findData(u, node, known);
  return node.data;
}

/** Where the bytes of `node` are read. */
export function dataPlace(u: Union, node: FileNode): Place {
  const data = dataOf(u, node);
  return data === null ? placeOf(u, node) : { fd: u.dirFds.fd(data.file.dir), name: data.file.name };
}

function refuse(what: LayerDir | LayerFile, why: string): never {
  log.once('error', `metacopy ${what}`, `${what}: metadata-only copy: ${why}`);
  throw fail('EIO', 'metacopy');
}

/** `known`: attributes that were read just now. Most files have no mark, and are not asked for them. */
function findData(u: Union, node: FileNode, known: Stat | null): FileData | null {
  const place = placeOf(u, node);
  const marks = readCopyMarks(u, place);
  if (marks === null) return null;
  const stat = known ?? ownStat;
  if (known === null) check(u.sys.statAt(place.fd, place.name, ownStat), () => `stat ${node.name}`);
  const from = new LayerFile(node.dir, node.base);
  const file = followed(u, node, from, marks);
  const fd = u.dirFds.fd(file.dir);
  check(u.sys.statAt(fd, file.name, dataStat), () => `stat ${file}`);
  const { dialect } = marks;
  if (dialect === 'user' && !believable(u, stat, file, dataStat)) refuse(from, 'user.overlay.metacopy may be forged');
  if (stat.size === 0 && dataStat.size > 0) return truncated(u, node, place, from);
  return { file, blocks: dataStat.blocks };
}

/** The regular file at the end of the chain that begins at `from`. */
function followed(u: Union, node: FileNode, from: LayerFile, marks: CopyMarks): LayerFile {
  if (node.parent === null) refuse(from, 'it has no name');
  const search = new LayerSearch(u, node.parent, node.name);
  let at = from;
  for (let next: CopyMarks | null = marks; next !== null; ) {
    if (next.redirect !== null) search.redirect(`${at}`, next.redirect);
    const found = search.next(at.dir.layer) ?? inDataLayers(u, search.path);
    if (!(found instanceof LayerFile)) refuse(from, `no data under ${pathText(search.path, at.name)}`);
    at = found;
    // Files of data-only layers are data, whatever they are marked with.
    next = u.dataLayers.includes(at.dir.layer) ? null : readCopyMarks(u, { fd: u.dirFds.fd(at.dir), name: at.name });
  }
  return at;
}

function pathText(path: readonly string[] | null, name: string): string {
  return path === null ? `the name ${name}` : `/${path.join('/')}`;
}

/** `path` in the topmost data-only layer that has a regular file there. */
function inDataLayers(u: Union, path: readonly string[] | null): LayerFile | null {
  for (const layer of path === null ? [] : u.dataLayers) {
    let at: LayerDir | LayerFile | 'nothing' | 'stop' = new LayerDir(layer, null, '');
    for (const name of path ?? []) at = at instanceof LayerDir ? lookIn(u, at, name) : 'nothing';
    if (at instanceof LayerFile) return at;
  }
  return null;
}

/**
 * Whoever may write a file may give it user xattrs, so a mark in that namespace must lead its writer to
 * nothing he could not read anyway. Unprivileged servers can show nothing but their own user's files.
 */
function believable(u: Union, stat: Stat, file: LayerFile, data: Stat): boolean {
  const anyoneReads = (data.mode & 0o004) !== 0;
  const ownerWrites = (stat.mode & 0o022) === 0;
  const ownerReads = stat.uid === 0 || stat.uid === data.uid;
  const given = u.dataLayers.includes(file.dir.layer);
  return !u.features.privileged || given || anyoneReads || (ownerWrites && ownerReads);
}

/** A truncation that was stopped before the mark was taken off: the file is empty. */
function truncated(u: Union, node: FileNode, place: Place, from: LayerFile): null {
  if (node.inUpper && unmark(u, place) < 0) refuse(from, 'its mark cannot be removed');
  return null;
}

/** From now on the data at `place` is its own; 0 or -errno. */
export function unmark(u: Union, place: Place): number {
  for (const key of metacopyNames) {
    const removed = u.sys.removeXattr(place.fd, place.name, key);
    if (removed < 0 && !isAbsence(u, place, key)) return removed;
  }
  return 0;
}

/** Removing failed because there was nothing, or nothing that this server can see. */
function isAbsence(u: Union, place: Place, key: string): boolean {
  return typeof u.sys.getXattr(place.fd, place.name, key) === 'number';
}
