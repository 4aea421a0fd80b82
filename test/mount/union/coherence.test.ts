// Descriptors and maps from before a copy-up, with passthrough and without; and lower layers whose
// bytes must never change.

import t from 'tap';
import { hostAgent } from '../../support/agent.js';
import { chosen, native, nativeCached } from '../../support/configs.js';
import { is, ok } from '../../support/expect.js';
import { MAP, O, PROT } from '../../support/linux.js';
import { onEach } from '../../support/mounts.js';
import { dir, file } from '../../support/tree.js';

const configs = chosen([native, nativeCached]);
const ELF = `\x7fELF\x02\x01\x01${'\0'.repeat(9)}${'code'.repeat(4096)}`;
const lowers = [
  {
    text: 'old text\n',
    lib: file(ELF, { mode: 0o755 }),
    big: file('x'.repeat(300_000)),
    many: dir(Object.fromEntries(Array.from({ length: 60 }, (_v, i) => [`f${i}`, `old ${i}`]))),
  },
];

await t.test('a read-only descriptor from before the copy-up sees what is written after it', (t) =>
  onEach(t, configs, { lowers }, async (m, t) => {
    const other = await m.newClient();
    const before = await ok(m.client.open('text', O.RDONLY));
    await is(m.client.pread(before, 20, 0), 'old text\n');
    const unread = await ok(m.client.open('text', O.RDONLY));
    const writer = await ok(other.open('text', O.RDWR));
    await is(other.pwrite(writer, 'NEW', 0), 3);
    t.equal(await m.client.pread(before, 20, 0), 'NEW text\n', 'one that had read');
    t.equal(await m.client.pread(unread, 20, 0), 'NEW text\n', 'one that had not');
    await is(other.pwrite(writer, ' and more', 8), 9);
    t.equal(await m.client.pread(before, 30, 0), 'NEW text and more', 'it grows');
    await ok(other.ftruncate(writer, 3));
    t.equal(await m.client.pread(before, 30, 0), 'NEW', 'it shrinks');
    t.equal((await ok(m.client.fstat(before))).size, 3, 'fstat agrees');
  }),
);

await t.test('a map from before the copy-up stays readable, a new one sees the new bytes', (t) =>
  onEach(t, configs, { lowers }, async (m, t) => {
    const fd = await ok(m.client.open('big', O.RDONLY));
    const map = await ok(m.client.mmap(fd, 300_000, PROT.READ, MAP.SHARED));
    await is(m.client.mapread(map, 0, 3), 'xxx');
    await ok(m.client.put('big', 'NEW', O.WRONLY));
    t.equal(await m.client.pread(fd, 4, 0), 'NEWx', 'the descriptor');
    t.equal(await m.client.mapread(map, 200_000, 3), 'xxx', 'a page not touched before');
    const fresh = await ok(m.client.mmap(fd, 300_000, PROT.READ, MAP.SHARED));
    t.equal(await m.client.mapread(fresh, 0, 4), 'NEWx', 'a new map');
  }),
);

await t.test('an ELF file held open read-only is rewritten: a plain success, the same st_ino', (t) =>
  onEach(t, configs, { lowers }, async (m, t) => {
    const a = m.client;
    const before = await ok(a.stat('lib'));
    const held = await ok(a.open('lib', O.RDONLY));
    const map = await ok(a.mmap(held, 4096, PROT.READ | PROT.EXEC, MAP.PRIVATE));
    await is(a.mapread(map, 0, 4), '\x7fELF');
    const writer = await ok(a.open('lib', O.RDWR));
    await is(a.pwrite(writer, 'REWRITTEN', 0), 9);
    t.equal(await a.pread(writer, 9, 0), 'REWRITTEN', 'the writer reads its bytes');
    t.equal(((await a.cat('lib')) as string).slice(0, 9), 'REWRITTEN', 'a new open too');
    t.equal((await ok(a.stat('lib'))).ino, before.ino, 'st_ino by name');
    t.equal((await ok(a.fstat(held))).ino, before.ino, 'st_ino by the old descriptor');
    t.type(await a.pread(held, 9, 0), 'string', 'the old descriptor still reads');
    t.type(await a.mapread(map, 0, 4), 'string', 'its map too');
    const host = await hostAgent();
    t.equal(await host.cat(`${m.lower}/lib`), ELF, 'the lower bytes');
  }),
);

await t.test('a held read-only open and a write through a second one leave the lower file alone', (t) =>
  onEach(t, configs, { lowers }, async (m, t) => {
    const host = await hostAgent();
    for (const name of ['text', 'lib', 'big']) {
      const lower = await ok(host.cat(`${m.lower}/${name}`));
      for (const flags of [O.WRONLY, O.RDWR, O.RDWR | O.APPEND, O.WRONLY | O.TRUNC]) {
        const held = await ok(m.client.open(name, O.RDONLY));
        await m.client.pread(held, 10, 0);
        const writer = await ok(m.client.open(name, flags));
        await ok(m.client.write(writer, 'OVERWRITTEN'));
        await ok(m.client.fsync(writer));
        t.equal(await host.cat(`${m.lower}/${name}`), lower, `${name} with flags ${flags.toString(8)}`);
      }
    }
  }),
);

await t.test('sixty files, each held open, read, written and read again', (t) =>
  onEach(t, configs, { lowers }, async (m, t) => {
    const held: number[] = [];
    for (let i = 0; i < 60; i++) held.push(await ok(m.client.open(`many/f${i}`, O.RDONLY)));
    for (let i = 0; i < 60; i += 2) await ok(m.client.put(`many/f${i}`, `new ${i}`, O.WRONLY | O.TRUNC));
    for (const [i, fd] of held.entries()) {
      t.equal(await m.client.pread(fd, 20, 0), i % 2 ? `old ${i}` : `new ${i}`, `f${i}`);
    }
  }),
);

await t.test('passthrough=all and passthrough=upper give the same bytes', (t) =>
  onEach(
    t,
    configs.map((config) => ({ ...config, name: `${config.name}, all`, options: 'passthrough=all' })).slice(0, 1),
    { lowers },
    async (m, t) => {
      const a = m.client;
      t.equal(await a.cat('text'), 'old text\n');
      const held = await ok(a.open('text', O.RDONLY));
      await ok(a.put('text', 'new', O.WRONLY | O.TRUNC));
      t.equal(await a.cat('text'), 'new', 'a new open');
      t.type(await a.pread(held, 20, 0), 'string', 'the old descriptor still reads');
      t.equal(await (await hostAgent()).cat(`${m.lower}/text`), 'old text\n', 'the lower bytes');
    },
  ),
);
