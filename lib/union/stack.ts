// Which layer directories make up one merged directory: the same name in each layer, cut at the
// first opaque one, and led elsewhere by redirects. Reads marks; never reads names.

import { assert } from '../assert.js';
import { errno, fail } from '../errno.js';
import { DT_CHR, DT_DIR } from '../sys/constants.js';
import { LayerDir } from './dir-fds.js';
import type { DirNode } from './inode.js';
import { WH } from './layer-walk.js';
import { readMarks } from './marks.js';
import type { Union } from './union.js';

/** Longest redirect that is followed, bytes. */
const REDIRECT_MAX = 256;

/** What `name` is in one layer directory. */
type Found = LayerDir | 'nothing' | 'stop';

/** Settles the stack of `node`: reads the marks of each candidate, top to bottom. */
export function settleStack(u: Union, node: DirNode): void {
  if (node.candidates === null) return;
  const parent = node.parent;
  assert(parent !== null, 'the root is settled from the start');
  const stack = node.stack;
  let deeper: readonly LayerDir[] = node.candidates;
  for (let at = stack.at(-1); at !== undefined; ) {
    const marks = readMarks(u.sys, u.dirFds, at, u.scratch);
    if (marks.opaque) break;
    if (marks.redirect !== null) deeper = redirected(u, parent, at, marks.redirect);
    const [next, ...rest]: LayerDir[] = [...deeper];
    if (next !== undefined) stack.push(next);
    deeper = rest;
    at = next;
  }
  node.candidates = null;
}

/** The directories that `redirect`, read at `from`, names in deeper layers. */
function redirected(u: Union, parent: DirNode, from: LayerDir, redirect: string): LayerDir[] {
  if (redirect.length > REDIRECT_MAX || redirect === '' || redirect.includes('\0')) {
    throw fail('EIO', `${from}: redirect of ${redirect.length} bytes`);
  }
  const isAbsolute = redirect.startsWith('/');
  if (!isAbsolute && redirect.includes('/')) throw fail('EIO', `${from}: redirect with a slash inside`);
  const found: LayerDir[] = [];
  const look = isAbsolute ? absolute(u, from, redirect) : relative(u, parent, from, redirect);
  for (const result of look) {
    if (result === 'stop') break;
    if (result !== 'nothing') found.push(result);
  }
  return found;
}

function* relative(u: Union, parent: DirNode, from: LayerDir, name: string): Generator<Found> {
  for (const dir of parent.stack) {
    if (dir.layer.index > from.layer.index) yield step(u, dir, name);
  }
}

function* absolute(u: Union, from: LayerDir, path: string): Generator<Found> {
  const components = path.split('/').filter((part) => part !== '');
  for (const layer of u.layers) {
    if (layer.index <= from.layer.index) continue;
    let at: Found = new LayerDir(layer, null, '');
    let opaque = false;
    for (const name of components) {
      if (name === '..' || name === '.') throw fail('EIO', `${from}: redirect with ${name}`);
      at = step(u, at, name);
      if (typeof at === 'string') break;
      opaque ||= name !== components.at(-1) && readMarks(u.sys, u.dirFds, at, u.scratch).opaque;
    }
    yield at;
    // An opaque directory on the way hides the same path in every deeper layer.
    if (opaque) return;
  }
}

/** One component in one layer: a directory, nothing, or something that ends the search. */
function step(u: Union, dir: LayerDir, name: string): Found {
  const fd = u.dirFds.fd(dir);
  const stat = u.scratch;
  const result = u.sys.statAt(fd, name, stat);
  if (result === -errno.ENOENT) return u.sys.statAt(fd, WH + name, stat) === 0 ? 'stop' : 'nothing';
  if (result < 0) throw fail('EIO', `${dir}/${name}`);
  const kind = stat.mode >>> 12;
  if (kind === DT_CHR && stat.rdev === 0) return 'stop';
  return kind === DT_DIR ? new LayerDir(dir.layer, dir, name) : 'stop';
}
