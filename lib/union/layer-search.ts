// Looking for a name in one layer after the other, as redirects lead: by a sibling's name, or by a path
// from the layers' roots, on which further redirects may stand. Each step goes deeper, so it ends.

import { errno, fail } from '../errno.js';
import { DT_CHR, DT_DIR, DT_REG } from '../sys/constants.js';
import { shown } from '../sys/name.js';
import { LayerDir, LayerFile } from './dir-fds.js';
import type { DirNode } from './inode.js';
import { whiteoutXattrs } from './layer-walk.js';
import type { Layer } from './layers.js';
import { readMarks, WH } from './marks.js';
import type { Union } from './union.js';

/** Longest redirect that is followed, bytes: what a path may have. */
const REDIRECT_MAX = 4096;

/** What a name is in one layer; `stop`: something that hides it in every deeper one. */
type Found = LayerDir | LayerFile | 'nothing' | 'stop';

/** The names of a redirect read at `from`; one name is a sibling's. */
function namesOfRedirect(from: string, redirect: string): { absolute: boolean; names: string[] } {
  if (redirect.length > REDIRECT_MAX || redirect.includes('\0')) {
    throw fail('EIO', `${from}: redirect of ${redirect.length} bytes`);
  }
  const absolute = redirect.startsWith('/');
  const names = (absolute ? redirect.slice(1) : redirect).split('/');
  if (!absolute && names.length > 1) throw fail('EIO', `${from}: redirect with a slash inside`);
  const bad = names.find((name) => name === '' || name === '.' || name === '..');
  if (bad !== undefined) throw fail('EIO', `${from}: redirect with the name '${bad}'`);
  return { absolute, names };
}

export class LayerSearch {
  readonly #u: Union;
  readonly #parent: DirNode;
  #names: readonly string[];
  #absolute = false;
  /** An opaque directory on the way hides the path in every deeper layer. */
  #ended = false;

  /** For `name` in the directories of `parent`, until a redirect leads elsewhere. */
  constructor(u: Union, parent: DirNode, name: string) {
    this.#u = u;
    this.#parent = parent;
    this.#names = [name];
  }

  /** The path from the layers' roots that is looked for; null while it is a name in `parent`. */
  get path(): readonly string[] | null {
    return this.#absolute ? this.#names : null;
  }

  /** Heeds a redirect that was read at what was found last. */
  redirect(from: string, text: string): void {
    const { absolute, names } = namesOfRedirect(from, text);
    if (absolute) {
      this.#absolute = true;
      this.#ended = false;
      this.#names = names;
    } else this.#names = [...this.#names.slice(0, -1), ...names];
  }

  /** What the topmost layer below `above` has; null when none has it, or something hides it. */
  next(above: Layer): LayerDir | LayerFile | null {
    if (this.#ended) return null;
    for (const found of this.#absolute ? this.#byPath(above) : this.#byName(above)) {
      if (found === 'stop') return null;
      if (found !== 'nothing') return found;
    }
    return null;
  }

  *#byName(above: Layer): Generator<Found> {
    const [name] = this.#names as [string];
    for (const dir of this.#parent.stack) {
      if (dir.layer.index > above.index) yield lookIn(this.#u, dir, name);
    }
  }

  *#byPath(above: Layer): Generator<Found> {
    for (const layer of this.#u.layers) {
      if (layer.index <= above.index) continue;
      yield this.#walk(layer);
      if (this.#ended) return;
    }
  }

  #walk(layer: Layer): Found {
    const names = this.#names;
    let at = new LayerDir(layer, null, '');
    for (const [depth, name] of names.entries()) {
      const found = lookIn(this.#u, at, name);
      const last = depth === names.length - 1;
      if (last || typeof found === 'string') return found;
      if (found instanceof LayerFile) return 'stop';
      at = found;
      this.#heedOnTheWay(at, names.slice(depth + 1));
    }
    return 'nothing';
  }

  /** A directory on the way: its redirect is where deeper layers have the rest of the path. */
  #heedOnTheWay(at: LayerDir, rest: readonly string[]): void {
    const marks = readMarks(this.#u.sys, this.#u.dirFds, at, this.#u.scratch);
    if (marks.opaque) this.#ended = true;
    if (marks.opaque || marks.redirect === null) return;
    const { absolute, names } = namesOfRedirect(`${at}`, marks.redirect);
    if (absolute) this.#ended = false;
    const before = absolute ? [] : this.#names.slice(0, this.#names.length - rest.length - 1);
    this.#names = [...before, ...names, ...rest];
  }
}

/** One name in one layer directory. */
export function lookIn(u: Union, dir: LayerDir, name: string): Found {
  const fd = u.dirFds.fd(dir);
  const stat = u.scratch;
  const result = u.sys.statAt(fd, name, stat);
  if (result === -errno.ENOENT) return u.sys.statAt(fd, WH + name, stat) === 0 ? 'stop' : 'nothing';
  if (result < 0) throw fail('EIO', `${dir}/${shown(name)}`);
  const kind = stat.mode >>> 12;
  if (kind === DT_DIR) return new LayerDir(dir.layer, dir, name);
  if (kind === DT_CHR && stat.rdev === 0) return 'stop';
  const { size } = stat;
  const mayBeWhiteout = kind === DT_REG && size === 0;
  if (mayBeWhiteout && whiteoutXattrs.some((key) => typeof u.sys.getXattr(fd, name, key) !== 'number')) return 'stop';
  return kind === DT_REG ? new LayerFile(dir, name) : 'stop';
}
