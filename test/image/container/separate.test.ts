// What a server leaves that was killed while it sealed: files that two uppers share.

import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { separate } from '../../../lib/image/container/separate.js';
import { liveFds } from '../../../lib/sys/fd.js';
import { syscalls } from '../../../lib/sys/syscalls.js';
import { freshDirectory } from '../../support/paths.js';

const base = freshDirectory('separate');
t.teardown(() => rmSync(base, { recursive: true }));
const at = (...parts: string[]): string => join(base, ...parts);

t.test('a shared file is copied in the sealed upper, and nothing else changes', async (t) => {
  for (const path of ['sealed/d', 'fresh/d/only', 'work/work', 'outside']) mkdirSync(at(path), { recursive: true });
  writeFileSync(at('sealed/d/log'), 'text');
  chmodSync(at('sealed/d/log'), 0o4711);
  syscalls.setXattr(syscalls.openPath(at('sealed/d/log'), 0), '', 'user.k', Buffer.from('v'), 0);
  linkSync(at('sealed/d/log'), at('fresh/d/log'));
  writeFileSync(at('outside/log'), 'outside');
  symlinkSync(at('outside'), at('sealed/d/only'));
  linkSync(at('outside/log'), at('fresh/d/only/log'));
  writeFileSync(at('fresh/new'), '');
  lutimesSync(at('sealed/d'), 1000, 2000);
  const before = statSync(at('fresh/d/log'));
  t.equal(separate(syscalls, at('fresh'), at('sealed'), at('work')), 1);
  const [fresh, sealed] = [statSync(at('fresh/d/log')), statSync(at('sealed/d/log'))];
  t.same([fresh.ino, fresh.nlink, sealed.nlink], [before.ino, 1, 1]);
  t.match(sealed, { mode: before.mode, uid: before.uid, gid: before.gid, mtimeMs: before.mtimeMs });
  t.equal(statSync(at('sealed/d')).mtimeMs, 2_000_000);
  const fd = syscalls.openPath(at('sealed/d/log'), 0);
  t.equal(Buffer.from(syscalls.getXattr(fd, '', 'user.k') as Uint8Array).toString(), 'v');
  syscalls.close(fd);
  t.equal(statSync(at('outside/log')).nlink, 2, 'no link is followed');
  writeFileSync(at('fresh/d/log'), 'more');
  t.equal(readFileSync(at('sealed/d/log'), 'utf8'), 'text');
  t.equal(separate(syscalls, at('fresh'), at('sealed'), at('work')), 0);
  t.equal(liveFds(), 0);
});
