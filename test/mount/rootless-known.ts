// What a plain directory cannot do either for somebody without privileges, one conformance case a line,
// with the reason: the same cases fail on ext4 in the same room. A case listed here that passes is a
// failure of the list.

import type { Known } from './conformance/run.js';

export const usernsKnown: Known = {
  'xattrs: trusted.overlay.opaque of a directory with a device goes when it is removed': 'a trusted xattr',
  'attributes: ids up to 2^32-2': 'no such ids here',
  'attributes: chmod of a device and a fifo': 'makes a device',
  'create: mknod: device, fifo, socket, plain file': 'makes devices',
  'data: root keeps setuid when it writes, truncates, punches and opens with O_TRUNC':
    'CAP_FSETID counts only outside a user namespace',
  "data: root keeps setuid of another one's file when it appends beside a reader, by a second name":
    'CAP_FSETID counts only outside a user namespace',
  'xattrs: what stood there before is kept and can be changed': 'a trusted xattr',
  'xattrs: user xattrs on a symlink are EPERM, trusted ones work': 'a trusted xattr',
  'xattrs: trusted xattrs are hidden from users': 'a trusted xattr',
};

export const userKnown: Known = {
  'xattrs: trusted.overlay.opaque of a directory with a device goes when it is removed': 'makes a device',
  'attributes: shows what was made': 'expects root as owner',
  'attributes: chown a file, and setuid goes': 'chown to another user',
  'attributes: chown one id and leave the other': 'chown to another user',
  'attributes: chown a symlink itself': 'chown to another user',
  'attributes: ids up to 2^32-2': 'no such ids here',
  'attributes: fchmod and fchown on a read-only descriptor': 'chown to another user',
  'attributes: chmod of a device and a fifo': 'makes a device',
  'create: mknod: device, fifo, socket, plain file': 'makes devices',
  'xattrs: a default ACL takes no setgid away from a stranger to the group': 'chown to another user',
  'data: root keeps setuid when it writes, truncates, punches and opens with O_TRUNC': 'is not root',
  "data: root keeps setuid of another one's file when it appends beside a reader, by a second name": 'is not root',
  'xattrs: what stood there before is kept and can be changed': 'a trusted xattr',
  'xattrs: user xattrs on a symlink are EPERM, trusted ones work': 'a trusted xattr',
  'xattrs: trusted xattrs are hidden from users': 'a trusted xattr',
  'xattrs: a user sets xattrs on its own files only': 'chown to another user',
  'xattrs: security.capability is set, kept by chmod, gone after a write': 'may not set capabilities',
  'ownership: supplementary groups open doors and keep setgid': 'may not take groups',
  'unlinked: fchmod, fchown, futimens': 'chown to another user',
};

/** Names that a `.wh.` file could not hide are refused: namemax is 251. */
export const fileWhiteoutsKnown: Known = {
  'filesystem: names of 255 bytes, and not of 256': 'names end at 251 bytes',
  'filesystem: long names that stood there before can be removed and changed (lower)': 'names end at 251 bytes',
};
