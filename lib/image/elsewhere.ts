// Lower files with several names of which the upper changed one: by WORK/index they have changed under all, and the other
// names are found only by looking through the lowers. That is done where the index says that there are some.

import { Buffer } from 'node:buffer';
import { DT_DIR, DT_REG, DT_UNKNOWN } from '../sys/constants.js';
import { Stat } from '../sys/stat.js';
import { forgetNode } from '../union/forget.js';
import { DirNode, FileNode } from '../union/inode.js';
import { readExtraLinks } from '../union/link-counts.js';
import { namesIn, nodeOf } from '../union/lookup.js';
import { statOrigin } from '../union/origin.js';
import type { Union } from '../union/union.js';
import type { View } from './view.js';
import { type Elsewhere, nowhere } from './walk.js';

const kinds = new Set([DT_REG, DT_DIR, DT_UNKNOWN]);

/** Whether a file of the index has names in the lowers that are no names of it in the upper. */
function isNamedBeneath(u: Union, fd: number, hex: string, stat: Stat): boolean {
  const { nlink } = stat;
  if (!u.features.openHandles || !statOrigin(u, Buffer.from(hex, 'hex'), stat)) return true;
  // All names, less those in the upper; the index's own link is neither.
  return nlink + readExtraLinks(u, fd, hex, nlink, stat.nlink) - (nlink - 1) > 0;
}

function isNeeded(u: Union, fd: number): boolean {
  const scan = u.sys.scanDir(fd);
  if (typeof scan === 'number') return false;
  const stat = new Stat();
  return scan.names.some((hex) => {
    if (u.sys.statAt(fd, hex, stat) < 0 || !stat.isRegular) return false;
    return isNamedBeneath(u, fd, hex, stat);
  });
}

interface Directory {
  readonly dir: DirNode;
  readonly prefix: string;
}

/** Looks through all that shows for names of the lowers whose file is in the index. */
class Search {
  readonly files = new Set<string>();
  readonly directories = new Set<string>();
  readonly #u: Union;
  readonly #stat = new Stat();

  constructor(u: Union) {
    this.#u = u;
  }

  run(): void {
    const waiting: Directory[] = [{ dir: this.#u.root, prefix: '' }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) waiting.push(...this.#through(next));
  }

  /** Looks at the names of one directory; returns those in it. */
  #through({ dir, prefix }: Directory): Directory[] {
    const inside: Directory[] = [];
    for (const [name, entry] of [...namesIn(this.#u, dir).entries.named()]) {
      if (!kinds.has(entry.kind)) continue;
      const node = nodeOf(this.#u, dir, name, entry, this.#stat);
      if (node instanceof DirNode) {
        inside.push({ dir: node, prefix: `${prefix}${name}/` });
        continue;
      }
      if (node instanceof FileNode && node.dir === this.#u.index) this.#add(prefix + name);
      forgetNode(this.#u, node);
    }
    return inside;
  }

  #add(path: string): void {
    this.files.add(path);
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      this.directories.add(path.slice(0, slash));
    }
  }
}

/** Which names of the lowers the upper has changed without having them. */
export function namesElsewhere({ merged }: View): Elsewhere {
  if (merged.index === null || !isNeeded(merged, merged.index.layer.fd)) return nowhere;
  const search = new Search(merged);
  search.run();
  return search;
}
