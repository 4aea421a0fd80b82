// errno: the numbers are the host's, the names find them, the errors carry them.

import { constants } from 'node:os';
import t from 'tap';
import { ErrnoError, errno, errnoName, fail } from '../lib/errno.js';

t.test('the numbers are those of this host', async (t) => {
  const host = constants.errno as unknown as Record<string, number>;
  for (const [name, code] of Object.entries(errno)) {
    if (name in host) t.equal(code, host[name], name);
    t.equal(errnoName(code), name);
  }
});

t.test('a number without a name', async (t) => {
  t.equal(errnoName(4095), 'E4095');
});

t.test('errors', async (t) => {
  const error = fail('ENOENT', 'lookup');
  t.type(error, ErrnoError);
  t.match(error, { code: 2, what: 'lookup', message: 'lookup: ENOENT', name: 'ErrnoError' });
});
