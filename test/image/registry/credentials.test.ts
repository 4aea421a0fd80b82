// Credentials out of docker's and podman's files and out of helpers, all of them made here.

import { Buffer } from 'node:buffer';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { credentialsFor } from '../../../lib/image/registry/credentials.js';
import { freshDirectory } from '../../support/paths.js';

const base = freshDirectory('credentials');
t.teardown(() => rmSync(base, { recursive: true }));
const env = { HOME: base, DOCKER_CONFIG: join(base, 'docker') };
const auth = (text: string): string => Buffer.from(text).toString('base64');
const config = (json: unknown): void => writeFileSync(join(base, 'docker', 'config.json'), JSON.stringify(json));
mkdirSync(join(base, 'docker'));

t.test('nothing is known', async (t) => {
  t.equal(await credentialsFor('host', env), null);
});

t.test('auths', async (t) => {
  config({
    auths: {
      'https://index.docker.io/v1/': { auth: auth('hub:p:w') },
      'https://host:5000': { auth: auth('me:secret') },
      other: { identitytoken: 'tok' },
      logged: {},
    },
  });
  t.same(await credentialsFor('docker.io', env), { kind: 'password', user: 'hub', password: 'p:w' });
  t.same(await credentialsFor('host:5000', env), { kind: 'password', user: 'me', password: 'secret' });
  t.same(await credentialsFor('other', env), { kind: 'identity', token: 'tok' });
  t.equal(await credentialsFor('logged', env), null);
  t.equal(await credentialsFor('host', env), null);
});

t.test("podman's file", async (t) => {
  const path = join(base, 'auth.json');
  writeFileSync(path, JSON.stringify({ auths: { pod: { auth: auth('a:b') } } }));
  t.match(await credentialsFor('pod', { ...env, REGISTRY_AUTH_FILE: path }), { user: 'a' });
});

t.test('helpers', async (t) => {
  const helper = join(base, 'docker-credential-test');
  const script = `#!/bin/sh
read host
case $host in
known) echo '{"Username":"u","Secret":"s"}' ;;
token) echo '{"Username":"<token>","Secret":"t"}' ;;
broken) echo nonsense ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;
  writeFileSync(helper, script);
  chmodSync(helper, 0o755);
  const { PATH } = process.env;
  process.env.PATH = `${base}:${PATH}`;
  t.teardown(() => {
    process.env.PATH = PATH;
  });
  config({ credsStore: 'test', auths: { fallback: { auth: auth('f:b') } } });
  t.same(await credentialsFor('known', env), { kind: 'password', user: 'u', password: 's' });
  t.same(await credentialsFor('token', env), { kind: 'identity', token: 't' });
  t.match(await credentialsFor('fallback', env), { user: 'f' });
  t.equal(await credentialsFor('nobody', env), null);
  await t.rejects(credentialsFor('broken', env), /docker-credential-test answered/);
  config({ credHelpers: { host: 'missing', bad: '../x' } });
  await t.rejects(credentialsFor('host', env), /docker-credential-missing cannot be run/);
  await t.rejects(credentialsFor('bad', env), /no name of a credential helper/);
});

t.test('a damaged file is named', async (t) => {
  writeFileSync(join(base, 'docker', 'config.json'), '{');
  await t.rejects(credentialsFor('host', env), /config\.json/);
});
