// `-v HOST:PATH[:ro|:O]`: directories of the host in a container. Touches paths only to find out whether they are there.

import { existsSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { ImageError } from '../error.js';

export interface Volume {
  /** Absolute. */
  readonly host: string;
  /** Absolute, in the container. */
  readonly path: string;
  readonly readOnly: boolean;
  /** Changes go into an upper that is thrown away. */
  readonly overlay: boolean;
}

/** Words that other engines know for labels and sharing, which change nothing here. */
const ignored = new Set(['rw', 'z', 'Z', 'private', 'rprivate', 'rbind', 'bind']);

export function parseVolume(text: string): Volume {
  const [host, path, options = '', ...rest] = text.split(':');
  const wrong = (why: string): ImageError => new ImageError(`-v ${text}: ${why}`);
  if (host === undefined || path === undefined || rest.length > 0) throw wrong('HOST:PATH[:ro|:O] is wanted');
  if (!host.startsWith('/') && !host.startsWith('.')) throw wrong('HOST is a path: named volumes are not supported');
  if (!posix.isAbsolute(path) || posix.normalize(path) === '/') throw wrong(`'${path}' is no path in a container`);
  const words = options.split(',').filter((word) => word !== '' && !ignored.has(word));
  const unknown = words.find((word) => word !== 'ro' && word !== 'O');
  if (unknown !== undefined) throw wrong(`'${unknown}' is neither ro nor O`);
  if (!existsSync(host)) throw wrong(`${host} is not there`);
  return {
    host: resolve(host),
    path: posix.normalize(path),
    readOnly: words.includes('ro'),
    overlay: words.includes('O'),
  };
}
