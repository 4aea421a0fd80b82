// Which trouble passes, and how long to wait.

import t from 'tap';
import { askedWait, isConnectionError, isPassingStatus, waitAfter } from '../../../lib/image/registry/retry.js';

t.test('what passes', async (t) => {
  for (const status of [429, 500, 502, 503, 504]) t.ok(isPassingStatus(status), String(status));
  for (const status of [200, 401, 403, 404, 501]) t.notOk(isPassingStatus(status), String(status));
  t.ok(isConnectionError(Object.assign(new Error('x'), { code: 'ECONNRESET' })));
  t.notOk(isConnectionError(Object.assign(new Error('x'), { code: 'CERT_HAS_EXPIRED' })));
  t.notOk(isConnectionError(new Error('x')));
});

t.test('waits grow to a bound, and heed Retry-After within reason', async (t) => {
  const patience = { attempts: 5, firstWaitMs: 100, longestWaitMs: 1000 };
  t.same(
    [0, 1, 2, 9].map((attempt) => waitAfter(attempt, patience, 0.5)),
    [100, 200, 400, 1000],
  );
  t.equal(askedWait({}), null);
  t.equal(askedWait({ 'retry-after': '3' }), 3000);
  t.equal(askedWait({ 'retry-after': '99999' }), 120_000);
  t.equal(askedWait({ 'retry-after': 'Thu, 01 Jan 1970 00:00:05 GMT' }, 1000), 4000);
  t.equal(askedWait({ 'retry-after': 'soon' }), null);
});
