// A directory tree as a value: how one is described, made on the host, read back and compared.
// Names and contents are byte strings. Knows every layer dialect, and nothing of mounts.

import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import type { Agent } from './agent.js';
import { hostAgent } from './agent.js';
import { splitTime } from './agent-calls.js';
import { room } from './configs.js';
import { O, S } from './linux.js';
import { decode } from './tokens.js';

/** The time every made file has unless it says otherwise; odd nanoseconds on purpose. */
export const MADE_AT = 1_500_000_000_123_456_789n;

export interface Meta {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: bigint;
  readonly xattrs?: Readonly<Record<string, string>>;
}

export type WhiteoutDialect = 'char' | 'wh' | 'xattr-trusted' | 'xattr-user';
export type OpaqueDialect = 'trusted' | 'user' | 'fuseoverlayfs' | 'wh';

export type TreeNode = string | FullNode;

type FullNode =
  | ({ readonly kind: 'file'; readonly content: string } & Meta)
  | ({ readonly kind: 'sparse'; readonly size: number; readonly pieces: Readonly<Record<number, string>> } & Meta)
  | ({ readonly kind: 'dir'; readonly children: TreeSpec; readonly opaque?: OpaqueDialect } & Meta)
  | ({ readonly kind: 'symlink'; readonly target: string } & Meta)
  | ({ readonly kind: 'node'; readonly type: number; readonly major: number; readonly minor: number } & Meta)
  | { readonly kind: 'hardlink'; readonly to: string }
  | { readonly kind: 'whiteout'; readonly dialect: WhiteoutDialect };

/** Children by name. The name `.` describes the root itself (a dir node without children). */
export type TreeSpec = { readonly [name: string]: TreeNode };

export const file = (content: string, meta: Meta = {}): TreeNode => ({ kind: 'file', content, ...meta });
export const dir = (children: TreeSpec, meta: Meta & { opaque?: OpaqueDialect } = {}): TreeNode => ({
  kind: 'dir',
  children,
  ...meta,
});
export const symlink = (target: string, meta: Meta = {}): TreeNode => ({ kind: 'symlink', target, ...meta });
export const device = (major: number, minor: number, meta: Meta = {}): TreeNode => ({
  kind: 'node',
  type: S.IFCHR,
  major,
  minor,
  ...meta,
});
export const fifo = (meta: Meta = {}): TreeNode => ({ kind: 'node', type: S.IFIFO, major: 0, minor: 0, ...meta });
/** Another name of the file at `to`, a path from the tree's root. */
export const hardlink = (to: string): TreeNode => ({ kind: 'hardlink', to });
export const whiteout = (dialect: WhiteoutDialect = 'char'): TreeNode => ({ kind: 'whiteout', dialect });
export const sparse = (size: number, pieces: Readonly<Record<number, string>>, meta: Meta = {}): TreeNode => ({
  kind: 'sparse',
  size,
  pieces,
  ...meta,
});

const opaqueXattr: Readonly<Record<Exclude<OpaqueDialect, 'wh'>, string>> = {
  trusted: 'trusted.overlay.opaque',
  user: 'user.overlay.opaque',
  fuseoverlayfs: 'user.fuseoverlayfs.opaque',
};

async function must(result: Promise<number>, what: string): Promise<number> {
  const value = await result;
  if (value < 0) throw new Error(`cannot make ${what}: ${value}`);
  return value;
}

/** As `must`, but what a plain user or a user namespace is refused is left out: the case that needs it tells. */
async function permitted(result: Promise<number>, what: string): Promise<boolean> {
  const value = await result;
  const { EPERM, EINVAL } = constants.errno;
  const refused = value === -EPERM || value === -EINVAL;
  if (value < 0 && !(room !== undefined && refused)) throw new Error(`cannot make ${what}: ${value}`);
  return value >= 0;
}

/** Work left for when all files exist: hard links first, then metadata, children before parents. */
interface Later {
  readonly root: string;
  readonly links: [string, string][];
  readonly metas: [string, Meta, TreeNode][];
}

async function writePieces(agent: Agent, path: string, size: number, pieces: Readonly<Record<number, string>>) {
  const fd = await must(agent.open(path, O.WRONLY | O.CREAT | O.TRUNC, 0o644), path);
  for (const [offset, data] of Object.entries(pieces)) {
    if (data !== '') await must(agent.pwrite(fd, data, Number(offset)), path);
  }
  await must(agent.ftruncate(fd, size), path);
  await agent.close(fd);
}

async function makeWhiteout(agent: Agent, parent: string, name: string, dialect: WhiteoutDialect): Promise<void> {
  if (dialect === 'wh') {
    await must(agent.put(`${parent}/.wh.${name}`, ''), name);
    return;
  }
  if (dialect === 'char') {
    await must(agent.mknod(`${parent}/${name}`, S.IFCHR, 0, 0), name);
    return;
  }
  const space = dialect === 'xattr-user' ? 'user' : 'trusted';
  await must(agent.put(`${parent}/${name}`, ''), name);
  await must(agent.setxattr(`${parent}/${name}`, `${space}.overlay.whiteout`, ''), name);
  await must(agent.setxattr(parent, `${space}.overlay.opaque`, 'x'), parent);
}

async function makeDirectory(agent: Agent, path: string, node: FullNode & { kind: 'dir' }, later: Later) {
  await must(agent.mkdir(path), path);
  for (const [name, child] of Object.entries(node.children)) await makeNode(agent, path, name, child, later);
  if (node.opaque === 'wh') await must(agent.put(`${path}/.wh..wh..opq`, ''), path);
  else if (node.opaque) await must(agent.setxattr(path, opaqueXattr[node.opaque], 'y'), path);
}

async function makeNode(agent: Agent, parent: string, name: string, given: TreeNode, later: Later): Promise<void> {
  const node: FullNode = typeof given === 'string' ? { kind: 'file', content: given } : given;
  const path = `${parent}/${name}`;
  if (node.kind === 'hardlink') {
    later.links.push([`${later.root}/${node.to}`, path]);
    return;
  }
  if (node.kind === 'whiteout') return makeWhiteout(agent, parent, name, node.dialect);
  if (node.kind === 'file') await writePieces(agent, path, node.content.length, { 0: node.content });
  else if (node.kind === 'sparse') await writePieces(agent, path, node.size, node.pieces);
  else if (node.kind === 'dir') await makeDirectory(agent, path, node, later);
  else if (node.kind === 'symlink') await must(agent.symlink(node.target, path), path);
  else if (!(await permitted(agent.mknod(path, node.type | 0o644, node.major, node.minor), path))) return;
  later.metas.push([path, node, node]);
}

async function applyMeta(agent: Agent, path: string, meta: Meta, node: TreeNode): Promise<void> {
  const isLink = typeof node === 'object' && node.kind === 'symlink';
  if (meta.uid !== undefined || meta.gid !== undefined) {
    await permitted(agent.chown(path, meta.uid ?? 0, meta.gid ?? 0), path);
  }
  if (meta.mode !== undefined && !isLink) await must(agent.chmod(path, meta.mode), path);
  for (const [key, value] of Object.entries(meta.xattrs ?? {})) await permitted(agent.setxattr(path, key, value), key);
  const time = meta.mtime ?? MADE_AT;
  await must(agent.utimens(path, time, time), path);
}

/** Makes the tree in the existing empty directory `path`. */
export async function makeTree(path: string, spec: TreeSpec): Promise<void> {
  const agent = await hostAgent();
  const root = Buffer.from(path, 'utf8').toString('latin1');
  const later: Later = { root, links: [], metas: [] };
  for (const [name, node] of Object.entries(spec)) {
    if (name !== '.') await makeNode(agent, root, name, node, later);
  }
  for (const [from, to] of later.links) await must(agent.link(from, to), to);
  for (const [where, meta, node] of later.metas) await applyMeta(agent, where, meta, node);
  const self = spec['.'];
  if (typeof self === 'object' && self.kind === 'dir' && self.opaque && self.opaque !== 'wh') {
    await must(agent.setxattr(root, opaqueXattr[self.opaque], 'y'), root);
  }
  await applyMeta(agent, root, typeof self === 'object' ? (self as Meta) : {}, 'root');
}

/** One file as the walk saw it. */
export interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly ino: string;
  readonly dev: string;
  readonly size: number;
  readonly mtime: bigint;
  readonly rdev: string;
  readonly hash: string;
  readonly target: string;
  readonly xattrs: readonly string[];
}

const FIELDS = 15;

function parseEntry(v: readonly string[]): Entry {
  return {
    path: decode(v[0]),
    mode: Number(v[1]),
    uid: Number(v[2]),
    gid: Number(v[3]),
    nlink: Number(v[4]),
    ino: v[5] as string,
    dev: v[6] as string,
    size: Number(v[7]),
    mtime: BigInt(v[8] as string) * 1_000_000_000n + BigInt(v[9] as string),
    rdev: `${v[10]}:${v[11]}`,
    hash: v[12] as string,
    target: decode(v[13]),
    xattrs: decode(v[14]).split('\0').filter(Boolean),
  };
}

/** Every file below `path` (relative to the agent's directory), the root first as `.`. */
export async function walkTree(agent: Agent, path = '.'): Promise<Entry[]> {
  const { result, values } = await agent.call('walk', path);
  if (result < 0) throw new Error(`walk of ${path}: ${result}`);
  if (values.at(-1) !== '0')
    throw new Error(`walk of ${path}: ${values.at(-1)} failures, first ${decode(values.at(-2))}`);
  const entries: Entry[] = [];
  for (let at = 0; at + FIELDS <= values.length; at += FIELDS) entries.push(parseEntry(values.slice(at, at + FIELDS)));
  return entries;
}

export interface Comparison {
  /** Modification times to the nanosecond; false leaves them out. */
  readonly mtime?: boolean;
  /** Modification times up to this one to the nanosecond, any later one as `late`. */
  readonly since?: bigint;
  /** `all` includes trusted and security ones, `user` is the default. */
  readonly xattrs?: 'none' | 'user' | 'all';
  /** Which names are one file; true by default. */
  readonly links?: boolean;
  /** Leaves out the root directory's own line. */
  readonly root?: boolean;
}

const SHOWN_XATTRS = /^(user\.|system\.posix_acl|security\.capability)/;

function linkGroups(entries: readonly Entry[]): Map<string, string> {
  const groups = new Map<string, string>();
  for (const entry of entries) {
    const key = `${entry.dev}:${entry.ino}`;
    if ((entry.mode & S.IFMT) !== S.IFDIR && !groups.has(key)) groups.set(key, entry.path);
  }
  return groups;
}

function describe(entry: Entry, group: string | undefined, how: Comparison): string {
  const type = entry.mode & S.IFMT;
  const parts = [entry.mode.toString(8), `${entry.uid}:${entry.gid}`];
  if (type === S.IFREG) parts.push(`size ${entry.size}`, `hash ${entry.hash}`);
  if (type === S.IFLNK) parts.push(`-> ${entry.target}`);
  if (type === S.IFCHR || type === S.IFBLK) parts.push(`dev ${entry.rdev}`);
  if (group !== undefined && entry.nlink > 1 && how.links !== false) parts.push(`nlink ${entry.nlink} as ${group}`);
  if (how.mtime) parts.push(`mtime ${entry.mtime}`);
  // Linux moves no times of a fifo on FUSE when it is written.
  const shown = how.since !== undefined && type !== S.IFIFO;
  if (shown) parts.push(`mtime ${entry.mtime > (how.since as bigint) ? 'late' : entry.mtime}`);
  if (how.xattrs === 'none') return parts.join(' ');
  const kept = entry.xattrs.filter((pair) => how.xattrs === 'all' || SHOWN_XATTRS.test(pair));
  return [...parts, ...kept.map((pair) => JSON.stringify(pair))].join(' ');
}

/** The tree in the form that two trees are compared in: one line for each path. */
export function canonical(entries: readonly Entry[], how: Comparison = {}): Record<string, string> {
  const groups = linkGroups(entries);
  const lines: Record<string, string> = {};
  for (const entry of entries) {
    if (entry.path === '.' && how.root === false) continue;
    lines[entry.path] = describe(entry, groups.get(`${entry.dev}:${entry.ino}`), how);
  }
  return lines;
}

/** The canonical form of the tree at a host path or below an agent's directory. */
export async function readTree(path: string, how: Comparison = {}, agent?: Agent): Promise<Record<string, string>> {
  return canonical(await walkTree(agent ?? (await hostAgent()), path), how);
}

/** One number for everything a layer holds: content, metadata, xattrs, inode numbers. */
export async function checksumTree(path: string): Promise<string> {
  const { result, values } = await (await hostAgent()).call('walk', path);
  return createHash('sha256')
    .update(`${result} ${values.join(' ')}`)
    .digest('hex');
}

/** The paths whose lines differ, as text for a failure message. */
export function differences(found: Record<string, string>, wanted: Record<string, string>): string[] {
  const paths = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  return paths
    .filter((path) => found[path] !== wanted[path])
    .map((path) => `${path}\n  found  ${found[path] ?? 'nothing'}\n  wanted ${wanted[path] ?? 'nothing'}`);
}

/** Sets both times of a host path, for tests that age a layer. */
export async function setTimes(path: string, ns: bigint): Promise<void> {
  const [sec, nsec] = splitTime(ns);
  await (await hostAgent()).call('utimens', path, sec, nsec, sec, nsec);
}
