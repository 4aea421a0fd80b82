// Who owns what is made, what sticky, setgid and ACLs make of it, and what limits and protections of
// Linux apply: the same as on any filesystem.

import { readFileSync } from 'node:fs';
import type { Agent } from '../../support/agent.js';
import { fails, is, ok, yes } from '../../support/expect.js';
import { ACCESS, O, S } from '../../support/linux.js';
import { dir, file, symlink } from '../../support/tree.js';
import { type Context, type Family, USER } from './case.js';

const OTHER = 4321;
const GROUP = 2000;
const SHARED = dir({ theirs: file('theirs\n', { uid: OTHER, gid: OTHER, mode: 0o666 }) }, { mode: 0o1777 });
const SETGID = dir({}, { mode: 0o2777, gid: GROUP });

/** POSIX ACL entries as the xattr has them: tag, permissions, id. */
function acl(...entries: readonly (readonly [number, number, number?])[]): string {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  for (const [at, [tag, permissions, id = 0xffffffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * at);
    bytes.writeUInt16LE(permissions, 6 + 8 * at);
    bytes.writeUInt32LE(id, 8 + 8 * at);
  }
  return bytes.toString('latin1');
}

const DEFAULT = acl([1, 7], [2, 6, 99], [4, 7], [16, 6], [32, 4]);

async function modeOf(c: Context, path: string): Promise<string> {
  const st = await ok(c.a.lstat(path));
  return `${(st.mode & ~S.IFMT).toString(8)} ${st.uid}:${st.gid}`;
}

async function userIn(c: Context, uid: number, ...groups: number[]) {
  const user = await c.client();
  await ok(user.becomes(uid, uid, ...groups));
  return user;
}

const rewritten = (name: string) => ({ name, before: OTHER & 127, after: USER & 127 });

async function withWriter(a: Agent, flags: number, use: (fd: number) => Promise<number>): Promise<void> {
  const fd = await ok(a.open('sh', flags));
  await ok(use(fd));
  await ok(a.close(fd));
}

/** Ways to change a program that leave it runnable. */
const rewrites: Readonly<Record<string, (a: Agent) => Promise<void>>> = {
  'by a write': (a) => withWriter(a, O.WRONLY | O.APPEND, (fd) => a.write(fd, 'x')),
  'by a large write': (a) => withWriter(a, O.RDWR, (fd) => a.fill(fd, 0, 1 << 20, 1 << 18)),
  'by a direct write': (a) => withWriter(a, O.WRONLY | O.DIRECT, (fd) => a.directwrite(fd, 1 << 21, 4096, 0)),
  'by truncate': async (a) => void (await ok(a.truncate('sh', 1 << 22))),
  'by ftruncate': (a) => withWriter(a, O.WRONLY, (fd) => a.ftruncate(fd, 1 << 21)),
  'by fallocate': (a) => withWriter(a, O.WRONLY, (fd) => a.fallocate(fd, 0, 0, 1 << 20)),
  'by copy_file_range': (a) => withWriter(a, O.RDWR, (fd) => a.copyrange(fd, 0, fd, 1 << 21, 4096)),
};

const setting = (name: string): number => Number(readFileSync(`/proc/sys/fs/protected_${name}`, 'utf8'));

export const ownership: Family = {
  'a setgid directory hands its group down': {
    tree: { shared: SETGID },
    run: async (c) => {
      const user = await c.client(USER);
      await ok(user.put('shared/f', 'x', O.WRONLY | O.CREAT, 0o664));
      await ok(user.mkdir('shared/d', 0o775));
      await ok(user.symlink('f', 'shared/l'));
      await ok(user.mknod('shared/p', S.IFIFO | 0o600));
      await is(await modeOf(c, 'shared/f'), `664 ${USER}:${GROUP}`);
      await is(await modeOf(c, 'shared/d'), `2775 ${USER}:${GROUP}`);
      await is(await modeOf(c, 'shared/l'), `777 ${USER}:${GROUP}`);
      await is(await modeOf(c, 'shared/p'), `600 ${USER}:${GROUP}`);
    },
  },
  'a setgid executable in a setgid directory is for members': {
    tree: { shared: SETGID },
    run: async (c) => {
      const stranger = await c.client(USER);
      const member = await userIn(c, USER, GROUP);
      await ok(stranger.close(await ok(stranger.open('shared/a', O.WRONLY | O.CREAT | O.EXCL, 0o2775))));
      await ok(stranger.mknod('shared/b', S.IFREG | 0o2775));
      await ok(member.close(await ok(member.open('shared/c', O.WRONLY | O.CREAT | O.EXCL, 0o2775))));
      await is(await modeOf(c, 'shared/a'), `775 ${USER}:${GROUP}`);
      await is(await modeOf(c, 'shared/b'), `775 ${USER}:${GROUP}`);
      await is(await modeOf(c, 'shared/c'), `2775 ${USER}:${GROUP}`);
    },
  },
  'an unnamed file in a setgid directory': {
    tree: { shared: SETGID },
    run: async (c) => {
      const stranger = await c.client(USER);
      const fd = await ok(stranger.open('shared', O.WRONLY | O.TMPFILE, 0o2775));
      const st = await ok(stranger.fstat(fd));
      await is(`${(st.mode & 0o7777).toString(8)} ${st.uid}:${st.gid}`, `775 ${USER}:${GROUP}`);
    },
  },
  'a name given again in a setgid directory': {
    tree: { shared: dir({ f: 'x', d: dir({}) }, { mode: 0o2777, gid: GROUP }) },
    run: async (c) => {
      await ok(c.a.unlink('shared/f'));
      await ok(c.a.rmdir('shared/d'));
      const user = await c.client(USER);
      await ok(user.put('shared/f', 'y', O.WRONLY | O.CREAT, 0o664));
      await ok(user.mkdir('shared/d', 0o775));
      await is(await modeOf(c, 'shared/f'), `664 ${USER}:${GROUP}`);
      await is(await modeOf(c, 'shared/d'), `2775 ${USER}:${GROUP}`);
    },
  },
  'sticky: others neither remove nor rename': {
    tree: { shared: SHARED },
    run: async (c) => {
      const user = await c.client(USER);
      await ok(user.put('shared/mine', 'mine'));
      await fails(user.unlink('shared/theirs'), 'EPERM');
      await fails(user.rename('shared/theirs', 'shared/taken'), 'EPERM');
      await fails(user.rename('shared/mine', 'shared/theirs'), 'EPERM');
      await ok(user.rename('shared/mine', 'shared/moved'));
      await ok(user.unlink('shared/moved'));
      await ok((await c.client(OTHER)).unlink('shared/theirs'));
    },
  },
  'sticky: the directory of another is not removed': {
    tree: { shared: dir({ d: dir({}, { uid: OTHER, mode: 0o777 }) }, { mode: 0o1777 }) },
    run: async (c) => {
      const user = await c.client(USER);
      await fails(user.rmdir('shared/d'), 'EPERM');
      await fails(user.rename('shared/d', 'shared/e'), 'EPERM');
    },
  },
  'the umask counts, and a default ACL counts in its place': {
    tree: { plain: dir({}, { mode: 0o777 }), listed: dir({}, { mode: 0o777 }) },
    run: async (c) => {
      await ok(c.a.setxattr('listed', 'system.posix_acl_default', DEFAULT));
      const user = await c.client(USER);
      await user.umask(0o077);
      for (const where of ['plain', 'listed']) {
        await ok(user.put(`${where}/f`, 'x', O.WRONLY | O.CREAT, 0o666));
        await ok(user.mkdir(`${where}/d`, 0o777));
        await ok(user.mknod(`${where}/p`, S.IFIFO | 0o666));
      }
      await is(await modeOf(c, 'plain/f'), `600 ${USER}:${USER}`);
      await is(await modeOf(c, 'plain/d'), `700 ${USER}:${USER}`);
      await is(await modeOf(c, 'plain/p'), `600 ${USER}:${USER}`);
      await is(await modeOf(c, 'listed/f'), `664 ${USER}:${USER}`);
      await is(await modeOf(c, 'listed/d'), `764 ${USER}:${USER}`);
      await is(await modeOf(c, 'listed/p'), `664 ${USER}:${USER}`);
      await is(c.a.getxattr('listed/d', 'system.posix_acl_default'), DEFAULT);
      await is(c.a.getxattr('listed/f', 'system.posix_acl_access'), acl([1, 6], [2, 6, 99], [4, 7], [16, 6], [32, 4]));
    },
  },
  'an ACL lets a user in and a chmod changes its mask': {
    tree: { secret: file('secret\n', { mode: 0o600 }) },
    run: async (c) => {
      const user = await c.client(USER);
      await ok(c.a.setxattr('secret', 'system.posix_acl_access', acl([1, 6], [2, 6, USER], [4, 0], [16, 6], [32, 0])));
      await is(await modeOf(c, 'secret'), '660 0:0');
      await is(user.cat('secret'), 'secret\n');
      await is(user.access('secret', ACCESS.R | ACCESS.W), 0);
      await ok(c.a.chmod('secret', 0o640));
      await is(user.cat('secret'), 'secret\n');
      await fails(user.open('secret', O.WRONLY), 'EACCES');
      await ok(c.a.chmod('secret', 0o600));
      await fails(user.open('secret', O.RDONLY), 'EACCES');
      await is(c.a.getxattr('secret', 'system.posix_acl_access'), acl([1, 6], [2, 6, USER], [4, 0], [16, 0], [32, 0]));
    },
  },
  'supplementary groups open doors and keep setgid': {
    tree: {
      grouped: file('for the group\n', { gid: GROUP, mode: 0o640 }),
      room: dir({ in: 'in\n' }, { gid: GROUP, mode: 0o770 }),
      mine: file('x', { uid: USER, gid: GROUP }),
    },
    run: async (c) => {
      const member = await userIn(c, USER, 7, GROUP, 9);
      const stranger = await userIn(c, OTHER, 7, 9);
      await is(member.cat('grouped'), 'for the group\n');
      await fails(stranger.open('grouped', O.RDONLY), 'EACCES');
      await ok(member.put('room/new', 'x'));
      await ok(member.unlink('room/in'));
      await ok(member.rename('room/new', 'room/in'));
      await fails(stranger.stat('room/in'), 'EACCES');
      await ok(member.chmod('mine', 0o2755));
      await is(await modeOf(c, 'mine'), `2755 ${USER}:${GROUP}`);
      await ok(member.chown('mine', -1, 9));
      await is(await modeOf(c, 'mine'), `755 ${USER}:9`);
      await fails(member.chown('mine', -1, 10), 'EPERM');
    },
  },
  'RLIMIT_FSIZE ends a write and refuses the next': async (c) => {
    const limited = await c.client();
    await ok(limited.fsize(20));
    const fd = await ok(limited.open('file', O.RDWR));
    await is(limited.pwrite(fd, 'abcdef', 17), 3);
    await fails(limited.pwrite(fd, 'g', 20), 'EFBIG');
    await fails(limited.ftruncate(fd, 21), 'EFBIG');
    await fails(limited.truncate('file', 21), 'EFBIG');
    await fails(limited.fallocate(fd, 0, 0, 21), 'EFBIG');
    await ok(limited.ftruncate(fd, 18));
    await is(limited.cat('file'), 'hello world\n\0\0\0\0\0a');
  },
  'O_NOATIME is for the owner': {
    tree: { mine: file('mine\n', { uid: USER }) },
    run: async (c) => {
      const user = await c.client(USER);
      await ok(user.open('mine', O.RDONLY | O.NOATIME));
      await fails(user.open('file', O.RDONLY | O.NOATIME), 'EPERM');
      await ok(c.a.open('mine', O.RDONLY | O.NOATIME));
    },
  },
  'access says what open does': {
    tree: { mine: file('mine\n', { uid: USER, mode: 0o500 }), writable: file('w\n', { mode: 0o602 }) },
    run: async (c) => {
      const user = await c.client(USER);
      await is(user.access('mine', ACCESS.R | ACCESS.X), 0);
      await fails(user.access('mine', ACCESS.W), 'EACCES');
      await is(user.access('writable', ACCESS.W), 0);
      await fails(user.access('writable', ACCESS.R), 'EACCES');
      await fails(user.access('other', ACCESS.R), 'EACCES');
      await is(user.access('other', ACCESS.F), 0);
      await fails(c.a.access('writable', ACCESS.X), 'EACCES');
      await is(c.a.access('other', ACCESS.R | ACCESS.W), 0);
    },
  },
  'protected symlinks, hard links, files and fifos': {
    tree: {
      shared: dir(
        {
          link: symlink('target', { uid: OTHER, gid: OTHER }),
          target: file('target\n', { mode: 0o666 }),
          theirs: file('theirs\n', { uid: OTHER, mode: 0o666 }),
          secret: file('secret\n', { uid: OTHER, mode: 0o600 }),
        },
        { mode: 0o1777 },
      ),
    },
    run: async (c) => {
      const user = await c.client(USER);
      const link = await user.open('shared/link', O.RDONLY);
      yes(link === (setting('symlinks') > 0 ? -13 : link) && link !== -2, `a link of another: ${link}`);
      await is(user.readlink('shared/link'), 'target');
      await is(user.link('shared/secret', 'shared/more'), setting('hardlinks') > 0 ? -1 : 0);
      const created = await user.open('shared/theirs', O.WRONLY | O.CREAT);
      yes(created === (setting('regular') > 0 ? -13 : created), `O_CREAT of what another made: ${created}`);
      await ok(user.open('shared/theirs', O.WRONLY));
      await ok((await c.client(OTHER)).mknod('shared/pipe', S.IFIFO | 0o666));
      const pipe = await user.open('shared/pipe', O.RDWR | O.CREAT | O.NONBLOCK);
      yes(pipe === (setting('fifos') > 0 ? -13 : pipe), `O_CREAT of another's fifo: ${pipe}`);
    },
  },
  'a program with a capability has it': {
    tree: { sh: file('', { mode: 0o755 }) },
    run: async (c) => {
      await is(c.a.exec('/bin/cp', '/bin/dash', 'sh'), 0);
      const sees =
        'while read k v; do [ "$k" = CapEff: ] && [ "$v" = 0000000000000400 ] && exit 3; done </proc/$$/status; exit 4';
      const user = await c.client(USER);
      await is(user.exec('./sh', '-c', sees), 4);
      await ok(c.a.setxattr('sh', 'security.capability', '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0'));
      await is(user.exec('./sh', '-c', sees), 3);
      await ok(c.a.chown('sh', 0, 0));
      await is(user.exec('./sh', '-c', sees), 4);
    },
  },
  'a setuid program runs as its owner': {
    tree: { sh: file('', { mode: 0o755 }) },
    run: async (c) => {
      await is(c.a.exec('/bin/cp', '/bin/dash', 'sh'), 0);
      const euid = 'while read k r e rest; do [ "$k" = Uid: ] && exit $((e & 127)); done </proc/$$/status';
      const user = await c.client(USER);
      await is(user.exec('./sh', '-p', '-c', euid), USER & 127);
      await ok(c.a.chown('sh', OTHER, OTHER));
      await ok(c.a.chmod('sh', 0o4755));
      await is(user.exec('./sh', '-p', '-c', euid), OTHER & 127);
      const owner = await c.client(OTHER);
      await ok(owner.close(await ok(owner.open('sh', O.WRONLY | O.APPEND))));
      await is(user.exec('./sh', '-p', '-c', euid), OTHER & 127);
    },
  },
  'changed contents are never executed with the privileges of the old ones': {
    tree: { sh: file('', { mode: 0o755 }) },
    run: async (c) => {
      await is(c.a.exec('/bin/cp', '/bin/dash', 'sh'), 0);
      const euid = 'while read k r e rest; do [ "$k" = Uid: ] && exit $((e & 127)); done </proc/$$/status';
      const owner = await c.client(OTHER);
      const user = await c.client(USER);
      await ok(c.a.chown('sh', OTHER, OTHER));
      for (const [name, change] of Object.entries(rewrites)) {
        await ok(c.a.chmod('sh', 0o4755));
        const before = await user.exec('./sh', '-p', '-c', euid);
        await change(owner);
        await is({ name, before, after: await user.exec('./sh', '-p', '-c', euid) }, rewritten(name));
      }
    },
  },
};
