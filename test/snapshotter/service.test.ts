// The service over its socket, as containerd speaks to it; what a restart and a crash leave.

import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClientReadableStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import t from 'tap';
import type { Mount } from '../../lib/snapshotter/mounts.js';
import { serveSnapshots, snapshotsClient } from '../../lib/snapshotter/service.js';
import { Snapshots } from '../../lib/snapshotter/snapshots.js';
import { freshDirectory } from '../support/paths.js';

interface Info {
  readonly name: string;
  readonly parent: string;
  readonly kind: string;
  readonly labels: Record<string, string>;
  readonly createdAt: { seconds: number };
}

const base = freshDirectory('snapshotter');
const address = join(base, 'socket');
const root = join(base, 'root');
t.teardown(() => rmSync(base, { recursive: true }));

type Call = (request: object, done: (error: ServiceError | null, response: unknown) => void) => void;

class Client {
  readonly #client = new (snapshotsClient())(`unix:${address}`, credentials.createInsecure());

  call<T>(method: string, request: object): Promise<T> {
    const call = (this.#client as unknown as Record<string, Call>)[method] as Call;
    return new Promise((resolve, reject) => {
      call.call(this.#client, request, (error, response) => (error === null ? resolve(response as T) : reject(error)));
    });
  }

  async list(filters: readonly string[] = []): Promise<Info[]> {
    const list = (this.#client as unknown as { List(request: object): ClientReadableStream<{ info: Info[] }> }).List;
    const infos: Info[] = [];
    for await (const { info } of list.call(this.#client, { filters })) infos.push(...info);
    return infos;
  }

  close(): void {
    this.#client.close();
  }
}

async function withService(use: (client: Client) => Promise<void>): Promise<void> {
  const snapshots = await Snapshots.open(root, 'stratafs-overlay');
  const service = await serveSnapshots(snapshots, address);
  const client = new Client();
  try {
    await use(client);
  } finally {
    client.close();
    await service.close();
    await snapshots.close();
  }
}

const layerOf = (mounts: readonly Mount[]): string => {
  const [mount] = mounts;
  const upper = mount?.options.find((option) => option.startsWith('upperdir='));
  return upper === undefined ? (mount?.source ?? '') : upper.slice('upperdir='.length);
};

const refused = (code: status) => ({ code });

t.test('a chain of layers', () =>
  withService(async (client) => {
    const first = await client.call<{ mounts: Mount[] }>('Prepare', { key: 'ns/1/a', labels: { why: 'base' } });
    t.match(first.mounts, [{ type: 'bind', options: ['rw', 'rbind'] }]);
    writeFileSync(join(layerOf(first.mounts), 'file'), 'x'.repeat(10_000));
    t.match(await client.call('Stat', { key: 'ns/1/a' }), {
      info: { kind: 'ACTIVE', parent: '', labels: { why: 'base' } },
    });
    await client.call('Commit', { key: 'ns/1/a', name: 'ns/2/base', labels: { kept: 'yes' } });
    await t.rejects(client.call('Stat', { key: 'ns/1/a' }), refused(status.NOT_FOUND));
    const usage = await client.call<{ size: number; inodes: number }>('Usage', { key: 'ns/2/base' });
    t.equal(usage.inodes, 2);
    t.ok(usage.size >= 10_000);

    const second = await client.call<{ mounts: Mount[] }>('Prepare', { key: 'ns/3/b', parent: 'ns/2/base' });
    t.match(second.mounts, [{ type: 'fuse3.stratafs-overlay', source: 'overlay' }]);
    t.same(await client.call('Mounts', { key: 'ns/3/b' }), second);
    const { info } = await client.call<{ info: Info }>('Stat', { key: 'ns/2/base' });
    t.match(info, { kind: 'COMMITTED', labels: { kept: 'yes' } });
    t.ok(Math.abs(info.createdAt.seconds * 1000 - Date.now()) < 60_000);
  }),
);

t.test('it is all there after a restart', () =>
  withService(async (client) => {
    const names = (await client.list()).map(({ name }) => name).sort();
    t.same(names, ['ns/2/base', 'ns/3/b']);
    t.same(
      (await client.list(['kind==active'])).map(({ name }) => name),
      ['ns/3/b'],
    );
    t.match(await client.call('Mounts', { key: 'ns/3/b' }), { mounts: [{ type: 'fuse3.stratafs-overlay' }] });
  }),
);

t.test('what cannot be is refused in containerd’s words', () =>
  withService(async (client) => {
    await t.rejects(client.call('Prepare', { key: 'ns/3/b' }), refused(status.ALREADY_EXISTS));
    await t.rejects(client.call('Prepare', { key: '' }), refused(status.INVALID_ARGUMENT));
    await t.rejects(client.call('Prepare', { key: 'n', parent: 'none' }), refused(status.NOT_FOUND));
    await t.rejects(client.call('Prepare', { key: 'n', parent: 'ns/3/b' }), refused(status.INVALID_ARGUMENT));
    await t.rejects(client.call('Mounts', { key: 'ns/2/base' }), refused(status.FAILED_PRECONDITION));
    await t.rejects(client.call('Remove', { key: 'ns/2/base' }), refused(status.FAILED_PRECONDITION));
    await t.rejects(client.call('Commit', { key: 'ns/2/base', name: 'n' }), refused(status.FAILED_PRECONDITION));
    await t.rejects(client.call('Commit', { key: 'ns/3/b', name: 'ns/2/base' }), refused(status.ALREADY_EXISTS));
    await client.call('View', { key: 'ns/4/v', parent: 'ns/2/base' });
    await t.rejects(client.call('Commit', { key: 'ns/4/v', name: 'n' }), refused(status.FAILED_PRECONDITION));
    await t.rejects(client.list(['name=']), refused(status.INVALID_ARGUMENT));
  }),
);

t.test('labels are changed one by one or all together', () =>
  withService(async (client) => {
    const update = async (labels: object, paths: readonly string[]): Promise<unknown> => {
      const request = { info: { name: 'ns/3/b', labels }, ...(paths.length > 0 && { updateMask: { paths } }) };
      return (await client.call<{ info: Info }>('Update', request)).info.labels;
    };
    t.same(await update({ a: '1', b: '2' }, []), { a: '1', b: '2' });
    t.same(await update({ a: '3', b: 'ignored' }, ['labels.a']), { a: '3', b: '2' });
    t.same(await update({}, ['labels.b']), { a: '3' });
    t.same(await update({ c: '4' }, ['labels']), { c: '4' });
    await t.rejects(update({}, ['name']), refused(status.INVALID_ARGUMENT));
  }),
);

t.test('a new layer takes after the root of its parent', () =>
  withService(async (client) => {
    const { mounts } = await client.call<{ mounts: Mount[] }>('Prepare', { key: 'ns/5/c', parent: 'ns/2/base' });
    t.equal(statSync(layerOf(mounts)).mode & 0o7777, 0o755);
    t.ok(existsSync(join(layerOf(mounts), '..', 'work')));
    await client.call('Remove', { key: 'ns/5/c' });
    t.notOk(existsSync(layerOf(mounts)));
  }),
);

t.test('directories that a crash has left without a record go at the next start', async () => {
  mkdirSync(join(root, 'snapshots', '77', 'fs'), { recursive: true });
  mkdirSync(join(root, 'snapshots', 'rm-78', 'fs'), { recursive: true });
  await withService(async (client) => {
    const known = readdirSync(join(root, 'snapshots'));
    t.equal(known.length, (await client.list()).length);
    mkdirSync(join(root, 'snapshots', '79'));
    await client.call('Cleanup', {});
    t.notOk(existsSync(join(root, 'snapshots', '79')));
  });
});

t.test('the socket is for its owner, and goes with the service', async (t) => {
  await withService(async () => {
    t.equal(statSync(address).mode & 0o777, 0o600);
  });
  t.notOk(existsSync(address));
});

t.test('a hundred at once', () =>
  withService(async (client) => {
    const keys = Array.from({ length: 100 }, (_v, i) => `many/${i}`);
    await Promise.all(keys.map((key) => client.call('Prepare', { key, parent: 'ns/2/base' })));
    t.equal((await client.list(['name~=^many/'])).length, 100);
    await Promise.all(keys.map((key) => client.call('Remove', { key })));
    t.equal((await client.list(['name~=^many/'])).length, 0);
  }),
);
