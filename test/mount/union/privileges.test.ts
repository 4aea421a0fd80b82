// What takes setuid, setgid and file capabilities away, and what leaves them: each change of a file,
// by each kind of caller, answers and leaves what it does on the host's own filesystem.

import t from 'tap';
import { Agent, hostAgent } from '../../support/agent.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { ok } from '../../support/expect.js';
import { FALLOC, MAP, O, PROT, S, shownResult } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { freshDirectory } from '../../support/paths.js';
import { differences, dir, file, makeTree, type TreeNode, type TreeSpec } from '../../support/tree.js';

const OWNER = 1234;
const GROUP = 2000;
const STRANGER = 4321;
const CAPABILITY = 'security.capability';
/** cap_net_bind_service+ep, revision 2. */
const capability = '\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0';

const privileges: Readonly<Record<string, { mode: number; caps?: true }>> = {
  setuid: { mode: 0o4777 },
  'setgid with x': { mode: 0o2777 },
  'setgid without x': { mode: 0o2767 },
  both: { mode: 0o6777 },
  capability: { mode: 0o777, caps: true },
  'capability without x': { mode: 0o666, caps: true },
};

/** Who calls: user, primary group, supplementary groups. */
const callers: Readonly<Record<string, { uid: number; gid: number; groups: readonly number[] }>> = {
  root: { uid: 0, gid: 0, groups: [] },
  owner: { uid: OWNER, gid: OWNER, groups: [] },
  'owner in the group': { uid: OWNER, gid: OWNER, groups: [GROUP, 3000] },
  stranger: { uid: STRANGER, gid: STRANGER, groups: [] },
  'stranger of the group': { uid: STRANGER, gid: GROUP, groups: [] },
  'stranger also in the group': { uid: STRANGER, gid: STRANGER, groups: [GROUP] },
};

type Change = (a: Agent, path: string) => Promise<number>;

async function opened(a: Agent, path: string, flags: number, use: (fd: number) => Promise<number>): Promise<number> {
  const fd = await a.open(path, flags);
  if (fd < 0) return fd;
  const result = await use(fd);
  await a.close(fd);
  return result;
}

async function mapped(a: Agent, fd: number): Promise<number> {
  const map = await a.mmap(fd, 4096, PROT.READ | PROT.WRITE, MAP.SHARED);
  if (map < 0) return map;
  await a.mapwrite(map, 0, 'M');
  await a.msync(map);
  return a.munmap(map);
}

async function copied(a: Agent, to: number): Promise<number> {
  const from = await ok(a.open('source', O.RDONLY));
  const result = await a.copyrange(from, 0, to, 0, 4);
  await a.close(from);
  return result;
}

const changes: Readonly<Record<string, Change>> = {
  'open for writing': (a, path) => opened(a, path, O.RDWR, async () => 0),
  write: (a, path) => opened(a, path, O.WRONLY, (fd) => a.write(fd, 'W')),
  'write of nothing': (a, path) => opened(a, path, O.WRONLY, (fd) => a.write(fd, '')),
  pwrite: (a, path) => opened(a, path, O.RDWR, (fd) => a.pwrite(fd, 'P', 3)),
  append: (a, path) => opened(a, path, O.WRONLY | O.APPEND, (fd) => a.write(fd, 'A')),
  'direct write': (a, path) => opened(a, path, O.WRONLY | O.DIRECT, (fd) => a.directwrite(fd, 0, 4096, 0x44)),
  'large write': (a, path) => opened(a, path, O.WRONLY, (fd) => a.fill(fd, 0x4c, 0, 200_000)),
  truncate: (a, path) => a.truncate(path, 3),
  'truncate to its own size': (a, path) => a.truncate(path, 8),
  ftruncate: (a, path) => opened(a, path, O.RDWR, (fd) => a.ftruncate(fd, 2)),
  'open with O_TRUNC': (a, path) => opened(a, path, O.WRONLY | O.TRUNC, async () => 0),
  fallocate: (a, path) => opened(a, path, O.RDWR, (fd) => a.fallocate(fd, 0, 0, 20_000)),
  'punch a hole': (a, path) =>
    opened(a, path, O.RDWR, (fd) => a.fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, 0, 4)),
  copy_file_range: (a, path) => opened(a, path, O.WRONLY, (fd) => copied(a, fd)),
  'write through a mapping': (a, path) => opened(a, path, O.RDWR, (fd) => mapped(a, fd)),
  'chown to another user': (a, path) => a.chown(path, STRANGER, -1),
  'chown to the same user': (a, path) => a.chown(path, OWNER, -1),
  'chgrp to another group': (a, path) => a.chown(path, -1, 3000),
  'chgrp to the same group': (a, path) => a.chown(path, -1, GROUP),
  'chown of nothing': (a, path) => a.chown(path, -1, -1),
  fchown: (a, path) => opened(a, path, O.RDONLY, (fd) => a.fchown(fd, -1, 3000)),
  'chmod that keeps the mode': async (a, path) => {
    const st = await a.stat(path);
    return typeof st === 'number' ? st : a.chmod(path, st.mode & 0o7777);
  },
  'chmod that takes x': (a, path) => a.chmod(path, 0o6666),
  utimens: (a, path) => a.utimens(path, 1n, 1n),
  'setxattr of a capability': (a, path) => a.setxattr(path, CAPABILITY, capability),
  'removexattr of a capability': (a, path) => a.removexattr(path, CAPABILITY),
  'setxattr of a user attribute': (a, path) => a.setxattr(path, 'user.tag', 'x'),
  'setxattr of an ACL': (a, path) =>
    a.setxattr(
      path,
      'system.posix_acl_access',
      '\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x06\0\x63\0\0\0\x04\0\x07\0\xff\xff\xff\xff\x10\0\x07\0\xff\xff\xff\xff\x20\0\x07\0\xff\xff\xff\xff',
    ),
  rename: async (a, path) => (await a.rename(path, `${path}.new`)) || (await a.rename(`${path}.new`, path)),
};

/** What Linux's FUSE does by itself, whatever the driver answers; each must still differ somewhere. */
const known: Readonly<Record<string, string>> = {
  'chown of nothing': 'FUSE sends no request for it, and the kernel leaves the stripping to the driver',
  'write through a mapping': 'the pages arrive as a write, which takes capabilities away; without a driver they stay',
};

/** One file for each caller and privilege. */
function victims(): TreeSpec {
  const spec: Record<string, TreeNode> = { source: file('copied in') };
  for (const caller of Object.keys(callers)) {
    for (const [privilege, { mode, caps }] of Object.entries(privileges)) {
      const xattrs = caps ? { [CAPABILITY]: capability } : {};
      spec[`${caller}, ${privilege}`] = file('contents', { mode, uid: OWNER, gid: GROUP, xattrs });
    }
  }
  return spec;
}

/** A directory for each change, writable by all. */
function layer(prefix: string): TreeSpec {
  const entries = Object.keys(changes).map((change): [string, TreeNode] => [
    `${prefix} ${change}`,
    dir(victims(), { mode: 0o777 }),
  ]);
  return Object.fromEntries(entries);
}

/** What a change answered and left, as text. */
async function outcome(client: Agent, root: Agent, path: string, change: Change): Promise<string> {
  const result = await change(client, path);
  const st = await ok(root.stat(path));
  const caps = await root.getxattr(path, CAPABILITY);
  const kept = typeof caps === 'string' ? 'capability' : shownResult(caps);
  return `${shownResult(result)}, ${(st.mode & ~S.IFMT).toString(8)} ${st.uid}:${st.gid} size ${st.size}, ${kept}`;
}

/** Every outcome below `base`, by "caller, privilege: change". */
async function outcomes(base: string, prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const root = await Agent.start(base);
  for (const [caller, { uid, gid, groups }] of Object.entries(callers)) {
    const client = await Agent.start(base);
    if (uid !== 0) await ok(client.becomes(uid, gid, ...groups));
    for (const [name, change] of Object.entries(changes)) {
      await ok(client.chdir(`${base}/${prefix} ${name}`));
      await ok(root.chdir(`${base}/${prefix} ${name}`));
      for (const privilege of Object.keys(privileges)) {
        const path = `${caller}, ${privilege}`;
        found[`${path}: ${name}`] = await outcome(client, root, path, change);
      }
    }
    await client.stop();
  }
  await root.stop();
  return found;
}

const hostBase = freshDirectory('privileges');
await makeTree(hostBase, { ...layer('plain'), '.': dir({}, { mode: 0o755 }) });
const wanted = await outcomes(hostBase, 'plain');

await t.test('a change of a file takes the privileges away that it takes away on the host', (t) =>
  onEach(
    t,
    chosen([native, nativeCached]),
    { lowers: [layer('lower')], upper: layer('upper'), timeout: 100_000 },
    async (m, t) => {
      for (const prefix of ['lower', 'upper']) {
        const differing = differences(await outcomes(m.root, prefix), wanted);
        const isKnown = (line: string, change: string): boolean =>
          line.split('\n')[0]?.endsWith(`: ${change}`) ?? false;
        const unknown = differing.filter((line) => !Object.keys(known).some((change) => isKnown(line, change)));
        t.strictSame(unknown, [], `files in the ${prefix}`);
        for (const [change, reason] of Object.entries(known)) {
          t.ok(
            differing.some((line) => isKnown(line, change)),
            `${change}: ${reason}`,
          );
        }
      }
    },
  ),
);

await (await hostAgent()).rmtree(hostBase);
