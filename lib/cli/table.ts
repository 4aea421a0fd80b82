// Rows as columns of text, for people.

export function formatTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows];
  const widths = heads.map((_head, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)));
  const padded = (line: readonly string[]): string =>
    line.map((cell, at) => (at === line.length - 1 ? cell : cell.padEnd(widths[at] as number))).join('   ');
  return lines.map((line) => `${padded(line).trimEnd()}\n`).join('');
}

/** `3 hours ago`; empty for no time. */
export function formatAge(created: string | undefined, now = Date.now()): string {
  const then = Date.parse(created ?? '');
  if (Number.isNaN(then)) return '';
  const steps: [name: string, seconds: number][] = [
    ['year', 365 * 86400],
    ['month', 30 * 86400],
    ['week', 7 * 86400],
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
  ];
  const seconds = Math.max(0, (now - then) / 1000);
  for (const [name, length] of steps) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${name}${count > 1 ? 's' : ''} ago`;
  }
  return 'now';
}
