// Reading a file of a tree that strangers filled, as if its root were /: no symlink and no `..` leads out of it, whatever
// is changed meanwhile.

import { Buffer } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** As many links as the kernel follows. */
const MAX_LINKS = 40;

/** A name in the directory behind a descriptor. */
const beneath = (fd: number, name: string): string => `/proc/self/fd/${fd}/${name}`;

function linkAt(fd: number, name: string): string | null {
  try {
    return readlinkSync(beneath(fd, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null;
    throw error;
  }
}

class Steps {
  readonly #open: number[];

  constructor(root: string) {
    this.#open = [openSync(root, O_RDONLY | O_DIRECTORY)];
  }

  get fd(): number {
    return this.#open.at(-1) as number;
  }

  up(): void {
    if (this.#open.length > 1) closeSync(this.#open.pop() as number);
  }

  toRoot(): void {
    while (this.#open.length > 1) this.up();
  }

  enter(name: string): void {
    this.#open.push(openSync(beneath(this.fd, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }

  close(): void {
    this.toRoot();
    closeSync(this.fd);
  }
}

/** A descriptor of the regular file at `path`. */
function openFile(steps: Steps, path: string): number {
  const names = path.split('/').reverse();
  for (let links = 0; ; ) {
    const name = names.pop() ?? '';
    if (name === '..') steps.up();
    if (name === '' || name === '.' || name === '..') {
      if (names.length === 0) throw Object.assign(new Error(`${path} is a directory`), { code: 'EISDIR' });
      continue;
    }
    const target = linkAt(steps.fd, name);
    if (target !== null) {
      links += 1;
      if (links > MAX_LINKS) throw Object.assign(new Error(`${path}: too many links`), { code: 'ELOOP' });
      if (target.startsWith('/')) steps.toRoot();
      names.push(...target.split('/').reverse());
    } else if (names.length > 0) steps.enter(name);
    else return openSync(beneath(steps.fd, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }
}

function beginning(fd: number, most: number): Buffer {
  const buffer = Buffer.alloc(Math.min(fstatSync(fd).size, most));
  let length = 0;
  while (length < buffer.length) {
    const got = readSync(fd, buffer, length, buffer.length - length, length);
    if (got === 0) break;
    length += got;
  }
  return buffer.subarray(0, length);
}

/** The beginning of a file, `most` bytes of it; null when there is no such file. */
export function readRooted(root: string, path: string, most: number): Buffer | null {
  const steps = new Steps(root);
  try {
    const fd = openFile(steps, path);
    try {
      return fstatSync(fd).isFile() ? beginning(fd, most) : null;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined && ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR'].includes(code)) return null;
    throw error;
  } finally {
    steps.close();
  }
}
