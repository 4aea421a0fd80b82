// Pull and push against a registry that misbehaves: tokens, full houses, broken connections, wrong contents.

import { Buffer } from 'node:buffer';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Digest } from '../../../lib/image/digest.js';
import { findImage, type Image } from '../../../lib/image/images.js';
import { parsePlatform } from '../../../lib/image/platform.js';
import { silent } from '../../../lib/image/progress.js';
import { parseReference } from '../../../lib/image/reference.js';
import { pull } from '../../../lib/image/registry/pull.js';
import { push } from '../../../lib/image/registry/push.js';
import { Store } from '../../../lib/image/store.js';
import { FakeRegistry } from '../../support/fake-registry.js';
import { file, onStore, tarOf } from '../../support/images.js';
import { freshDirectory } from '../../support/paths.js';
import { Random } from '../../support/random.js';

const base = freshDirectory('transfer');
t.teardown(() => rmSync(base, { recursive: true }));
const patience = { attempts: 4, firstWaitMs: 1, longestWaitMs: 5 };
const env = { HOME: base };
const random = new Random(5);
const noise = Buffer.from(Array.from({ length: 100_000 }, () => random.below(256)));

class Ground {
  readonly lines: string[] = [];
  readonly registry: FakeRegistry;
  readonly root: string;

  constructor(registry: FakeRegistry, root: string) {
    this.registry = registry;
    this.root = root;
  }

  get reporter() {
    return { ...silent, line: (text: string): void => void this.lines.push(text) };
  }

  pull(name = 'app:1', more: { env?: NodeJS.ProcessEnv; platform?: string } = {}): Promise<Image> {
    const reference = parseReference(`${this.registry.host}/${name}`);
    const options = { plainHttp: true, patience, env: more.env ?? env };
    const request = { reference, platform: parsePlatform(more.platform ?? 'amd64'), options, most: null };
    return Store.with(this.root, 'write', (store) => pull(store, request, this.reporter));
  }

  push(from: string, to: string): Promise<void> {
    const reference = parseReference(`${this.registry.host}/${to}`);
    const options = { plainHttp: true, patience, env };
    return Store.with(this.root, 'read', async (store) => {
      const image = findImage(store, `${this.registry.host}/${from}`);
      await push(store, { image, reference, options }, this.reporter);
    });
  }

  count(folder: string): number {
    return readdirSync(join(this.root, folder)).length;
  }

  asked(part: string): string[] {
    return this.registry.log.filter((line) => line.includes(part));
  }
}

async function ground(t: Test): Promise<Ground> {
  const registry = await FakeRegistry.start();
  t.teardown(() => registry.stop());
  return new Ground(registry, join(base, `store-${registry.host.split(':')[1]}`));
}

const tars = async (): Promise<Buffer[]> => [
  await tarOf([file('a', noise)]),
  await tarOf([file('b', 'b')]),
  await tarOf([file('c', 'c')]),
  await tarOf([file('d', 'd')]),
];

t.test('an image of either kind comes whole, and is not fetched twice', async (t) => {
  for (const docker of [false, true]) {
    const g = await ground(t);
    const { manifest, layers } = g.registry.image('1', await tars(), docker);
    const image = await g.pull();
    t.equal(image.descriptor.digest, manifest);
    t.equal(g.count('layers/sha256'), 4);
    t.equal(g.count('partial'), 0);
    await g.pull();
    for (const layer of layers) t.equal(g.asked(layer).length, 1, 'each layer once');
    await t.resolves(g.pull(`app@${manifest}`));
  }
});

t.test('an index: the platform that was asked for', async (t) => {
  const g = await ground(t);
  const [first, second] = await tars();
  const amd = g.registry.image('a', [first as Buffer]).manifest;
  const arm = g.registry.image('b', [second as Buffer]).manifest;
  g.registry.index('1', [
    { digest: amd, platform: { os: 'linux', architecture: 'amd64' } },
    { digest: arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  ]);
  t.equal((await g.pull()).descriptor.digest, amd);
  t.equal((await g.pull('app:1', { platform: 'linux/arm64' })).descriptor.digest, arm);
  await t.rejects(g.pull('app:1', { platform: 's390x' }), /is not for linux\/s390x; --platform can be one of/);
});

t.test('a token, with a password or without', async (t) => {
  const g = await ground(t);
  g.registry.image('1', await tars());
  const tokens: string[] = [];
  g.registry.misbehave = (request, response) => {
    const { url = '', headers } = request;
    if (url.startsWith('/token')) {
      tokens.push(`${headers.authorization ?? ''} ${new URL(url, 'http://x').searchParams.get('scope')}`);
      response.end(JSON.stringify({ token: 'good' }));
      return true;
    }
    if (headers.authorization === 'Bearer good') return false;
    const challenge = `Bearer realm="http://${g.registry.host}/token",service="fake",scope="repository:app:pull"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
    return true;
  };
  await g.pull();
  t.same(tokens, [' repository:app:pull'], 'asked for once');
  const auth = Buffer.from('me:pw').toString('base64');
  writeFileSync(join(base, 'auth.json'), JSON.stringify({ auths: { [g.registry.host]: { auth } } }));
  await g.pull('app:1', { env: { ...env, REGISTRY_AUTH_FILE: join(base, 'auth.json') } });
  t.equal(tokens[1], `Basic ${auth} repository:app:pull`);
});

t.test('a password at the registry itself; a refusal says what to do', async (t) => {
  const g = await ground(t);
  g.registry.image('1', await tars());
  const auth = Buffer.from('me:pw').toString('base64');
  g.registry.misbehave = (request, response) => {
    if (request.headers.authorization === `Basic ${auth}`) return false;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="fake"' }).end();
    return true;
  };
  await t.rejects(g.pull(), /does not permit to pull .*docker login/);
  const path = join(base, 'basic.json');
  writeFileSync(path, JSON.stringify({ auths: { [g.registry.host]: { auth } } }));
  await t.resolves(g.pull('app:1', { env: { ...env, REGISTRY_AUTH_FILE: path } }));
});

t.test('credentials that cannot be read end the command, whatever the registry is still sending', async (t) => {
  const g = await ground(t);
  g.registry.misbehave = (_request, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="fake"' }).write('{');
    return true;
  };
  const path = join(base, 'broken.json');
  writeFileSync(path, '{broken');
  const began = Date.now();
  const run = onStore(join(base, 'broken'), { REGISTRY_AUTH_FILE: path });
  t.match(await run(['pull', '--plain-http', `${g.registry.host}/app:1`]), { code: 1, err: /broken\.json: / });
  t.ok(Date.now() - began < 40_000, 'without waiting for the connection to be idle for a minute');
});

t.test('credentials stay with the registry when it leads elsewhere', async (t) => {
  const g = await ground(t);
  const other = await FakeRegistry.start();
  t.teardown(() => other.stop());
  const made = g.registry.image('1', await tars());
  for (const [digest, data] of g.registry.blobs) other.blobs.set(digest, data);
  const auth = Buffer.from('me:pw').toString('base64');
  g.registry.misbehave = (request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="fake"' }).end();
      return true;
    }
    if (!request.url?.includes('/blobs/')) return false;
    response.writeHead(307, { location: `http://${other.host}${request.url}` }).end();
    return true;
  };
  const path = join(base, 'leads.json');
  writeFileSync(path, JSON.stringify({ auths: { [g.registry.host]: { auth } } }));
  await g.pull('app:1', { env: { ...env, REGISTRY_AUTH_FILE: path } });
  t.equal(other.log.length, made.layers.length + 1);
  t.same([...new Set(other.authorizations)], [''], 'and nobody else is told');
});

t.test('429 and 503 pass; what goes on is said in the end', async (t) => {
  const g = await ground(t);
  g.registry.image('1', await tars());
  const trouble = [429, 503, 500];
  g.registry.misbehave = (_request, response) => {
    const status = trouble.shift();
    if (status === undefined) return false;
    response.writeHead(status, { 'retry-after': '0' }).end();
    return true;
  };
  await t.resolves(g.pull());
  t.match(g.lines[0], /status 429; trying again in 0\.0 s/);
  g.registry.misbehave = (_request, response) => {
    response.writeHead(429, { 'retry-after': '0' }).end();
    return true;
  };
  await t.rejects(g.pull('new:1'), /too many requests/);
});

t.test('a broken connection: the blob goes on where it ended', async (t) => {
  const g = await ground(t);
  const { layers } = g.registry.image('1', await tars());
  const data = g.registry.blobs.get(layers[0] as string) as Buffer;
  let broken = 2;
  g.registry.misbehave = (request, response) => {
    if (!request.url?.includes(layers[0] as string) || broken === 0) return false;
    broken -= 1;
    const start = Number(/=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const headers = { 'content-length': data.length - start };
    if (start > 0) response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${data.length - 1}/*` });
    else response.writeHead(200, headers);
    response.write(data.subarray(start, start + 1000));
    // A reset overtakes what is still on its way.
    setTimeout(() => response.destroy(), 100);
    return true;
  };
  await t.resolves(g.pull());
  t.match(g.asked(layers[0] as string), [/[^\]]$/, /\[bytes=1000-\]/, /\[bytes=2000-\]/]);
});

t.test('what an earlier process left is gone on with; if it is wrong, from the start', async (t) => {
  for (const right of [true, false]) {
    const g = await ground(t);
    const { layers } = g.registry.image('1', await tars());
    const [layer] = layers as [Digest];
    await Store.with(g.root, 'write', async (store) => {
      const head = (g.registry.blobs.get(layer) as Buffer).subarray(0, 5000);
      writeFileSync(store.partial(layer), right ? head : Buffer.alloc(5000, 1));
    });
    await t.resolves(g.pull());
    t.equal(g.asked(layer)[0], `GET /v2/app/blobs/${layer} [bytes=5000-]`);
    t.equal(g.asked(layer).length, right ? 1 : 2);
  }
});

t.test('a server without ranges', async (t) => {
  const g = await ground(t);
  const { layers } = g.registry.image('1', await tars());
  const [layer] = layers as [Digest];
  await Store.with(g.root, 'write', async (store) => writeFileSync(store.partial(layer), Buffer.alloc(5000)));
  g.registry.misbehave = (request) => {
    delete request.headers.range;
    return false;
  };
  await t.resolves(g.pull());
});

t.test('wrong contents are refused, and nothing of the image is left', async (t) => {
  const g = await ground(t);
  const { layers, manifest } = g.registry.image('1', await tars());
  const right = g.registry.blobs.get(layers[1] as string) as Buffer;
  const wrong: [name: string, data: Buffer, message: RegExp][] = [
    ['other bytes', Buffer.alloc(right.length, 1), /sent other contents/],
    ['too long', Buffer.concat([right, right]), /longer than the/],
    ['too short', right.subarray(0, 10), /ended early/],
  ];
  for (const [name, data, message] of wrong) {
    g.registry.blobs.set(layers[1] as string, data);
    await t.rejects(g.pull(), message, name);
    t.equal(g.count('blobs/sha256') + g.count('layers/sha256') + g.count('tmp'), 0, name);
  }
  g.registry.blobs.set(layers[1] as string, right);
  const { type, data } = g.registry.manifests.get('1') as { type: string; data: Buffer };
  g.registry.manifests.set(manifest, { type, data: Buffer.concat([data, Buffer.from(' ')]) });
  await t.rejects(g.pull(`app@${manifest}`), /sent a manifest other than/);
  await t.resolves(g.pull(), 'and is there when all is right');
});

t.test('a hostile layer: refused whole, nothing left', async (t) => {
  const g = await ground(t);
  const hostile = await tarOf([file('../../escape', 'x')]);
  g.registry.image('1', [...(await tars()), hostile]);
  await t.rejects(g.pull());
  t.equal(g.count('blobs/sha256') + g.count('layers/sha256') + g.count('partial') + g.count('tmp'), 0);
});

t.test('what is not there is said in one line', async (t) => {
  const g = await ground(t);
  await t.rejects(g.pull('none:1'), /cannot pull .*none:1: .* does not have it \(UNKNOWN not \[31m here\); check name/);
});

t.test('push: what is there is not sent; a broken upload goes on', async (t) => {
  const g = await ground(t);
  const { manifest, layers } = g.registry.image('1', await tars());
  await g.pull();
  const [first] = layers as [Digest];
  const data = g.registry.blobs.get(first) as Buffer;
  g.registry.blobs.delete(first);
  g.registry.manifests.clear();
  let broken = 1;
  g.registry.misbehave = (request, response) => {
    if (request.method !== 'PATCH' || broken === 0) return false;
    broken -= 1;
    g.registry.arrived(data.subarray(0, 700));
    response.destroy();
    return true;
  };
  await g.push('app:1', 'app:2');
  t.same(g.registry.blobs.get(first), data);
  t.equal(g.registry.manifests.has(manifest), true);
  t.equal(g.asked('POST').length, 1, 'one upload, the rest was there');
  t.equal(g.asked('PATCH').length, 2);
});
