// WWW-Authenticate as registries write it.

import t from 'tap';
import { parseChallenges, preferred } from '../../../lib/image/registry/challenge.js';

const plain = (header: string): [string, Record<string, string>][] =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

t.test('a token, a password, or either', async (t) => {
  t.same(plain('Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"'), [
    ['bearer', { realm: 'https://a/t', service: 's', scope: 'repository:x:pull,push' }],
  ]);
  t.same(plain('BASIC Realm=x'), [['basic', { realm: 'x' }]]);
  t.same(plain('Basic realm="a \\"b\\"", Bearer realm="r" , service = s'), [
    ['basic', { realm: 'a "b"' }],
    ['bearer', { realm: 'r', service: 's' }],
  ]);
  t.equal(preferred(parseChallenges('Basic realm=x, Bearer realm=y'))?.scheme, 'bearer');
});

t.test('what is not known, and what is none', async (t) => {
  t.same(plain('Negotiate'), []);
  t.same(plain('Digest realm="x", nonce="y", Basic realm="z"'), [['basic', { realm: 'z' }]]);
  for (const odd of ['', '=', '"', 'Bearer realm="', ',,,']) t.doesNotThrow(() => plain(odd), odd);
  t.equal(preferred([]), null);
});
