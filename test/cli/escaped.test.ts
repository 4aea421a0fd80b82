// Byte strings as text: printable characters as they are, everything else as `ls -b` has it.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { escaped } from '../../lib/cli/escaped.js';
import { freshDirectory } from '../support/paths.js';

const bytes = (text: string): string => Buffer.from(text).toString('latin1');

t.test('known ones', async (t) => {
  t.equal(escaped(bytes('/a b/é/漢/😀')), '/a b/é/漢/😀');
  t.equal(escaped('/\n\t\\\x01\x7f'), '/\\n\\t\\\\\\001\\177');
  t.equal(escaped('/\xff\xc3('), '/\\377\\303(');
  t.equal(escaped(bytes('\u0085\u200e\u2028')), '\\302\\205\\342\\200\\216\\342\\200\\250', 'invisible ones');
});

t.test('never a line end, and no two byte strings the same', async () => {
  const latin1 = fc.uint8Array({ maxLength: 12 }).map((raw) => Buffer.from(raw).toString('latin1'));
  fc.assert(
    fc.property(latin1, latin1, (a, b) => !/[\n\r\ufffd]/.test(escaped(a)) && (a === b || escaped(a) !== escaped(b))),
  );
});

t.test('as ls -b, but for spaces', async (t) => {
  const base = freshDirectory('escaped');
  t.teardown(() => rmSync(base, { recursive: true }));
  const name = Buffer.from('\x01\n\\\x1b\xff\x7fx\t', 'latin1');
  mkdirSync(`${base}/d`);
  writeFileSync(Buffer.concat([Buffer.from(`${base}/d/`), name]), '');
  const ls = execFileSync('ls', ['-b', `${base}/d`], { encoding: 'utf8', env: { LC_ALL: 'C.UTF-8' } });
  t.equal(`${escaped(name.toString('latin1'))}\n`, ls);
});
