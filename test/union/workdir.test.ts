// The workdir: temporary names, leftovers, the shared whiteout.

import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { errno } from '../../lib/errno.js';
import { removeTree, Workdir } from '../../lib/union/workdir.js';
import { FaultySyscalls } from '../support/faulty-syscalls.js';
import { unionTest } from '../support/union-in-temp.js';

const layout = { lowers: [{}], upper: null };

unionTest(t, 'made when it is not there, private', layout, (t, w) => {
  const work = new Workdir(w.sys, w.sys.openPath(w.work, 0));
  t.equal(statSync(`${w.work}/work`).mode & 0o777, 0o700);
  t.not(work.temporary(), work.temporary());
  work.close();
});

unionTest(t, 'clear removes everything and follows nothing', layout, (t, w) => {
  const work = new Workdir(w.sys, w.sys.openPath(w.work, 0));
  const outside = `${w.base}/outside`;
  mkdirSync(outside);
  writeFileSync(`${outside}/keep`, '');
  symlinkSync(outside, `${w.work}/work/link`);
  mkdirSync(`${w.work}/work/a/b/c`, { recursive: true });
  symlinkSync(outside, `${w.work}/work/a/b/link`);
  writeFileSync(`${w.work}/work/a/f`, '');
  work.clear();
  t.same(readdirSync(`${w.work}/work`), []);
  t.ok(existsSync(`${outside}/keep`));
  work.close();
});

unionTest(t, 'removeTree', layout, (t, w) => {
  const fd = w.sys.openPath(w.work, 0);
  mkdirSync(`${w.work}/t/u`, { recursive: true });
  t.equal(removeTree(w.sys, fd, 't'), 0);
  t.equal(removeTree(w.sys, fd, 't'), -errno.ENOENT);
  mkdirSync(`${w.work}/t/u`, { recursive: true });
  t.equal(removeTree(w.sys, fd, 't', 5000), -errno.ELOOP, 'too deep');
  t.ok(existsSync(`${w.work}/t/u`));
  w.sys.close(fd);
});

unionTest(t, 'discard is best effort', layout, (t, w) => {
  const faulty = new FaultySyscalls();
  const work = new Workdir(faulty.syscalls, w.sys.openPath(w.work, 0));
  work.discard('nothing');
  mkdirSync(`${w.work}/work/x`);
  faulty.arm({ at: 1, how: errno.EIO });
  t.doesNotThrow(() => work.discard('x'));
  t.ok(existsSync(`${w.work}/work/x`), 'the next mount removes it');
  work.close();
});

unionTest(t, 'one whiteout for all, until it is retired', layout, (t, w) => {
  const work = new Workdir(w.sys, w.sys.openPath(w.work, 0));
  const made: string[] = [];
  const make = (name: string): void => {
    made.push(name);
    w.sys.mknodAt(work.fd, name, 0o020000, 0);
  };
  const first = work.sharedWhiteout(make);
  t.equal(work.sharedWhiteout(make), first);
  work.retireWhiteout();
  t.notOk(existsSync(`${w.work}/work/${first}`));
  t.not(work.sharedWhiteout(make), first);
  t.equal(made.length, 2);
  work.close();
  t.same(readdirSync(`${w.work}/work`), []);
});

unionTest(t, 'a work that cannot be made', layout, (t, w) => {
  const outer = w.sys.openPath(w.work, 0);
  const faulty = new FaultySyscalls();
  faulty.arm({ at: 1, how: errno.EACCES });
  t.throws(() => new Workdir(faulty.syscalls, outer), { code: errno.EACCES });
  w.sys.close(outer);
});
