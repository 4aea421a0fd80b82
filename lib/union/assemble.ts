// A union from its options: layers opened and locked, the workdir made empty, features probed, the
// root's stack settled. And apart again.

import { basename, dirname } from 'node:path/posix';
import { LRUCache } from 'lru-cache';
import { ErrnoError, errno, fail } from '../errno.js';
import { log } from '../log.js';
import { HandleTable } from '../nodes/handle-table.js';
import { NodeTable } from '../nodes/node-table.js';
import type { Jobs, Syscalls } from '../sys/calls.js';
import { check } from '../sys/check.js';
import { LOCK_EX, LOCK_NB, MOUNT_ATTR_NOATIME, O_DIRECTORY, O_PATH, O_RDONLY } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import { Stat } from '../sys/stat.js';
import { accessTimes, throughClone } from './access-times.js';
import { dropCopy } from './copy-data.js';
import { DirFds, LayerDir } from './dir-fds.js';
import { type Features, mapsFewIds, probeFeatures, readOnlyFeatures } from './features.js';
import { forgetNode } from './forget.js';
import { release, takeOver } from './handles.js';
import { addName, identify } from './hard-links.js';
import { idViews } from './ids-mapping.js';
import { DirNode, type FileHandle, FileNode, type Inode } from './inode.js';
import { InodeNumbers, loadHasher } from './inode-numbers.js';
import {
  closeLayers,
  isUpper,
  type Layer,
  MountError,
  openLayers,
  openWritable,
  scratchLayer,
  seal,
} from './layers.js';
import { OPAQUE_FILE } from './marks.js';
import { Negatives } from './negatives.js';
import type { MountOptions } from './options.js';
import type { OverrideCalls } from './override-calls.js';
import { overridesOf } from './overrides.js';
import { RowNodes } from './row-nodes.js';
import { dropFrozen } from './sealing.js';
import { withShownIds } from './shown-ids.js';
import type { DataPlane, Staleness, Union } from './union.js';
import { Workdir } from './workdir.js';

/** Descriptors of layer directories kept open, at most; a quarter of what this process may have. */
const DIR_FDS = 1024;
/** Directory listings kept in cookie order. */
const LISTINGS = 64;

/** How long a mount that is just ending may keep its locks, milliseconds, and how often they are tried. */
const LOCK_PATIENCE = 3000;
const LOCK_PAUSE = 50;

/** Nothing is mounted yet, so nobody waits for this thread. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** A directory that only one writable mount may use. */
interface Lockable {
  readonly option: string;
  readonly path: string;
  readonly fd: number;
}

/**
 * Takes every lock; they end with the process. After an unmount the old process lives a moment longer than its
 * mount, so locks that are taken are tried again for a while. False: another mount has them.
 */
function lock(sys: Syscalls, exclusive: boolean, places: readonly Lockable[]): boolean {
  let patience = exclusive ? LOCK_PATIENCE : LOCK_PATIENCE / 3;
  for (const { option, path, fd } of places) {
    let result = sys.flock(fd, LOCK_EX | LOCK_NB);
    for (; result === -errno.EAGAIN && patience > 0; patience -= LOCK_PAUSE) {
      pause(LOCK_PAUSE);
      result = sys.flock(fd, LOCK_EX | LOCK_NB);
    }
    if (result === 0) continue;
    if (result !== -errno.EAGAIN) throw fail('EIO', `lock ${path}`);
    const message = `${option} ${shown(path)} is in use by another writable mount`;
    if (exclusive) throw new MountError(message);
    log.warn(`${message}: neither sees what the other changes`);
    return false;
  }
  return true;
}

/** WORK, and the directory that the upper lies in where that is wanted, both open. */
interface Surroundings {
  readonly outer: number;
  readonly home: OwnedFd | null;
}

/** Opens them. They and the upper, `layers[0]`, move to a mount of their own where one can be had. */
function openSurroundings(sys: Syscalls, options: MountOptions, layers: Layer[]): Surroundings {
  const upper = layers[0] as Layer;
  const path = options.workdir as string;
  const outer = openWritable(sys, 'workdir', path);
  const paths = { upper: upper.path, workdir: path };
  const cloned = throughClone(sys, { upper: upper.fd, workdir: outer }, paths, accessTimes(options.flags));
  const home = cloned?.home ?? sys.openPath(dirname(upper.path), O_PATH | O_DIRECTORY);
  if (cloned !== null) {
    for (const fd of [upper.fd, outer]) sys.close(fd);
    layers[0] = { ...upper, fd: cloned.upper };
  }
  return { outer: cloned?.workdir ?? outer, home: wantedHome(sys, options, layers[0] as Layer, home) };
}

/** `home` if upper lies in it and may be sealed; else it is closed. */
function wantedHome(sys: Syscalls, options: MountOptions, upper: Layer, home: number): OwnedFd | null {
  if (home < 0) return null;
  const [there, own] = [new Stat(), new Stat()];
  const found = sys.statAt(home, basename(upper.path), there) === 0 && sys.statAt(upper.fd, '', own) === 0;
  if (options.sealed !== null && found && there.identity() === own.identity()) return new OwnedFd(sys, home);
  sys.close(home);
  return null;
}

/** Makes WORK, open as `outer`, ready; takes it over when that succeeds. */
function openWorkdir(sys: Syscalls, options: MountOptions, upper: Layer, outer: number): Workdir {
  const path = options.workdir as string;
  const stat = new Stat();
  sys.statAt(outer, '', stat);
  if (stat.dev !== upper.dev) {
    throw new MountError(`workdir ${shown(path)} is not on the filesystem of upperdir ${shown(upper.path)}`);
  }
  const owned = lock(sys, options.exclusive, [
    { option: 'upperdir', path: upper.path, fd: upper.fd },
    { option: 'workdir', path, fd: outer },
  ]);
  return new Workdir(sys, outer, owned);
}

/** WORK/index, where each file that was a lower hard link has an entry. A mount that only reads makes none. */
function openIndex(sys: Syscalls, options: MountOptions, workdir: Workdir | null): LayerDir | null {
  const path = `${options.workdir}/index`;
  const flags = O_RDONLY | O_DIRECTORY;
  if (workdir === null) {
    const fd = sys.openPath(path, flags);
    return fd < 0 ? null : new LayerDir({ ...scratchLayer(path, fd), writable: false }, null, '');
  }
  const made = sys.mkdirAt(workdir.outer, 'index', 0o700);
  if (made < 0 && made !== -errno.EEXIST) throw new ErrnoError(-made, 'workdir: mkdir index');
  const fd = check(sys.openAt(workdir.outer, 'index', flags, 0), 'workdir: index');
  return new LayerDir(scratchLayer(path, fd), null, '');
}

function isEmpty(sys: Syscalls, fd: number): boolean {
  const scan = sys.scanDir(fd, 1);
  return typeof scan !== 'number' && scan.names.length === 0;
}

/** The layers of the root, cut where a layer says that it stands alone. */
function rootStack(sys: Syscalls, layers: readonly Layer[], scratch: Stat): LayerDir[] {
  const stack: LayerDir[] = [];
  for (const layer of layers) {
    stack.push(new LayerDir(layer, null, ''));
    if (sys.statAt(layer.fd, OPAQUE_FILE, scratch) === 0) break;
  }
  return stack;
}

/** The calls as this mount's options and layers want them: overrides beneath, shown ids above. */
function decorated(host: Syscalls, options: MountOptions, overrides: OverrideCalls | null): Syscalls {
  const views = idViews(options);
  const stored = overrides?.calls ?? host;
  return views === null ? stored : withShownIds(stored, views, overrides === null && mapsFewIds());
}

type AboutIds = Pick<Features, 'privileged' | 'overflowIds' | 'overrides'>;

/** Where ids are changed, each Stat says itself whether its owner is nobody's. */
function aboutIds(host: Syscalls, options: MountOptions, overrides: OverrideCalls | null, found: Features): AboutIds {
  const changed = overrides !== null || idViews(options) !== null;
  return {
    privileged: host.geteuid() === 0 && !mapsFewIds(),
    overflowIds: found.overflowIds && !changed,
    overrides: overrides !== null && overrides.writes !== null,
  };
}

/** Opens everything a mount needs. Throws MountError; nothing stays open then. */
export async function assembleUnion(
  host: Syscalls,
  jobs: Jobs,
  options: MountOptions,
  plane: DataPlane,
  staleness: Staleness,
): Promise<Union> {
  const hasher = loadHasher();
  const writable = options.upper !== null && !options.readOnly;
  const layers = openLayers(host, options.lowers, options.upper, 1, writable);
  for (const layer of layers.filter((one) => !isUpper(one)).slice(0, options.sealed ?? 0)) seal(layer);
  let dataLayers: Layer[] = [];
  let outer = -1;
  let home: OwnedFd | null = null;
  let workdir: Workdir | null = null;
  let index: LayerDir | null = null;
  try {
    dataLayers = openLayers(host, options.dataLowers, null, layers.length + 1);
    if (writable) ({ outer, home } = openSurroundings(host, options, layers));
    const overrides = overridesOf(host, options, layers);
    const sys = decorated(host, options, overrides);
    workdir = writable ? openWorkdir(sys, options, layers[0] as Layer, outer) : null;
    if (workdir !== null) overrides?.markUpper(workdir.fd);
    const lowerFds = layers.filter((layer) => !layer.writable).map((layer) => layer.fd);
    const found =
      workdir === null ? readOnlyFeatures(sys, (layers[0] as Layer).fd) : probeFeatures(sys, workdir.fd, lowerFds);
    const features = { ...found, ...aboutIds(host, options, overrides, found) };
    const indexes = options.upper !== null && options.index && features.handles;
    if (indexes && (workdir === null || (workdir.owned && features.dialect !== null))) {
      index = openIndex(sys, options, workdir);
      if (index !== null) overrides?.markUpper(index.layer.fd);
    }
    const settled = { ...options, noacl: options.noacl || features.overrides || !features.acl };
    const metacopy = writable && writesMetacopies(options, features);
    const numbers = await InodeNumbers.create(sys, layers, hasher);
    return weave({
      ...{ sys, jobs, options: settled, plane, staleness, bare: sys === host },
      ...{ layers, dataLayers, workdir, home, index, features, metacopy, numbers },
      accessTimes: writable ? accessTimes(options.flags) : MOUNT_ATTR_NOATIME,
    });
  } catch (error) {
    if (index !== null) host.close(index.layer.fd);
    home?.close();
    if (workdir !== null) workdir.close();
    else if (outer >= 0) host.close(outer);
    closeLayers(host, [...layers, ...dataLayers]);
    throw error;
  }
}

/** Kernel overlayfs follows metadata-only copies that were marked by the privileged, and no others. */
function writesMetacopies(options: MountOptions, features: Features): boolean {
  const can = features.dialect === 'trusted';
  if (options.metacopy && !can) log.warn('metacopy=on needs trusted xattrs in upperdir: copies are whole ones');
  return options.metacopy && can;
}

type Parts = Pick<Union, 'sys' | 'jobs' | 'options' | 'plane' | 'staleness' | 'bare' | 'numbers'> &
  Pick<Union, 'layers' | 'dataLayers' | 'workdir' | 'home' | 'index' | 'features' | 'metacopy' | 'accessTimes'>;

function weave(parts: Parts): Union {
  const { sys, layers, numbers, options, plane } = parts;
  const scratch = new Stat();
  const root = new DirNode(null, '', rootStack(sys, layers, scratch));
  const top = layers.find((layer) => !isUpper(layer)) ?? (layers[0] as Layer);
  sys.statAt(top.fd, '', scratch);
  numbers.mix(scratch.dev, scratch.inoLow, scratch.inoHigh);
  root.inoLow = numbers.low;
  root.inoHigh = numbers.high;
  const rowNodes = new RowNodes({
    opened: (node, file) => takeOver(u, node, file),
    linked: (node, identity) => identify(u, node, identity),
    named: addName,
  });
  const u: Union = {
    ...parts,
    indexed: parts.index !== null && (parts.workdir === null || !isEmpty(sys, parts.index.layer.fd)),
    dirFds: new DirFds(sys, Math.min(DIR_FDS, sys.raiseFileLimit() >> 2), (nodeid) => {
      plane.unmirror(nodeid);
      rowNodes.end(u, nodeid);
    }),
    listings: new LRUCache({ max: LISTINGS }),
    nodes: new NodeTable<Inode>((node) => forgetNode(u, node), rowNodes),
    handles: new HandleTable<FileHandle>(),
    negatives: new Negatives(numbers.hash),
    rowNodes,
    root,
    hardLinks: new Map(),
    filling: new Map(),
    frozen: new Map(),
    walks: new Map(),
    runsAgain: false,
    passthrough: options.passthrough !== 'off',
    scratch: new Stat(),
  };
  u.nodes.add(root);
  return u;
}

/** Closes all that the union holds. */
export function dissolveUnion(u: Union): void {
  for (const { stepping } of u.walks.values()) stepping.giveUp();
  u.walks.clear();
  for (const handle of [...u.handles.all()]) release(u, handle.fh);
  for (const node of [...u.nodes.all()]) {
    if (node instanceof FileNode) dropCopy(node);
    node.orphan?.close();
    node.orphan = null;
  }
  dropFrozen(u);
  u.home?.close();
  u.dirFds.clear();
  if (u.index !== null) u.sys.close(u.index.layer.fd);
  u.workdir?.close();
  closeLayers(u.sys, [...u.layers, ...u.dataLayers]);
}
