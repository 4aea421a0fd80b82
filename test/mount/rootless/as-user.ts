// Runs inside the room `user` (see support/rooms.ts): a plain user, fusermount3, and the way out.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Agent } from '../../support/agent.js';
import { command, stratafs } from '../../support/command.js';
import { plainUser } from '../../support/configs.js';
import { eventually, is, ok } from '../../support/expect.js';
import { withMount } from '../../support/mounts.js';
import { freshDirectory, mainScript } from '../../support/paths.js';
import { forceUnmount, isMounted, mountEntry } from '../../support/server.js';

interface Place {
  readonly base: string;
  readonly mnt: string;
  readonly options: string;
}

/** Layers of the user's own; whatever is mounted is gone afterwards. */
async function inPlace(t: Test, body: (place: Place) => Promise<void>): Promise<void> {
  const base = freshDirectory('user');
  for (const name of ['l', 'u', 'w', 'mnt']) mkdirSync(join(base, name));
  writeFileSync(join(base, 'l', 'f'), 'lower\n');
  const mnt = join(base, 'mnt');
  try {
    await body({ base, mnt, options: `lowerdir=${base}/l,upperdir=${base}/u,workdir=${base}/w` });
  } finally {
    await forceUnmount(mnt);
    t.ok(await eventually(() => !isMounted(mnt)), 'nothing stays mounted');
    rmSync(base, { recursive: true, force: true });
  }
}

const mount = (place: Place, ...more: string[]) => stratafs(['mount', '-o', place.options, ...more, place.mnt]);

await t.test('a write through a plain user is EPERM no more', (t) =>
  withMount(t, { config: plainUser, lowers: [{ f: 'lower' }] }, async (m) => {
    await is(m.client.put('f', 'written'), 0);
    await is(m.client.put('new', 'written'), 0);
    await is(m.client.cat('f'), 'written');
    await is(m.client.cat('new'), 'written');
    const lines = m.server.stderr().split('\n').filter(Boolean);
    t.ok(lines.length <= 1, 'one line at most, about passthrough', { lines });
  }),
);

const exits: Readonly<Record<string, (place: Place) => Promise<{ code: number | null; stderr: string }>>> = {
  'stratafs umount': (place) => stratafs(['umount', place.mnt]),
  'fusermount3 -u': (place) => command(['fusermount3', '-u', place.mnt]),
};
for (const [name, unmount] of Object.entries(exits)) {
  await t.test(`mounted in the background, unmounted by ${name}`, (t) =>
    inPlace(t, async (place) => {
      t.match(await mount(place), { code: 0, stderr: '' });
      const entry = mountEntry(place.mnt);
      t.match(entry, { type: 'fuse.stratafs', source: 'u:l' });
      for (const word of ['nosuid', 'nodev', 'noatime']) t.ok(entry?.options.split(',').includes(word), word);
      const agent = await Agent.start(place.mnt);
      await is(agent.put('f', 'changed'), 0);
      const busy = await unmount(place);
      t.not(busy.code, 0, 'busy');
      await agent.stop();
      t.match(await unmount(place), { code: 0, stderr: '' });
      t.notOk(isMounted(place.mnt));
      t.equal(readFileSync(join(place.base, 'u', 'f'), 'utf8'), 'changed');
      t.not((await unmount(place)).code, 0, 'not mounted any more');
    }),
  );
}

await t.test("a plain user's server that is killed leaves a mount that fusermount3 takes away", async (t) => {
  await withMount(t, { config: plainUser, lowers: [{ f: 'lower' }] }, async (m) => {
    process.kill(m.server.pid as number, 'SIGKILL');
    await m.server.ended;
    const late = await command(['stat', m.root]);
    t.match(late, { code: 1, stderr: /not connected/ });
    t.match(await command(['fusermount3', '-u', '-z', m.root]), { code: 0 });
    t.notOk(isMounted(m.root));
    await m.crash();
    await m.mount();
    await is(m.client.put('f', 'again'), 0);
  });
});

await t.test('a missing fusermount3 is named', (t) =>
  inPlace(t, async (place) => {
    const argv = [process.execPath, mainScript, 'mount', '-o', place.options, place.mnt];
    const ending = await command(['env', 'PATH=/nowhere', ...argv]);
    t.equal(ending.code, 1);
    t.equal(ending.stderr.trim().split('\n').length, 1, 'one line');
    t.match(ending.stderr, /fusermount3: not found, install it \(Debian: fuse3\)/);
  }),
);

await t.test('what fusermount3 refuses it says itself', (t) =>
  inPlace(t, async (place) => {
    const shared = await mount(place, '-o', 'allow_other');
    t.equal(shared.code, 1);
    t.match(shared.stderr, /allow_other.*user_allow_other/);
    const foreign = await stratafs(['mount', '-o', place.options, '/mnt']);
    t.equal(foreign.code, 1);
    t.match(foreign.stderr, /mountpoint \/mnt: .*fusermount3: /);
  }),
);

await t.test("others' files are EPERM as on any filesystem of the user's", (t) =>
  withMount(t, { config: plainUser, lowers: [{ f: 'lower' }] }, async (m) => {
    t.equal(await m.client.chown('f', 0, 0), -1);
    t.equal(await m.client.setxattr('f', 'trusted.x', 'x'), -1);
    await ok(m.client.chmod('f', 0o600));
  }),
);
