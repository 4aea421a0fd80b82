// Extended attributes of every namespace, POSIX ACLs, and what a union keeps to itself.

import { fails, is, ok, yes } from '../../support/expect.js';
import { O, S, XATTR } from '../../support/linux.js';
import { dir, file } from '../../support/tree.js';
import { type Family, USER } from './case.js';

interface AclEntry {
  readonly tag: number;
  readonly perm: number;
  readonly id?: number;
}

/** The binary form of a POSIX ACL, version 2. */
function acl(entries: readonly AclEntry[]): string {
  const raw = Buffer.alloc(4 + entries.length * 8);
  raw.writeUInt32LE(2, 0);
  for (const [i, entry] of entries.entries()) {
    raw.writeUInt16LE(entry.tag, 4 + i * 8);
    raw.writeUInt16LE(entry.perm, 6 + i * 8);
    raw.writeUInt32LE(entry.id ?? 0xffffffff, 8 + i * 8);
  }
  return raw.toString('latin1');
}

const userMayRead = acl([
  { tag: 1, perm: 6 },
  { tag: 2, perm: 4, id: USER },
  { tag: 4, perm: 0 },
  { tag: 0x10, perm: 4 },
  { tag: 0x20, perm: 0 },
]);
const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';

export const xattrs: Family = {
  'set, get, list, remove': async ({ a }) => {
    await ok(a.setxattr('file', 'user.one', 'first'));
    await ok(a.setxattr('file', 'user.two', ''));
    await is(a.getxattr('file', 'user.one'), 'first');
    await is(a.getxattr('file', 'user.two'), '');
    await is(
      (await ok(a.listxattr('file'))).filter((k) => k.startsWith('user.')),
      ['user.one', 'user.two'],
    );
    await ok(a.removexattr('file', 'user.one'));
    await fails(a.getxattr('file', 'user.one'), 'ENODATA');
    await fails(a.removexattr('file', 'user.one'), 'ENODATA');
  },
  'what stood there before is kept and can be changed': {
    tree: { tagged: file('x', { xattrs: { 'user.old': 'value', 'trusted.old': 'secret' } }) },
    run: async ({ a }) => {
      await is(a.getxattr('tagged', 'user.old'), 'value');
      await ok(a.setxattr('tagged', 'user.new', 'more'));
      await is(a.getxattr('tagged', 'user.old'), 'value');
      await is(a.getxattr('tagged', 'trusted.old'), 'secret');
      await ok(a.removexattr('tagged', 'user.old'));
      await fails(a.getxattr('tagged', 'user.old'), 'ENODATA');
    },
  },
  'XATTR_CREATE and XATTR_REPLACE': async ({ a }) => {
    await fails(a.setxattr('file', 'user.a', 'x', XATTR.REPLACE), 'ENODATA');
    await ok(a.setxattr('file', 'user.a', 'x', XATTR.CREATE));
    await fails(a.setxattr('file', 'user.a', 'y', XATTR.CREATE), 'EEXIST');
    await ok(a.setxattr('file', 'user.a', 'z', XATTR.REPLACE));
    await is(a.getxattr('file', 'user.a'), 'z');
  },
  'the size is told, and a short buffer is ERANGE': async ({ a }) => {
    await ok(a.setxattr('file', 'user.a', 'twelve bytes'));
    await is(a.xattrsize('file', 'user.a'), 12);
    await fails(a.getxattr('file', 'user.a', 5), 'ERANGE');
  },
  'values are bytes, up to kilobytes': async ({ a }) => {
    const value = Array.from({ length: 3000 }, (_v, i) => String.fromCharCode(i & 255)).join('');
    await ok(a.setxattr('file', 'user.bytes', value));
    await is(a.getxattr('file', 'user.bytes'), value);
  },
  'on a directory': async ({ a }) => {
    await ok(a.setxattr('dir', 'user.d', 'on a directory'));
    await is(a.getxattr('dir', 'user.d'), 'on a directory');
    await is(a.list('dir'), ['inner', 'sub']);
  },
  'user xattrs on a symlink are EPERM, trusted ones work': async ({ a }) => {
    await fails(a.setxattr('link', 'user.x', 'x'), 'EPERM');
    await ok(a.setxattr('link', 'trusted.x', 'x'));
    await is(a.getxattr('link', 'trusted.x'), 'x');
  },
  'by descriptor, a read-only one too': async ({ a }) => {
    const fd = await ok(a.open('file', O.RDONLY));
    await ok(a.fsetxattr(fd, 'user.fd', 'value'));
    await is(a.fgetxattr(fd, 'user.fd'), 'value');
    await is(a.getxattr('file', 'user.fd'), 'value');
    yes((await ok(a.flistxattr(fd))).includes('user.fd'), 'it is listed');
    await ok(a.fremovexattr(fd, 'user.fd'));
    await fails(a.fgetxattr(fd, 'user.fd'), 'ENODATA');
  },
  'an unknown namespace is EOPNOTSUPP': async ({ a }) => {
    await fails(a.setxattr('file', 'nonsense.x', 'x'), 'EOPNOTSUPP');
  },
  'trusted xattrs are hidden from users': async ({ a, client }) => {
    await ok(a.setxattr('file', 'trusted.secret', 'x'));
    const user = await client(USER);
    await fails(user.getxattr('file', 'trusted.secret'), 'ENODATA');
    yes(!(await ok(user.listxattr('file'))).includes('trusted.secret'), 'not listed');
    await fails(user.setxattr('file', 'trusted.mine', 'x'), 'EPERM');
  },
  'a user sets xattrs on its own files only': async ({ a, client }) => {
    await ok(a.chown('other', USER, USER));
    const user = await client(USER);
    await ok(user.setxattr('other', 'user.mine', 'x'));
    await fails(user.setxattr('file', 'user.mine', 'x'), 'EACCES', 'EPERM');
  },
  'a default ACL takes no setgid away from a stranger to the group': async ({ a, client }) => {
    await ok(a.mkdir('shared'));
    await ok(a.chown('shared', USER, 7));
    await ok(a.chmod('shared', 0o2770));
    const user = await client(USER);
    await ok(user.setxattr('shared', DEFAULT, userMayRead));
    await is((await ok(a.stat('shared'))).mode & 0o7777, 0o2770);
    await ok(user.setxattr('shared', ACCESS, userMayRead));
    await is((await ok(a.stat('shared'))).mode & 0o2000, 0);
  },
  'trusted.overlay.opaque of a directory with a device goes when it is removed': async ({ a }) => {
    await ok(a.mkdir('d'));
    await ok(a.mknod('d/null', S.IFCHR | 0o600, 1, 3));
    await ok(a.setxattr('d', 'trusted.overlay.opaque', 'x'));
    await ok(a.removexattr('d', 'trusted.overlay.opaque'));
    await fails(a.getxattr('d', 'trusted.overlay.opaque'), 'ENODATA');
  },
  'the union keeps its own xattrs to itself': async ({ a, expects }) => {
    await is(a.rmtree('dir'), 0);
    await ok(a.mkdir('dir'));
    await ok(a.chmod('file', 0o600));
    if (expects === 'plain') return;
    for (const name of ['dir', 'file', '.']) {
      const keys = await ok(a.listxattr(name));
      await is(
        keys.filter((key) => /^(trusted|user)\.(overlay|fuseoverlayfs)/.test(key)),
        [],
      );
      await fails(a.getxattr(name, 'trusted.overlay.opaque'), 'ENODATA', 'EOPNOTSUPP');
    }
  },
  'security.capability is set, kept by chmod, gone after a write': async ({ a }) => {
    const capability = '\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00';
    await ok(a.setxattr('run', 'security.capability', capability));
    await is(a.getxattr('run', 'security.capability'), capability);
    await ok(a.put('run', 'x', O.WRONLY));
    await fails(a.getxattr('run', 'security.capability'), 'ENODATA');
  },
  'an ACL lets a user in': async ({ a, client }) => {
    const user = await client(USER);
    await fails(user.open('other', O.RDONLY), 'EACCES');
    await ok(a.setxattr('other', ACCESS, userMayRead));
    await is(a.getxattr('other', ACCESS), userMayRead);
    await is(user.cat('other'), 'other\n');
    await fails(user.open('other', O.WRONLY), 'EACCES');
    await is((await ok(a.stat('other'))).mode, 0o100640);
  },
  'chmod changes the mask of an ACL': async ({ a, client }) => {
    await ok(a.setxattr('other', ACCESS, userMayRead));
    await ok(a.chmod('other', 0o600));
    await fails((await client(USER)).open('other', O.RDONLY), 'EACCES');
  },
  'a default ACL goes to new files and directories': async ({ a, client }) => {
    await a.umask(0o077);
    await ok(a.setxattr('empty', DEFAULT, userMayRead));
    await ok(a.put('empty/f', 'text', O.CREAT | O.WRONLY, 0o666));
    await ok(a.mkdir('empty/d', 0o777));
    await is((await ok(a.stat('empty/f'))).mode, 0o100640);
    await is(a.getxattr('empty/d', DEFAULT), userMayRead);
    yes((await ok(a.getxattr('empty/f', ACCESS))) !== '', 'the file has an ACL');
    await is((await client(USER)).cat('empty/f'), 'text');
  },
  'a default ACL that stood there before works': {
    tree: { shared: dir({}, { xattrs: { [DEFAULT]: userMayRead } }) },
    run: async ({ a, client }) => {
      await a.umask(0o077);
      await ok(a.put('shared/f', 'text', O.CREAT | O.WRONLY, 0o666));
      await is((await ok(a.stat('shared/f'))).mode, 0o100640);
      await is((await client(USER)).cat('shared/f'), 'text');
    },
  },
  'an ACL that only says the mode leaves none': async ({ a }) => {
    const minimal = acl([
      { tag: 1, perm: 6 },
      { tag: 4, perm: 4 },
      { tag: 0x20, perm: 4 },
    ]);
    await ok(a.setxattr('other', ACCESS, minimal));
    await is((await ok(a.stat('other'))).mode, 0o100644);
    await fails(a.getxattr('other', ACCESS), 'ENODATA');
  },
};
