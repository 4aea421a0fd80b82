// The context: what a reply gave out is taken back when nobody got it; nodeids become what they must be.

import t from 'tap';
import { errno } from '../../lib/errno.js';
import { Context, callerOf, settled } from '../../lib/ops/context.js';
import { Stat } from '../../lib/sys/stat.js';
import { DirentWriter } from '../../lib/wire/dirents.js';
import type { Negotiated } from '../../lib/wire/init.js';
import { ReplyWriter } from '../../lib/wire/replies.js';
import { dir, file } from '../support/tree.js';
import { codeOf, type TempUnion, unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{ f: file('f'), d: dir({}) }] };

function contextOf(w: TempUnion): Context {
  const reply = new ReplyWriter(new ArrayBuffer(4096));
  return new Context(w.u, reply, new DirentWriter(reply), {} as Negotiated, 1, new Stat());
}

unionTest(t, 'nodeids', layout, (t, w) => {
  const c = contextOf(w);
  const [f, d] = [w.file('f'), w.dir('d')];
  t.equal(c.node(f.id), f);
  t.equal(c.file(f.id), f);
  t.equal(c.directory(d.id), d);
  t.equal(
    codeOf(() => c.node(999)),
    errno.ESTALE,
  );
  t.equal(
    codeOf(() => c.file(d.id)),
    errno.EISDIR,
  );
  t.equal(
    codeOf(() => c.directory(f.id)),
    errno.ENOTDIR,
  );
});

unionTest(t, 'granted, delivered, not delivered', layout, (t, w) => {
  const c = contextOf(w);
  const f = w.file('f');
  c.grant(f);
  c.delivered();
  c.undelivered();
  t.equal(f.nlookup, 2, 'delivered is final');
  c.grant(f);
  c.grant(f);
  c.undelivered();
  c.undelivered();
  t.equal(f.nlookup, 2, 'taken back once');
  c.grantHandle(12345);
  t.doesNotThrow(() => c.undelivered(), 'an fh that is gone');
});

t.test('callers', async (t) => {
  const header = { uniqueLow: 1, uniqueHigh: 0, nodeid: 1, uid: 5, gid: 6, pid: 7 };
  t.same(callerOf(header, 0o22), { uid: 5, gid: 6, umask: 0o22 });
});

t.test('settled work', async (t) => {
  t.type(await settled(Promise.resolve(0)), 'function');
  await t.rejects(settled(Promise.resolve(-errno.EINTR)), { code: errno.EINTR });
  await t.rejects(settled(Promise.resolve(-errno.EIO)), { code: errno.EIO });
  await t.rejects(settled(Promise.resolve(-errno.ENOSPC)), { code: errno.ENOSPC }, 'fsync on a full disk');
});
