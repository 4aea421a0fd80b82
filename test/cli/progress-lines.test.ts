// Progress on a terminal is one line drawn over; in a pipe it is a line for each end.

import t from 'tap';
import { formatBytes, ProgressLines } from '../../lib/cli/progress-lines.js';

function output(isTTY: boolean): { text: string; isTTY: boolean; columns: number; write(text: string): boolean } {
  return {
    text: '',
    isTTY,
    columns: 40,
    write(text: string): boolean {
      this.text += text;
      return true;
    },
  };
}

t.test('bytes', async (t) => {
  const table: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [151_347, '151 kB'],
    [999_600, '1.0 MB'],
    [2.5e12, '2.5 TB'],
  ];
  for (const [bytes, text] of table) t.equal(formatBytes(bytes), text);
});

t.test('a pipe', async (t) => {
  const out = output(false);
  const lines = new ProgressLines(out);
  const task = lines.task('abc', 'pulling', 100);
  task.at(50);
  task.at(100);
  t.equal(out.text, '');
  task.end('pulled');
  t.equal(out.text, 'abc: pulled (100 B)\n');
});

t.test('a terminal', async (t) => {
  const out = output(true);
  const lines = new ProgressLines(out);
  lines.task('one', 'pulling', 200).at(100);
  t.equal(out.text, '\r\x1b[Kone pulling 50% 100 B');
  lines.line('said');
  t.ok(out.text.endsWith('\r\x1b[Ksaid\n'), 'the drawn line is taken away first');
  const wide = output(true);
  new ProgressLines(wide).task('x'.repeat(100), 'pulling', null).at(1);
  t.equal(wide.text.length, '\r\x1b[K'.length + 39, 'never wider than the terminal');
});

t.test('quiet', async (t) => {
  const out = output(true);
  const lines = new ProgressLines(out, true);
  const task = lines.task('a', 'b', 1);
  task.at(1);
  task.end('c');
  t.equal(out.text, '');
});
