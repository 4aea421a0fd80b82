// What libfuse 2.9's path API cannot express, one conformance case a line, with the reason. A case
// listed here that passes is a failure of the list.

import type { Known } from './conformance/run.js';

const times = 'the package has times in milliseconds';
const caller = 'the package does not say who calls: new objects belong to the server';
const flags = "libfuse 2.9's rename has no flags";
const tmpfile = 'libfuse 2.9 has no O_TMPFILE';
const fallocate = 'the package has no fallocate';
const ioctl = 'the package has no ioctl';
const acl = 'libfuse 2.9 does not negotiate POSIX ACLs, so the kernel does not apply them';
const defaultAcl = 'libfuse 2.9 lets the kernel apply the umask, default ACL or not';
const text = 'the package turns bytes into UTF-16 text: what is not UTF-8 is refused';

export const fuseNativeKnown: Known = {
  'attributes: shows what was made': times,
  'attributes: utimens keeps nanoseconds': times,
  'attributes: utimens of a directory': times,
  'attributes: utimens of a symlink itself': times,
  'attributes: utimens before 1970': 'the package has unsigned times in milliseconds',
  'attributes: UTIME_OMIT leaves, UTIME_NOW sets':
    'libfuse 2.9 drops a change of one time alone: the package does not ask for it',
  'attributes: futimens on a read-only descriptor': times,
  'attributes: statx tells the birth time': 'libfuse 2.9 has no statx',
  'directories: fstat of an open removed directory': 'libfuse has no path for it any more and answers ENOENT by itself',
  'create: symlink and readlink': text,
  'create: new files belong to who made them': caller,
  'remove: a sticky directory keeps others out': caller,
  'rename: NOREPLACE refuses a name that is there': flags,
  'rename: NOREPLACE onto a name that was removed': flags,
  'rename: EXCHANGE of two files': flags,
  'rename: EXCHANGE of a new file and a new directory': flags,
  'rename: EXCHANGE of two directories': flags,
  'rename: EXCHANGE of a file and a directory with everything in it': flags,
  'open flags: opening for writing without a write keeps mtime': times,
  'open flags: O_TMPFILE is a file without a name': tmpfile,
  'open flags: O_TMPFILE gets a name by linkat': tmpfile,
  'open flags: O_TMPFILE with O_EXCL may not be linked': tmpfile,
  'data: root keeps setuid when it writes, truncates, punches and opens with O_TRUNC': fallocate,
  'data: SEEK_DATA and SEEK_HOLE find the pieces': 'the package has no lseek',
  'data: fallocate grows the file': fallocate,
  'data: fallocate keeps the size when asked': fallocate,
  'data: fallocate punches a hole': fallocate,
  'data: fallocate zeroes a range': fallocate,
  'xattrs: trusted xattrs are hidden from users': 'the package does not say who lists',
  'xattrs: an ACL lets a user in': acl,
  'xattrs: a default ACL goes to new files and directories': defaultAcl,
  'xattrs: a default ACL that stood there before works': defaultAcl,
  'unlinked: fchmod, fchown, futimens': times,
  'unlinked: fallocate and fsync': fallocate,
  'filesystem: FS_IOC_GETFLAGS of a file and a directory': ioctl,
  'filesystem: FS_IOC_SETFLAGS keeps nodump': ioctl,
  'filesystem: FS_IOC_SETFLAGS of a file that stood there before': ioctl,
  'filesystem: names are bytes': text,
};
