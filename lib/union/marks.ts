// What a layer's directory says about itself: opaque, redirected, holding xattr whiteouts, impure.
// Every dialect is read. Decides nothing about names.

import { Buffer } from 'node:buffer';
import { ErrnoError, errno } from '../errno.js';
import type { Syscalls } from '../sys/calls.js';
import type { Stat } from '../sys/stat.js';
import type { Place } from './attributes.js';
import { type DirFds, type DirMarks, type LayerDir, noMarks } from './dir-fds.js';
import { isUpper } from './layers.js';
import { mayHoldNested } from './nested-whiteout.js';
import { dialects } from './private-xattrs.js';

/** Prefix of AUFS whiteouts and of its own bookkeeping names. */
export const WH = '.wh.';

/** The file that marks a directory opaque in the AUFS dialect. */
export const OPAQUE_FILE = '.wh..wh..opq';

/** Part of the names of all xattrs that mark a directory. */
export const MARK = 'overlay';

const opaqueNames = [...dialects('opaque'), 'user.fuseoverlayfs.opaque'];
const redirectNames = dialects('redirect');
const impureNames = dialects('impure');

/** Answers by which a host says that there is nothing, or nothing for this server. */
const nothing = new Set([-errno.ENODATA, -errno.EOPNOTSUPP, -errno.EPERM, -errno.EACCES]);

/** The value as text; null when there is none. A mark that cannot be read is not taken for none: the view would be wrong. */
function textOf(value: Uint8Array | number, key: string): string | null {
  if (typeof value !== 'number') return Buffer.from(value).toString('latin1').replace(/\0$/, '');
  if (!nothing.has(value)) throw new ErrnoError(-value, key);
  return null;
}

/** The first of `keys` that `list` has, as text; null when it has none. */
function text(sys: Syscalls, fd: number, list: readonly string[], keys: readonly string[]): string | null {
  const key = keys.find((candidate) => list.includes(candidate));
  return key === undefined ? null : textOf(sys.getXattr(fd, '', key), key);
}

/** The redirect of what is at `place`, in the first of `keys` that it has. */
export function readRedirect(sys: Syscalls, place: Place, keys = redirectNames): string | null {
  for (const key of keys) {
    const value = textOf(sys.getXattr(place.fd, place.name, key), key);
    if (value !== null) return value;
  }
  return null;
}

/** The marks of one layer directory, `.wh..wh..opq` left to whoever reads the names. Those of a lower never change. */
export function readXattrMarks(sys: Syscalls, dirFds: DirFds, dir: LayerDir): DirMarks {
  const marks = dir.marks ?? marksOnDisk(sys, dirFds, dir);
  if (!isUpper(dir.layer)) dir.marks = marks;
  return marks;
}

function marksOnDisk(sys: Syscalls, dirFds: DirFds, dir: LayerDir): DirMarks {
  const fd = dirFds.fd(dir);
  const list = sys.listXattr(fd, '');
  if (typeof list === 'number' && !nothing.has(list)) throw new ErrnoError(-list, `marks of ${dir}`);
  if (typeof list === 'number' || !list.some((key) => key.includes(MARK))) return noMarks;
  const opaque = text(sys, fd, list, opaqueNames);
  return {
    opaque: opaque === 'y',
    xattrWhiteouts: opaque === 'x',
    redirect: text(sys, fd, list, redirectNames),
    impure: text(sys, fd, list, impureNames) !== null,
    holdsNested: mayHoldNested(list),
  };
}

/** All marks, the opaque file included; `isMarked` where the caller has read the names in `dir`, and knows of that. */
export function readMarks(sys: Syscalls, dirFds: DirFds, dir: LayerDir, scratch: Stat, isMarked?: boolean): DirMarks {
  const marks = readXattrMarks(sys, dirFds, dir);
  if (marks.opaque) return marks;
  const marked = isMarked ?? sys.statAt(dirFds.fd(dir), OPAQUE_FILE, scratch) === 0;
  return marked ? { ...marks, opaque: true } : marks;
}
