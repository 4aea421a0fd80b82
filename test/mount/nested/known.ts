// Where Linux itself sets the limits of nesting, one conformance case a line. A case listed here that
// passes is a failure of the list.

import { kernelKnown } from '../conformance/kernel-known.js';
import type { Known } from '../conformance/run.js';

const handles = 'FUSE gives no lasting file handles: no index, and numbers of the lower are not found again';
const revalidation = 'kernel overlayfs revalidates a file by its first name, and FUSE says ESTALE';
const killpriv = 'kernel overlayfs writes as root, and FUSE leaves the stripping to who sees the writer';
const mode = 'kernel overlayfs copies the mode that FUSE remembers from before the ACL';
const twoFilesystems = 'copy_file_range between two filesystems';

/** Ours, or kernel overlayfs, over a lower that lies in our mount. */
export const lowerOnOurs: Known = {
  'rename: a file to a new name (lower)': handles,
  'rename: EXCHANGE of two files (lower)': handles,
};

/** Ours on ours on ours: what its upper lies on has it as a lower's too. */
export const upperOnOurs: Known = {
  'rename: a file to a new name': handles,
  'rename: EXCHANGE of two files': handles,
};

const kernelOnOurs: Known = {
  ...kernelKnown,
  ...lowerOnOurs,
  'create: a hard link is the same file (lower)': handles,
  'create: names that were hard links before are one file (lower)': handles,
  'rename: between two names of one file does nothing (lower)': revalidation,
};

export const kernelLowerOnOurs: Known = {
  ...kernelOnOurs,
  'data: copy_file_range between two files (lower)': twoFilesystems,
  'data: copy_file_range of a megabyte into a new file (lower)': twoFilesystems,
};

export const kernelAllOnOurs: Known = {
  ...kernelOnOurs,
  'create: nlink goes down with each unlink (upper)': revalidation,
  "data: root keeps setuid of another one's file when it appends beside a reader, by a second name": revalidation,
  'open flags: O_TRUNC moves mtime and strips setuid': killpriv,
  'data: writing strips setuid for a user': killpriv,
  'data: writing strips setuid for a user whose descriptor root opened': killpriv,
  'ownership: changed contents are never executed with the privileges of the old ones': killpriv,
  'xattrs: an ACL lets a user in': mode,
  'xattrs: a default ACL takes no setgid away from a stranger to the group': mode,
  'ownership: an ACL lets a user in and a chmod changes its mask': mode,
};

const noDevice = 'kernel overlayfs refuses char 0:0: a whiteout is a .wh. file, and needs four bytes of the name';
const ground = 'kernel overlayfs beneath does so';

/** Ours over an upper that lies in a mount of kernel overlayfs. */
export const upperOnKernel: Known = {
  'filesystem: names of 255 bytes, and not of 256': noDevice,
  'filesystem: long names that stood there before can be removed and changed (lower)': noDevice,
  'attributes: listing a directory moves no ctime after something in it was opened for writing (upper)': ground,
  'rename: an open file that was replaced keeps its bytes (upper)': ground,
  'data: SEEK_DATA and SEEK_HOLE find the pieces (upper)': ground,
  'data: holes stay holes when one byte is written (upper)': ground,
  'unlinked: fstat of a read-only descriptor says nlink 0 (upper)': ground,
  'unlinked: fchmod of a read-only descriptor (upper)': ground,
  'directories: attributes of an open removed directory (upper)': ground,
};
