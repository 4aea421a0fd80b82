// Progress of long work: one line that is drawn over and over on a terminal, one plain line for each thing that is
// finished anywhere else.

import type { WriteStream } from 'node:tty';
import type { Reporter, Task } from '../image/progress.js';

const REDRAW_MS = 100;
const ERASE = '\r\x1b[K';

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

interface Running {
  readonly label: string;
  readonly doing: string;
  readonly total: number | null;
  done: number;
}

type Output = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

export class ProgressLines implements Reporter {
  readonly #output: Output;
  readonly #quiet: boolean;
  readonly #running = new Set<Running>();
  #drawn = 0;

  constructor(output: Output, quiet = false) {
    this.#output = output;
    this.#quiet = quiet;
  }

  task(label: string, doing: string, total: number | null): Task {
    const running: Running = { label, doing, total, done: 0 };
    this.#running.add(running);
    return {
      at: (done) => {
        running.done = done;
        this.#draw();
      },
      end: (note) => {
        this.#running.delete(running);
        this.line(`${label}: ${note}${running.done > 0 ? ` (${formatBytes(running.done)})` : ''}`);
      },
    };
  }

  line(text: string): void {
    if (this.#quiet) return;
    this.clear();
    this.#output.write(`${text}\n`);
  }

  /** Takes the drawn line away. */
  clear(): void {
    if (this.#drawn > 0 && this.#output.isTTY === true) this.#output.write(ERASE);
    this.#drawn = 0;
  }

  #draw(): void {
    const now = Date.now();
    if (this.#quiet || this.#output.isTTY !== true || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    const parts = [...this.#running].map(({ label, doing, total, done }) => {
      const share = total === null || total === 0 ? '' : ` ${Math.min(100, Math.floor((done / total) * 100))}%`;
      return `${label} ${doing}${share} ${formatBytes(done)}`;
    });
    this.#output.write(`${ERASE}${parts.join('  ').slice(0, (this.#output.columns ?? 80) - 1)}`);
  }
}
