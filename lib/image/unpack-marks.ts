// Whiteouts and opaque marks of an unpacked layer, in overlayfs's form, and in AUFS's where the host takes nothing else.

import { Buffer } from 'node:buffer';
import { errno } from '../errno.js';
import { check } from '../sys/check.js';
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY, S_IFCHR, S_IFREG } from '../sys/constants.js';
import { OwnedFd } from '../sys/fd.js';
import { shown } from '../sys/name.js';
import type { Syscalls } from '../sys/syscalls.js';
import { OPAQUE_FILE, WH } from '../union/marks.js';
import { DEVICE, HOLDER } from '../union/nested-whiteout.js';
import { dialects, storedName } from '../union/private-xattrs.js';
import type { Spot } from './unpack-object.js';

const OPAQUE = Buffer.from('y');

function makeEmpty(sys: Syscalls, fd: number, name: string): void {
  const made = sys.openAt(fd, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
  if (made >= 0) sys.close(made);
  else if (made !== -errno.EEXIST) check(made, `mark ${shown(name)}`);
}

export class Marks {
  readonly #sys: Syscalls;
  /** One inode that every whiteout is a link of. */
  #shared: OwnedFd | null = null;
  #devices = true;

  constructor(sys: Syscalls) {
    this.#sys = sys;
  }

  close(): void {
    this.#shared?.close();
  }

  /** A whiteout where nothing is yet. */
  whiteout({ fd, name }: Spot): void {
    if (this.#devices && this.#device(fd, name)) return;
    this.#devices = false;
    makeEmpty(this.#sys, fd, WH + name);
  }

  #device(fd: number, name: string): boolean {
    if (this.#shared !== null && this.#sys.linkAt(this.#shared.fd, '', fd, name) === 0) return true;
    const made = this.#sys.mknodAt(fd, name, S_IFCHR, 0);
    if (made === -errno.EPERM) return false;
    check(made, `whiteout ${shown(name)}`);
    check(this.#sys.utimensAt(fd, name, 0, 0, 0, 0), `times of ${shown(name)}`);
    // The one before it has as many links as the host allows.
    this.#shared?.close();
    const opened = this.#sys.openAt(fd, name, O_PATH, 0);
    this.#shared = opened < 0 ? null : new OwnedFd(this.#sys, opened);
    return true;
  }

  /** Takes a whiteout away that was made here. */
  remove({ fd, name }: Spot): void {
    check(this.#sys.unlinkAt(fd, this.#devices ? name : WH + name, 0), `unlink ${shown(name)}`);
  }

  /** Deeper layers add nothing to the directory behind `fd`. A root's xattr is read by nobody. */
  opaque(fd: number, isRoot: boolean): void {
    const marked = !isRoot && dialects('opaque').some((key) => this.#sys.setXattr(fd, '', key, OPAQUE, 0) === 0);
    if (!marked) makeEmpty(this.#sys, fd, OPAQUE_FILE);
  }

  /** A device 0:0 that is no whiteout, where nothing is yet: 0 or -errno. Its directory has to be told. */
  nested({ fd, name }: Spot): number {
    const made = this.#sys.mknodAt(fd, name, S_IFREG | 0o600, 0);
    if (made < 0) return made;
    const marked = this.#setEscaped({ fd, name }, 'whiteout', DEVICE);
    if (marked < 0) this.#sys.unlinkAt(fd, name, 0);
    return marked;
  }

  /** Tells readers to look for such devices in the directory behind `fd`. */
  holdsNested(fd: number): void {
    const keys = dialects('opaque').map((key) => storedName(key) as string);
    if (keys.some((key) => typeof this.#sys.getXattr(fd, '', key) !== 'number')) return;
    check(this.#setEscaped({ fd, name: '' }, 'opaque', HOLDER), 'mark for devices 0:0');
  }

  #setEscaped({ fd, name }: Spot, suffix: string, value: Uint8Array): number {
    let result = 0;
    for (const key of dialects(suffix)) {
      result = this.#sys.setXattr(fd, name, storedName(key) as string, value, 0);
      if (result === 0) break;
    }
    return result;
  }
}
