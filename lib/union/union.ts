// The state that the union's operations share, and the small interfaces through which they reach
// the data plane and the kernel's caches. Holds no policy of its own.

import type { LRUCache } from 'lru-cache';
import type { HandleTable } from '../nodes/handle-table.js';
import type { NodeTable } from '../nodes/node-table.js';
import type { NativeChannel } from '../sys/binding.js';
import type { Jobs, Syscalls } from '../sys/calls.js';
import type { OwnedFd } from '../sys/fd.js';
import type { Stat } from '../sys/stat.js';
import type { DirFds, LayerDir } from './dir-fds.js';
import type { Features } from './features.js';
import type { DirIndex, DirNode, FileHandle, FileNode, Inode, Walking } from './inode.js';
import type { InodeNumbers } from './inode-numbers.js';
import type { Layer } from './layers.js';
import type { Negatives } from './negatives.js';
import type { MountOptions } from './options.js';
import type { Listing } from './packed-names.js';
import type { RowNodes } from './row-nodes.js';
import type { Workdir } from './workdir.js';

/** Who asks: ids as the host's filesystems know them, and the file mode creation mask. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

/** What is answered without this floor: reads and writes of open files, and what needs no decision. Owns the descriptors it is given. */
export type DataPlane = Pick<
  NativeChannel,
  | ('attach' | 'swap' | 'detach')
  | ('stand' | 'withdraw' | 'reclaim')
  | ('mirror' | 'mirrorDirectory' | 'unmirror' | 'hide')
  | ('serveRows' | 'endRows' | 'dropRows' | 'putRows' | 'listed')
  | ('allowRows' | 'rowsIn' | 'takeRows' | 'liveRows')
  | ('allowLinks' | 'ownLinks' | 'linkedNode' | 'ledTo' | 'takeLinks')
  | ('takeOpen' | 'nodeOfOpen' | 'openRows')
  | ('beginListing' | 'fillsListing' | 'askedIn')
  | ('backingOpen' | 'backingClose')
>;

/** What the kernel may have cached that is no longer so. */
export interface Staleness {
  /** Attributes of `node` changed behind the kernel's back. */
  attributes(node: Inode): void;
}

export interface Union {
  readonly sys: Syscalls;
  readonly jobs: Jobs;
  readonly options: MountOptions;
  /** The layers that are merged, top first. */
  readonly layers: Layer[];
  /** Lowers beneath them that hold data for metadata-only copies, and show no names. */
  readonly dataLayers: readonly Layer[];
  readonly dirFds: DirFds;
  /** Listings under way or lately read; bounded, made anew when they are missed. */
  readonly listings: LRUCache<DirIndex, Listing>;
  readonly nodes: NodeTable<Inode>;
  readonly handles: HandleTable<FileHandle>;
  readonly root: DirNode;
  readonly numbers: InodeNumbers;
  /** Whom the data plane asks for names that are absent. */
  readonly negatives: Negatives;
  /** Nodes of which the data plane alone knows. */
  readonly rowNodes: RowNodes;
  readonly features: Features;
  /** null on a read-only mount. */
  readonly workdir: Workdir | null;
  /** The directory that the upper lies in; null where the upper cannot be sealed. */
  readonly home: OwnedFd | null;
  /** Copies of files that are held open for writing, made for a sealing that waits for more of them. */
  readonly frozen: Map<FileNode, OwnedFd>;
  /** WORK/index, where hard links of lowers are kept together; null when it is not used. */
  readonly index: LayerDir | null;
  /** It may have entries. An empty one need not be asked. */
  indexed: boolean;
  /** Files with several hard links, by Stat.identity(). */
  readonly hardLinks: Map<string, FileNode>;
  /** Metadata-only copies of the upper whose data is coming in, by Stat.identity(); settles when that has ended. */
  readonly filling: Map<string, Promise<unknown>>;
  /** Large directories whose names are being read. */
  readonly walks: Map<DirNode, Walking>;
  /** Somebody runs an operation again that threw Pending: a server. Tools have nobody who waits. */
  runsAgain: boolean;
  /** Changes of a file's attributes copy no data up. */
  readonly metacopy: boolean;
  /** MOUNT_ATTR_* of the access times: what reading does to those of the upper. */
  readonly accessTimes: number;
  /** Owners, modes and xattrs are shown as the host has them. */
  readonly bare: boolean;
  readonly plane: DataPlane;
  readonly staleness: Staleness;
  /** The passthrough that this kernel and user allow. */
  passthrough: boolean;
  /** A record to fill and use at once; no operation keeps it across another's call. */
  readonly scratch: Stat;
}
