// Which containers are mounted, and where: read out of the kernel's mount table, which no crash and no reboot leaves wrong.

import { Buffer } from 'node:buffer';
import { readFileSync, statfsSync } from 'node:fs';

const TYPE = 'fuse.stratafs';
const SOURCE = 'container:';

export interface MountRow {
  readonly mountpoint: string;
  readonly type: string;
  readonly source: string;
}

/** The table writes blanks and backslashes as octal numbers of bytes. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = Buffer.from(text).toString('latin1');
  const plain = bytes.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return Buffer.from(plain, 'latin1').toString();
}

/** Rows of a mountinfo file, in the order in which they were mounted. */
export function parseMountTable(text: string): MountRow[] {
  const rows: MountRow[] = [];
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ');
    const mountpoint = before?.split(' ')[4];
    const [type, source] = after?.split(' ') ?? [];
    if (mountpoint === undefined || type === undefined || source === undefined) continue;
    rows.push({ mountpoint: unescaped(mountpoint), type, source: unescaped(source) });
  }
  return rows;
}

export const mountTable = (): MountRow[] => parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));

/** What the mount table shows as the source of a container's mount; `part` tells its volumes apart. */
export function sourceName(id: string, part: string | null = null): string {
  return `${SOURCE}${id}${part === null ? '' : `:${part}`}`;
}

/** Where the container itself is mounted; null when it is not. */
export function mountOf(id: string, table: readonly MountRow[] = mountTable()): string | null {
  const name = sourceName(id);
  return table.findLast(({ type, source }) => type === TYPE && source === name)?.mountpoint ?? null;
}

/** Every mount of the container, its volumes included, the latest first. */
export function mountsOf(id: string, table: readonly MountRow[] = mountTable()): string[] {
  const name = sourceName(id);
  const own = table.filter(({ type, source }) => type === TYPE && (source === name || source.startsWith(`${name}:`)));
  return own.map(({ mountpoint }) => mountpoint).reverse();
}

/** The id of the container that is mounted at exactly this path. */
export function containerAt(path: string, table: readonly MountRow[] = mountTable()): string | null {
  const row = table.findLast(({ mountpoint }) => mountpoint === path);
  if (row?.type !== TYPE || !row.source.startsWith(SOURCE)) return null;
  return row.source.slice(SOURCE.length).split(':')[0] ?? null;
}

/** Whether nobody serves the mount any more. Attributes may be remembered by the kernel; these figures never are. */
export function isDead(mountpoint: string): boolean {
  try {
    statfsSync(mountpoint);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTCONN';
  }
}
