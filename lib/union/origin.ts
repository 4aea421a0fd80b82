// Where a copied-up file came from: the lower's file handle in kernel overlayfs's form (struct ovl_fb),
// kept in the `origin` xattr, and as hex the name of its entry in the index. No policy.

import { Buffer } from 'node:buffer';
import type { HostHandle, Syscalls } from '../sys/calls.js';
import { O_PATH } from '../sys/constants.js';
import type { Examined } from '../sys/examined.js';
import { type Stat, W } from '../sys/stat.js';
import { isUpper, type Layer } from './layers.js';
import { dialects } from './private-xattrs.js';
import type { Union } from './union.js';

const VERSION = 0;
const MAGIC = 0xfb;
const HEADER = 21;
const originNames = dialects('origin');

/** Encodes the handle of a lower file. `uuid` is its filesystem's, 16 bytes. */
export function encodeOrigin(handle: HostHandle, uuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + handle.bytes.length);
  bytes[0] = VERSION;
  bytes[1] = MAGIC;
  bytes[2] = bytes.length;
  bytes[4] = handle.type;
  bytes.set(uuid.subarray(0, 16), 5);
  bytes.set(handle.bytes, HEADER);
  return bytes;
}

/** The parts of an origin; null when it is of another version, byte order or length. */
export function decodeOrigin(bytes: Uint8Array): { handle: HostHandle; uuid: Uint8Array } | null {
  const bigEndian = ((bytes[3] ?? 0) & 1) !== 0;
  const known = bytes[0] === VERSION && bytes[1] === MAGIC && bytes[2] === bytes.length && bytes.length > HEADER;
  if (!known || bigEndian) return null;
  return { handle: { type: bytes[4] as number, bytes: bytes.slice(HEADER) }, uuid: bytes.slice(5, HEADER) };
}

const uuids = new WeakMap<Layer, Uint8Array>();

/** The uuid of a layer's filesystem; zeros where it has none. */
export function layerUuid(sys: Syscalls, layer: Layer): Uint8Array {
  const known = uuids.get(layer);
  if (known !== undefined) return known;
  const asked = sys.fsUuid(layer.fd);
  const uuid = typeof asked === 'number' ? new Uint8Array(16) : asked.slice(0, 16);
  uuids.set(layer, uuid);
  return uuid;
}

/** The origin value of what lies at `fd`/`name` in `layer`; null where the host gives no handles. */
export function originOf(sys: Syscalls, layer: Layer, fd: number, name: string): Uint8Array | null {
  const handle = sys.nameToHandle(fd, name);
  return typeof handle === 'number' ? null : encodeOrigin(handle, layerUuid(sys, layer));
}

/** The same of what was `examined` in `layer`. */
export function originOfExamined(sys: Syscalls, layer: Layer, examined: Examined): Uint8Array | null {
  const { handle } = examined;
  return handle === null ? null : encodeOrigin(handle, layerUuid(sys, layer));
}

/** The stored origin of the upper file at `fd`/`name`, or null. */
export function readOrigin(u: Union, fd: number, name: string): Uint8Array | null {
  for (const key of originNames) {
    const value = u.sys.getXattr(fd, name, key);
    if (typeof value !== 'number') return value;
  }
  return null;
}

/** Word positions (low, high) of the inode number in the handles of the filesystems that are known. */
const numberPlaces: readonly (readonly [number, number])[] = [
  [0, -1], // ext4, f2fs: number, generation
  [0, 1], // xfs, btrfs: a number of 64 bits first
  [1, 2], // tmpfs: generation, number
];
const SHORT_HANDLE = 8;

function wordAt(handle: HostHandle, place: number): number {
  return place < 0 ? 0 : Buffer.from(handle.bytes).readUInt32LE(4 * place);
}

const known = new WeakMap<Layer, { type: number; length: number; place: readonly [number, number] } | null>();

/** Where `layer`'s handles hold the inode number, learned from its root's; null when that does not show. */
function numberPlace(sys: Syscalls, layer: Layer, scratch: Stat): ReturnType<typeof known.get> {
  const before = known.get(layer);
  if (before !== undefined) return before;
  const root = sys.nameToHandle(layer.fd, '');
  const told = typeof root !== 'number' && sys.statAt(layer.fd, '', scratch) === 0 && root.bytes.length >= SHORT_HANDLE;
  const place = told
    ? numberPlaces
        .filter(([, high]) => (root.bytes.length === SHORT_HANDLE) === high < 0)
        .find(([low, high]) => wordAt(root, low) === scratch.inoLow && wordAt(root, high) === scratch.inoHigh)
    : undefined;
  const learned = told && place !== undefined ? { type: root.type, length: root.bytes.length, place } : null;
  known.set(layer, learned);
  return learned;
}

/**
 * Where the host opens no handles for this server (a user namespace, a plain user), the handle itself
 * still tells the number. A copy that has an origin and is not in the index had one link only.
 */
function readNumber(sys: Syscalls, layer: Layer, handle: HostHandle, out: Stat): boolean {
  const learned = numberPlace(sys, layer, out);
  if (learned == null || learned.type !== handle.type || learned.length !== handle.bytes.length) return false;
  const [low, high] = learned.place;
  out.words.fill(0);
  out.setIno(wordAt(handle, low), wordAt(handle, high));
  out.words[W.dev] = layer.dev;
  out.nlink = 1;
  return true;
}

/** The layer whose filesystem an origin is of. */
function layerOfOrigin(u: Union, { uuid }: { uuid: Uint8Array }): Layer | undefined {
  const wanted = Buffer.from(uuid);
  return u.layers.find((candidate) => !isUpper(candidate) && wanted.equals(layerUuid(u.sys, candidate)));
}

/**
 * Fills `out` with the number, filesystem and link count of the lower file that `origin` names; false
 * when it is not here.
 */
export function statOrigin(u: Union, origin: Uint8Array, out: Stat): boolean {
  const decoded = decodeOrigin(origin);
  if (decoded === null) return false;
  const layer = layerOfOrigin(u, decoded);
  if (layer === undefined) return false;
  if (!u.features.openHandles) return readNumber(u.sys, layer, decoded.handle, out);
  const fd = u.sys.openHandle(layer.fd, decoded.handle, O_PATH);
  if (fd < 0) return false;
  const result = u.sys.statAt(fd, '', out);
  u.sys.close(fd);
  return result === 0;
}

/**
 * Where what `origin` names is itself a copy, in an upper that was sealed: fills `out` with what the first of them was
 * made from, whose number all show. Else `out` stays.
 */
export function statFirstOrigin(u: Union, origin: Uint8Array, out: Stat): void {
  if (!u.features.openHandles) return;
  const sealed = u.layers.filter((layer) => layer.sealed).length;
  let last = origin;
  for (let left = sealed; left > 0; left -= 1) {
    const earlier = originOfOrigin(u, last);
    if (earlier === null || !statOrigin(u, earlier, out)) return;
    last = earlier;
  }
}

function originOfOrigin(u: Union, origin: Uint8Array): Uint8Array | null {
  const decoded = decodeOrigin(origin);
  const layer = decoded === null ? undefined : layerOfOrigin(u, decoded);
  if (decoded === null || layer === undefined) return null;
  const fd = u.sys.openHandle(layer.fd, decoded.handle, O_PATH);
  if (fd < 0) return null;
  const earlier = readOrigin(u, fd, '');
  u.sys.close(fd);
  return earlier;
}

/**
 * The origin that a copy of the file at `from` in `layer` gets. Where nobody can ask what an origin was itself copied
 * from, a copy of a copy takes over the origin of that. Kernel overlayfs wants the next lower's file.
 */
export function originOfCopy(
  u: Union,
  layer: Layer,
  from: { readonly fd: number; readonly name: string },
  examined: Examined,
): Uint8Array | null {
  const asks = layer.sealed && examined.stat.nlink === 1 && !u.features.openHandles;
  const earlier = asks ? readOrigin(u, from.fd, from.name) : null;
  return earlier ?? originOfExamined(u.sys, layer, examined);
}
