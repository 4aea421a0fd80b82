// What a server that was killed while it sealed an upper may leave: a file that was open lies in the fresh upper and in the
// sealed one as one inode. The sealed one gets a copy of its own. Nothing is mounted meanwhile.

import { ErrnoError } from '../../errno.js';
import { check, checkData } from '../../sys/check.js';
import { takeTimes } from '../../sys/compound.js';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR } from '../../sys/constants.js';
import { OwnedFd } from '../../sys/fd.js';
import { bytesOf } from '../../sys/name.js';
import { Stat } from '../../sys/stat.js';
import type { Syscalls } from '../../sys/syscalls.js';

const STAGED = '#separate';

class Separation {
  readonly #sys: Syscalls;
  /** WORK/work, which the next mount empties. */
  readonly #work: OwnedFd;
  copies = 0;

  constructor(sys: Syscalls, work: OwnedFd) {
    this.#sys = sys;
    this.#work = work;
  }

  /** Both directories have the same path, one in each upper. */
  walk(fresh: OwnedFd, sealed: OwnedFd): void {
    const [mine, theirs] = [new Stat(), new Stat()];
    for (const name of checkData(this.#sys.scanDir(fresh.fd), 'list an upper').names) {
      check(this.#sys.statAt(fresh.fd, name, mine), 'stat in an upper');
      if (this.#sys.statAt(sealed.fd, name, theirs) < 0) continue;
      if (mine.isDirectory && theirs.isDirectory) this.#enter(fresh, sealed, name);
      else if (mine.isRegular && mine.identity() === theirs.identity()) this.#copy(sealed, name, theirs);
    }
  }

  #enter(fresh: OwnedFd, sealed: OwnedFd, name: string): void {
    const inside = openDirectories(this.#sys, [fresh, sealed], name);
    try {
      this.walk(...inside);
    } finally {
      for (const fd of inside) fd.close();
    }
  }

  #copy(sealed: OwnedFd, name: string, stat: Stat): void {
    const sys = this.#sys;
    const before = new Stat();
    check(sys.statAt(sealed.fd, '', before), 'stat an upper');
    sys.unlinkAt(this.#work.fd, STAGED, 0);
    const flags = O_CREAT | O_EXCL | O_RDWR;
    const from = new OwnedFd(sys, check(sys.openAt(sealed.fd, name, O_RDONLY, 0), 'open in an upper'));
    try {
      const to = new OwnedFd(sys, check(sys.openAt(this.#work.fd, STAGED, flags, 0o600), 'copy in an upper'));
      try {
        check(sys.copyData(from.fd, to.fd, stat.size), 'copy in an upper');
        this.#attributes(from, to, stat);
        check(sys.fsync(to.fd, false), 'sync a copy');
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
    check(sys.renameAt(this.#work.fd, STAGED, sealed.fd, name, 0), 'rename a copy');
    check(takeTimes(sys, sealed.fd, '', before), 'utimens');
    this.copies += 1;
  }

  /** The owner goes first: giving it away takes privileges, which mode and xattrs bring. */
  #attributes(from: OwnedFd, to: OwnedFd, stat: Stat): void {
    const sys = this.#sys;
    check(sys.chownAt(to.fd, '', stat.uid, stat.gid), 'chown a copy');
    for (const key of checkData(sys.listXattr(from.fd, ''), 'listxattr')) {
      const value = checkData(sys.getXattr(from.fd, '', key), key);
      const set = sys.setXattr(to.fd, '', key, value, 0);
      if (set < 0 && !key.startsWith('security.')) throw new ErrnoError(-set, key);
    }
    check(sys.chmodAt(to.fd, '', stat.mode & 0o7777), 'chmod a copy');
    check(takeTimes(sys, to.fd, '', stat), 'utimens');
  }
}

function openDirectories(sys: Syscalls, [a, b]: readonly [OwnedFd, OwnedFd], name: string): [OwnedFd, OwnedFd] {
  const open = (at: OwnedFd): OwnedFd =>
    new OwnedFd(sys, check(sys.openAt(at.fd, name, O_RDONLY | O_DIRECTORY, 0), 'open an upper'));
  const first = open(a);
  try {
    return [first, open(b)];
  } catch (error) {
    first.close();
    throw error;
  }
}

/** How many files of `fresh` got a copy in `sealed`; `work` is the directory beside them that the server works in. */
export function separate(sys: Syscalls, fresh: string, sealed: string, work: string): number {
  const roots: OwnedFd[] = [];
  try {
    for (const path of [fresh, sealed, `${work}/work`]) {
      roots.push(new OwnedFd(sys, check(sys.openPath(bytesOf(path), O_RDONLY | O_DIRECTORY), path)));
    }
    const [mine, theirs, staging] = roots as [OwnedFd, OwnedFd, OwnedFd];
    const separation = new Separation(sys, staging);
    separation.walk(mine, theirs);
    return separation.copies;
  } finally {
    for (const fd of roots) fd.close();
  }
}
