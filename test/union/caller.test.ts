// Acting as the caller: ids and umask while one call runs, and the server's own again, whatever happens.

import t from 'tap';
import { asCaller, asServer } from '../../lib/union/caller.js';
import { unionTest, user } from '../support/union-in-temp.js';

const layout = { lowers: [{}] };

unionTest(t, 'what is made belongs to the caller', layout, (t, w) => {
  const fd = w.u.layers[0]?.fd ?? -1;
  w.sys.chmodAt(fd, '', 0o777);
  const made = (name: string): [number, number] => {
    w.sys.statAt(fd, name, w.stat);
    return [w.stat.uid, w.stat.mode & 0o777];
  };
  asCaller(w.u, user, () => w.sys.mkdirAt(fd, 'a', 0o777));
  t.same(made('a'), [1000, 0o755]);
  asServer(w.u, () => w.sys.mkdirAt(fd, 'b', 0o777));
  t.same(made('b'), [0, 0o777], 'the server has no umask');
  asCaller(w.u, { uid: 0, gid: 0, umask: 0o077 }, () => w.sys.mkdirAt(fd, 'c', 0o777));
  t.same(made('c'), [0, 0o700]);
});

unionTest(t, 'the server’s ids come back after a throw', layout, (t, w) => {
  const fail = (): never => {
    throw new Error('midway');
  };
  t.throws(() => asCaller(w.u, user, fail), { message: 'midway' });
  const fd = w.u.layers[0]?.fd ?? -1;
  asServer(w.u, () => w.sys.mkdirAt(fd, 'after', 0o755));
  w.sys.statAt(fd, 'after', w.stat);
  t.equal(w.stat.uid, 0);
});
