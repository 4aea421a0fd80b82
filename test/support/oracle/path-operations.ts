// Random operations that name files by path. Each maker draws all its numbers at once, so that what
// follows does not hang on how an operation ends.

import type { Agent } from '../agent.js';
import { ACCESS, O, RENAME, S, shownResult } from '../linux.js';
import type { Random } from '../random.js';
import { NAMES, type Paths } from './names.js';
import { type Operation, op } from './operation.js';
import { MAPS, SLOTS, STREAMS } from './world.js';

/** What a maker draws from. */
export interface Source {
  readonly r: Random;
  readonly paths: Paths;
  /** Whether files get further names. */
  readonly links: boolean;
  /**
   * Whether descriptors are opened for writing by several users, and written by others than opened
   * them. In passthrough the kernel writes with the rights of the server: a file that got setuid while
   * it was open keeps it when it is written, and loses it when a user opens it for writing.
   */
  readonly strangersWrite: boolean;
}

export type Maker = (s: Source) => Operation;

/**
 * Any mode. Setgid that is not for executing goes only when a stranger to the group writes, and whether
 * one does is not told of those who open a file that is in passthrough.
 */
export function modeOf({ r, strangersWrite }: Source): number {
  const mode = r.below(0o10000);
  return strangersWrite || (mode & 0o2000) === 0 ? mode : mode | 0o010;
}

const letters = (r: Random, most: number): string => r.pick(['x', 'y', 'z']).repeat(1 + r.below(most));

/** Opens never wait for the other end of a fifo. */
const NONBLOCK = O.NONBLOCK;

/** An ACL as its xattr holds it. */
function acl(r: Random): string {
  const id = 1000 + r.below(3);
  const entries = [
    [0x01, r.below(8), -1],
    [0x02, r.below(8), id],
    [0x04, r.below(8), -1],
    [0x08, r.below(8), id],
    [0x10, r.below(8), -1],
    [0x20, r.below(8), -1],
  ] as const;
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(2, 0);
  for (const [i, [tag, perm, who]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i);
    bytes.writeUInt16LE(perm, 6 + 8 * i);
    bytes.writeInt32LE(who, 8 + 8 * i);
  }
  return bytes.toString('latin1');
}

/** A file capability (cap_net_raw), revision 2. */
const CAPABILITY = '\x01\x00\x00\x02\x00\x20\x00\x00'.padEnd(20, '\0');

// `user.overlay.` is not among them: it is escaped here, and not by kernel overlayfs, which does not read it.
const PLAIN_KEYS = ['user.k', 'user.l', 'trusted.m', 'trusted.overlay.opaque', 'trusted.overlay.redirect'] as const;
const KEYS = [...PLAIN_KEYS, 'security.capability', 'system.posix_acl_access', 'system.posix_acl_default'] as const;

function attribute(r: Random): [string, string] {
  const value = letters(r, 60);
  const list = acl(r);
  const key = r.once(2) ? r.pick(PLAIN_KEYS) : r.pick(KEYS);
  if (key === 'security.capability') return [key, CAPABILITY];
  return [key, key.startsWith('system.') ? list : value];
}

const renameOf: Maker = ({ r, paths }) => {
  const [from, to] = [paths.any(), paths.anyPlace()];
  const flags = r.pick([0, 0, 0, 0, RENAME.NOREPLACE, RENAME.EXCHANGE, RENAME.EXCHANGE]);
  const operation = op(`rename(${from}, ${to}, ${flags})`, (a, w) => a.rename(w.at(from), w.at(to), flags));
  return { ...operation, moves: [from, to] };
};

const openOf: Maker = ({ r, paths }) => {
  const p = r.once(4) ? paths.place() : paths.target();
  const slot = r.below(SLOTS);
  const how = r.pick([O.RDONLY, O.RDWR, O.RDWR, O.WRONLY]);
  const extra = r.pick([0, 0, 0, O.CREAT, O.CREAT | O.EXCL, O.TRUNC, O.APPEND, O.NOFOLLOW, O.DIRECTORY]);
  const flags = how | extra | NONBLOCK;
  return {
    ...(how !== O.RDONLY && { writes: true }),
    text: `fd${slot} = open(${p}, 0${(flags & ~NONBLOCK).toString(8)})`,
    run: (w) => w.open(slot, w.agent.open(w.at(p), flags, 0o640)),
  };
};

const changeOf: Maker = ({ r, paths }) => {
  const p = paths.file();
  const [offset, text, size] = [r.below(9000), letters(r, 3000), r.below(20_000)];
  const write = async (a: Agent, path: string): Promise<number> => {
    const fd = await a.open(path, O.WRONLY | NONBLOCK);
    if (fd < 0) return fd;
    const [wrote] = await Promise.all([a.pwrite(fd, text, offset), a.close(fd)]);
    return wrote;
  };
  return r.pick([
    op(`write(${p}, ${text.length} at ${offset})`, (a, w) => write(a, w.at(p))),
    op(`append(${p}, ${text.length})`, (a, w) => a.put(w.at(p), text, O.WRONLY | O.APPEND | NONBLOCK)),
    op(`replace(${p}, ${text.length})`, (a, w) => a.put(w.at(p), text, O.WRONLY | O.TRUNC | NONBLOCK)),
    op(`truncate(${p}, ${size})`, (a, w) => a.truncate(w.at(p), size)),
  ]);
};

const metaOf: Maker = (s) => {
  const { r, paths } = s;
  const p = paths.target();
  const [mode, id, time] = [modeOf(s), 1000 + r.below(3), BigInt(1 + r.below(1 << 30)) * 1_000_000_007n];
  const [key, value] = attribute(r);
  const set = op(`setxattr(${p}, ${key})`, (a, w) => a.setxattr(w.at(p), key, value));
  return r.pick([
    { ...op(`chmod(${p}, ${mode.toString(8)})`, (a, w) => a.chmod(w.at(p), mode)), privileges: true },
    op(`chown(${p}, ${id}, ${id + 1})`, (a, w) => a.chown(w.at(p), id, id + 1)),
    op(`chown(${p}, -1, ${id})`, (a, w) => a.chown(w.at(p), -1, id)),
    op(`utimens(${p}, ${time})`, (a, w) => a.utimens(w.at(p), time, time)),
    { ...set, privileges: true },
    { ...set, privileges: true },
  ]);
};

const attributeOf: Maker = ({ r, paths }) => {
  const p = paths.target();
  const key = r.pick(KEYS);
  return r.pick([
    op(`getxattr(${p}, ${key})`, (a, w) => a.getxattr(w.at(p), key)),
    op(`listxattr(${p})`, (a, w) => a.listxattr(w.at(p))),
    op(`removexattr(${p}, ${key})`, (a, w) => a.removexattr(w.at(p), key)),
  ]);
};

/** `path`'s names, each with whether its number there is the one that stat shows. */
async function numberedNames(a: Agent, path: string): Promise<unknown> {
  const stream = await a.opendir(path);
  if (stream < 0) return stream;
  const entries = await a.readdir(stream);
  await a.closedir(stream);
  if (typeof entries === 'number') return entries;
  const named = entries.filter(({ name }) => name !== '.' && name !== '..');
  const stats = await Promise.all(named.map(({ name }) => a.lstat(`${path}/${name}`)));
  const told = named.map(({ name, ino }, i) => {
    const st = stats[i] as (typeof stats)[number];
    return `${name}: ${typeof st === 'number' ? shownResult(st) : st.ino === ino}`;
  });
  return told.sort();
}

const readOf: Maker = ({ r, paths }) => {
  const [p, dir] = [paths.any(), paths.dir()];
  return r.pick([
    op(`readdir(${dir})`, (a, w) => a.list(w.at(dir))),
    op(`readdir(${dir}), numbers`, (a, w) => numberedNames(a, w.at(dir))),
    op('readdir(.)', (a) => a.list('.')),
    op(`lstat(${p})`, async (a, w) => w.stat(await a.lstat(w.at(p)))),
    op(`stat(${p})`, async (a, w) => w.stat(await a.stat(w.at(p)))),
    op(`read(${p})`, (a, w) => a.cat(w.at(p), NONBLOCK)),
    op(`readlink(${p})`, (a, w) => a.readlink(w.at(p))),
    op(`access(${p}, W)`, (a, w) => a.access(w.at(p), ACCESS.W)),
    op(`access(${p}, R X)`, (a, w) => a.access(w.at(p), ACCESS.R | ACCESS.X)),
  ]);
};

const createOf: Maker = ({ r, paths, links, strangersWrite }) => {
  const [p, from, text] = [paths.place(), paths.file(), letters(r, 4000)];
  // The umask may take the group's right to execute away.
  const mode = r.below(0o10000) & (strangersWrite ? 0o7777 : 0o5777);
  const target = r.once(3) ? `${r.pick(NAMES)}/${r.pick(NAMES)}` : r.pick([...NAMES, 'nowhere']);
  const type = r.pick([S.IFSOCK, S.IFIFO, S.IFCHR]);
  // A character device 1:3 is the null device. One of 0:0 would be a whiteout.
  const node = op(`mknod(${p}, ${type.toString(8)})`, (a, w) => a.mknod(w.at(p), type | 0o600, 1, 3));
  const made = op(`create(${p}, ${text.length}, ${mode.toString(8)})`, (a, w) =>
    a.put(w.at(p), text, O.WRONLY | O.CREAT | O.EXCL | NONBLOCK, mode),
  );
  return r.pick([
    made,
    made,
    op(`mkdir(${p}, 750)`, (a, w) => a.mkdir(w.at(p), 0o750)),
    op(`mkdir(${p}, 755)`, (a, w) => a.mkdir(w.at(p), 0o755)),
    op(`mkdir(${p}, 777)`, (a, w) => a.mkdir(w.at(p), 0o777)),
    op(`symlink(${target}, ${p})`, (a, w) => a.symlink(target, w.at(p))),
    node,
    links ? op(`link(${from}, ${p})`, (a, w) => a.link(w.at(from), w.at(p))) : made,
    links ? op(`link(${from}, ${p})`, (a, w) => a.link(w.at(from), w.at(p))) : node,
  ]);
};

const removeOf: Maker = ({ r, paths }) => {
  const [file, dir] = [r.once(12) ? paths.dir() : paths.file(), r.once(12) ? paths.file() : paths.dir()];
  return r.pick([
    op(`unlink(${file})`, (a, w) => a.unlink(w.at(file))),
    op(`unlink(${file})`, (a, w) => a.unlink(w.at(file))),
    op(`rmdir(${dir})`, (a, w) => a.rmdir(w.at(dir))),
    op(`rm -r ${dir}`, (a, w) => a.rmtree(w.at(dir))),
  ]);
};

/** A listing in the middle of which the directory changes: the names it does not touch come once each. */
const listingOf: Maker = ({ r, paths }) => {
  const [p, name, taken, first] = [paths.dir(), r.pick(NAMES), r.pick(NAMES), r.below(5)];
  return op(`readdir(${p}) while ${name} comes and ${taken} goes`, async (a, w) => {
    const stream = await a.opendir(w.at(p));
    if (stream < 0) return stream;
    const some = await a.readdir(stream, first);
    await a.put(`${w.at(p)}/${name}`, 'new', O.WRONLY | O.CREAT | O.NOFOLLOW | NONBLOCK);
    await a.unlink(`${w.at(p)}/${taken}`);
    const rest = await a.readdir(stream);
    await a.closedir(stream);
    if (typeof some === 'number' || typeof rest === 'number') return [some, rest];
    const names = [...some, ...rest].map((entry) => entry.name);
    return names.filter((each) => each !== name && each !== taken).sort();
  });
};

const streamOf: Maker = ({ r, paths }) => {
  const [stream, p] = [r.below(STREAMS), r.once(12) ? paths.target() : paths.dir()];
  const read = paths.stream();
  if (r.once(3)) return { text: `stream${stream} = opendir(${p})`, run: (w) => w.opendir(stream, p) };
  return {
    text: `stream${read} read again`,
    run: async (w) => {
      const held = w.streams.get(read);
      if (held === undefined) return 'closed';
      const [, entries] = await Promise.all([w.agent.rewinddir(held), w.agent.readdir(held)]);
      return typeof entries === 'number' ? shownResult(entries) : entries.map(({ name }) => name).sort();
    },
  };
};

const umaskOf: Maker = ({ r }) => {
  const mask = r.pick([0, 0o022, 0o027, 0o077]);
  return op(`umask(0${mask.toString(8)})`, (a) => a.umask(mask));
};

const mapOf: Maker = ({ r, paths }) => {
  const [map, slot, prot] = [r.below(MAPS), paths.slot(), r.pick([1, 3, 3])];
  return { text: `map${map} = mmap(fd${slot}, ${prot})`, run: (w) => w.map(map, slot, prot) };
};

/** How often each is drawn. */
export const pathMakers: readonly (readonly [number, Maker])[] = [
  [8, createOf],
  [5, changeOf],
  [6, metaOf],
  [2, attributeOf],
  [7, readOf],
  [3, removeOf],
  [6, renameOf],
  [6, openOf],
  [1, listingOf],
  [1, streamOf],
  [1, umaskOf],
  [1, mapOf],
];
