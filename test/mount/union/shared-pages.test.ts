// Two mounts over one layer: what one of them has read of a program is in memory for the other, and once only.

import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { command, stratafs } from '../../support/command.js';
import { chosen, missing, native } from '../../support/configs.js';
import { freshDirectory } from '../../support/paths.js';
import { forceUnmount } from '../../support/server.js';

const execute = promisify(execFile);
/** ELF, and large enough that its pages stand out. */
const PROGRAM = process.execPath;
const PAGE = 4096;
const reason = chosen([native]).map(missing)[0];

/** Pages of `path` that are in memory, seen through a mapping of it (mincore). */
async function resident(path: string): Promise<number> {
  const { stdout } = await execute('fincore', ['--noheadings', '--output', 'PAGES', path], { timeout: 20_000 });
  return Number(stdout.trim());
}

for (const [passthrough, shared] of [
  ['auto', true],
  ['off', false],
] as const) {
  const title = `code of a shared layer is in memory ${shared ? 'once' : 'once for each mount'}, passthrough=${passthrough}`;
  t.test(title, reason === undefined ? {} : { skip: reason }, async (t) => {
    const base = freshDirectory('pages');
    const at = (name: string): string => join(base, name);
    for (const name of ['l', 'u1', 'w1', 'm1', 'u2', 'w2', 'm2']) mkdirSync(at(name));
    copyFileSync(PROGRAM, at('l/program'));
    try {
      for (const i of [1, 2]) {
        const options = `lowerdir=${at('l')},upperdir=${at(`u${i}`)},workdir=${at(`w${i}`)},passthrough=${passthrough}`;
        t.equal((await stratafs(['mount', '-o', options, at(`m${i}`)])).code, 0);
      }
      t.equal((await command(['sync', '-f', at('l/program')])).code, 0);
      t.equal((await command(['dd', `if=${at('l/program')}`, 'iflag=nocache', 'count=0', 'status=none'])).code, 0);
      const cold = await resident(at('m2/program'));
      t.equal((await command([at('m1/program'), '--version'])).code, 0, 'the program runs in the first mount');
      const seen = await resident(at('m2/program'));
      if (shared) t.ok(seen > cold + (1 << 20) / PAGE, `${seen} pages are there for the second mount, ${cold} before`);
      else t.equal(seen, 0, 'the second mount has none');
      if (shared) t.equal(seen, await resident(at('l/program')), 'they are the pages of the layer itself');
    } finally {
      await forceUnmount(at('m1'));
      await forceUnmount(at('m2'));
      rmSync(base, { recursive: true });
    }
  });
}
