// A snapshot as containerd is to mount it. Pure.

import type { Labels, SnapshotRecord } from './record.js';

export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

/** Where the parts of a snapshot are. */
export interface Directories {
  /** What the snapshot changes: its layer. */
  readonly layer: (id: number) => string;
  readonly work: (id: number) => string;
}

const UID_MAPPING = 'containerd.io/snapshot/uidmapping';
const GID_MAPPING = 'containerd.io/snapshot/gidmapping';

/** `0:1000:1,1:100000:65536` -> the option's own form; the caller has asked that files show other owners. */
function mappings(labels: Labels): string[] {
  const option = (name: string, label: string): string[] => {
    const value = labels[label];
    return value === undefined ? [] : [`${name}=${value.replaceAll(',', ':')}`];
  };
  return [...option('uidmapping', UID_MAPPING), ...option('gidmapping', GID_MAPPING)];
}

const escaped = (path: string): string => path.replaceAll('\\', '\\\\').replaceAll(':', '\\:');

/**
 * The mounts of `record`, whose parents are `parents`, nearest first. `program` is what mount.fuse3 is to run;
 * it must be in the PATH of containerd, its shim and its clients.
 */
export function mountsOf(
  record: SnapshotRecord,
  parents: readonly SnapshotRecord[],
  directories: Directories,
  program: string,
): Mount[] {
  const writable = record.kind === 'active';
  const [nearest] = parents;
  if (nearest === undefined) return [bind(directories.layer(record.id), writable)];
  const shifted = mappings(record.labels);
  // What has no parent hides nothing: it is its own view.
  if (!writable && parents.length === 1 && shifted.length === 0) return [bind(directories.layer(nearest.id), false)];
  const lowers = parents.map((parent) => escaped(directories.layer(parent.id))).join(':');
  const own = [`workdir=${directories.work(record.id)}`, `upperdir=${directories.layer(record.id)}`];
  const options = [...(writable ? own : ['ro']), `lowerdir=${lowers}`, ...shifted];
  return [{ type: `fuse3.${program}`, source: 'overlay', target: '', options }];
}

function bind(source: string, writable: boolean): Mount {
  return { type: 'bind', source, target: '', options: [writable ? 'rw' : 'ro', 'rbind'] };
}
