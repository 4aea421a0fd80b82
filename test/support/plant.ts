// Layers on the host for unit tests: a tree described by tree.ts made at once, without an agent, and a
// fingerprint of a layer that changes with anything in it. Synchronous; runs as root.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { linkSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, S_IFCHR } from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { MADE_AT, type Meta, type OpaqueDialect, type TreeNode, type TreeSpec } from './tree.js';

type FullNode = Exclude<TreeNode, string>;
type NodeOf<K extends FullNode['kind']> = Extract<FullNode, { kind: K }>;

const opaqueKeys: Readonly<Record<Exclude<OpaqueDialect, 'wh'>, string>> = {
  trusted: 'trusted.overlay.opaque',
  user: 'user.overlay.opaque',
  fuseoverlayfs: 'user.fuseoverlayfs.opaque',
};

function must(result: number, what: string): number {
  if (result < 0) throw new Error(`${what}: ${result}`);
  return result;
}

export const raw = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

function writeFile(fd: number, name: string, size: number, pieces: Readonly<Record<number, string>>): void {
  const file = must(sys.openAt(fd, name, O_CREAT | O_EXCL | O_RDWR, 0o644), name);
  for (const [offset, data] of Object.entries(pieces)) {
    if (data !== '') must(sys.pwrite(file, raw(data), Number(offset)), name);
  }
  must(sys.ftruncate(file, size), name);
  sys.close(file);
}

function plantWhiteout(fd: number, name: string, node: NodeOf<'whiteout'>): void {
  if (node.dialect === 'wh') writeFile(fd, `.wh.${name}`, 0, {});
  else if (node.dialect === 'char') must(sys.mknodAt(fd, name, S_IFCHR, 0), name);
  else {
    const space = node.dialect === 'xattr-user' ? 'user' : 'trusted';
    writeFile(fd, name, 0, {});
    must(sys.setXattr(fd, name, `${space}.overlay.whiteout`, raw(''), 0), name);
    must(sys.setXattr(fd, '', `${space}.overlay.opaque`, raw('x'), 0), name);
  }
}

function markOpaque(fd: number, dialect: OpaqueDialect | undefined): void {
  if (dialect === 'wh') writeFile(fd, '.wh..wh..opq', 0, {});
  else if (dialect !== undefined) must(sys.setXattr(fd, '', opaqueKeys[dialect], raw('y'), 0), dialect);
}

function applyMeta(fd: number, name: string, meta: Meta, fallbackMode: number | null): void {
  if (meta.uid !== undefined || meta.gid !== undefined) {
    must(sys.chownAt(fd, name, meta.uid ?? 0, meta.gid ?? 0), `chown ${name}`);
  }
  const mode = fallbackMode === null ? null : (meta.mode ?? fallbackMode);
  if (mode !== null) must(sys.chmodAt(fd, name, mode), `chmod ${name}`);
  for (const [key, value] of Object.entries(meta.xattrs ?? {})) must(sys.setXattr(fd, name, key, raw(value), 0), key);
  const time = meta.mtime ?? MADE_AT;
  const seconds = Number(time / 1_000_000_000n);
  const nanoseconds = Number(time % 1_000_000_000n);
  must(sys.utimensAt(fd, name, seconds, nanoseconds, seconds, nanoseconds), `utimens ${name}`);
}

function plantNode(fd: number, name: string, node: Exclude<FullNode, NodeOf<'hardlink'>>): void {
  switch (node.kind) {
    case 'whiteout':
      plantWhiteout(fd, name, node);
      return;
    case 'file':
      writeFile(fd, name, node.content.length, { 0: node.content });
      break;
    case 'sparse':
      writeFile(fd, name, node.size, node.pieces);
      break;
    case 'symlink':
      must(sys.symlinkAt(node.target, fd, name), name);
      break;
    case 'node': {
      const rdev = (node.minor & 0xff) | (node.major << 8) | ((node.minor & ~0xff) << 12);
      must(sys.mknodAt(fd, name, node.type | 0o644, rdev), name);
      break;
    }
    case 'dir':
      must(sys.mkdirAt(fd, name, 0o755), name);
  }
  if (node.kind === 'dir') return;
  applyMeta(fd, name, node, node.kind === 'symlink' ? null : 0o644);
}

function plantIn(fd: number, spec: TreeSpec, prefix: string, links: [string, string][]): void {
  for (const [name, given] of Object.entries(spec)) {
    if (name === '.') continue;
    const node: FullNode = typeof given === 'string' ? { kind: 'file', content: given } : given;
    if (node.kind === 'hardlink') {
      links.push([node.to, `${prefix}${name}`]);
      continue;
    }
    plantNode(fd, name, node);
    if (node.kind !== 'dir') continue;
    const inside = must(sys.openAt(fd, name, O_RDONLY | O_DIRECTORY, 0), name);
    plantIn(inside, node.children, `${prefix}${name}/`, links);
    markOpaque(inside, node.opaque);
    sys.close(inside);
    applyMeta(fd, name, node, 0o755);
  }
}

/** Makes `spec` in the existing empty directory `path`. */
export function plant(path: string, spec: TreeSpec): void {
  const links: [string, string][] = [];
  const fd = must(sys.openPath(path, O_RDONLY | O_DIRECTORY), path);
  plantIn(fd, spec, '', links);
  for (const [from, to] of links) linkSync(`${path}/${from}`, `${path}/${to}`);
  const self = spec['.'];
  if (typeof self === 'object' && self.kind === 'dir') {
    markOpaque(fd, self.opaque);
    applyMeta(fd, '', self, 0o755);
  } else applyMeta(fd, '', {}, 0o755);
  sys.close(fd);
}

/** A value that changes when anything below `path` does, times of reading left out. */
export function fingerprint(path: string): string {
  const hash = createHash('sha256');
  const visit = (at: Buffer): void => {
    const stat = lstatSync(at, { bigint: true });
    hash
      .update(at)
      .update(`${stat.ino} ${stat.mode} ${stat.uid} ${stat.nlink} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}\n`);
    if (stat.isSymbolicLink()) hash.update(readlinkSync(at, 'buffer'));
    if (stat.isFile()) hash.update(readFileSync(at));
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(at, 'buffer')) visit(Buffer.concat([at, Buffer.from('/'), name]));
  };
  visit(Buffer.from(path));
  return hash.digest('hex');
}
