// `mount -o remount`: the flags that the kernel can change change; a word that would change anything else is refused by
// name, in the words that mount(8) gives its helper.

import t, { type Test } from 'tap';
import { stratafs } from '../../support/command.js';
import { chosen, native } from '../../support/configs.js';
import { fails, ok } from '../../support/expect.js';
import { O } from '../../support/linux.js';
import { type Mounted, onEach, type Setup } from '../../support/mounts.js';
import { mountEntry } from '../../support/server.js';

const configs = chosen([native]);
const setup: Omit<Setup, 'config'> = { lowers: [{ f: 'f' }, {}], options: 'index=off' };
/** What mount(8) reads in the mount table, and gives back. */
const table = 'nodev,noatime,remount,user_id=0,group_id=0,default_permissions,allow_other';

/** As mount(8) calls its helper: the source first, and all words that are to hold. */
const helper = (m: Mounted, words: string) =>
  stratafs(['--as=mount.stratafs', 'source', m.root, '-o', `${table},${words}`]);
const byHand = (m: Mounted, words: string) => stratafs(['mount', '-o', `remount,${words}`, m.root]);
const flagsOf = (m: Mounted): string | undefined => mountEntry(m.root)?.options;

async function refused(t: Test, m: Mounted, run: typeof helper, words: string, says: RegExp): Promise<void> {
  const before = flagsOf(m);
  const { code, stderr } = await run(m, words);
  t.equal(code, 1, words);
  t.match(stderr, says);
  t.equal(flagsOf(m), before, 'nothing is changed');
}

await t.test('ro and rw, through the helper and by hand', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    for (const run of [helper, byHand]) {
      t.match(await run(m, 'ro'), { code: 0, stderr: '' });
      await fails(m.client.put('g', 'g'), 'EROFS');
      t.match(await run(m, 'rw'), { code: 0, stderr: '' });
      await ok(m.client.put('g', 'g'));
    }
    const fd = await ok(m.client.open('g', O.WRONLY));
    await refused(t, m, helper, 'ro', /files are open for writing/);
    await ok(m.client.close(fd));
  }),
);

await t.test('flags: the helper is given all that hold, by hand only those that change', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    t.match(await helper(m, 'rw,noexec,nosuid'), { code: 0 });
    t.equal(flagsOf(m), 'rw,nosuid,nodev,noexec,noatime');
    t.match(await byHand(m, 'exec'), { code: 0 });
    t.equal(flagsOf(m), 'rw,nosuid,nodev,noatime');
    t.match(await byHand(m, 'ro'), { code: 0 });
    t.match(await byHand(m, 'noexec'), { code: 0 });
    t.equal(flagsOf(m), 'ro,nosuid,nodev,noexec,noatime', 'what is not named stays');
    t.match(await helper(m, 'rw'), { code: 0 });
    t.equal(flagsOf(m), 'rw,nodev,noatime');
  }),
);

await t.test('options of the running mount are welcome, others are refused by name', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    const [top, bottom] = m.layers.lowers as [string, string];
    const same = `lowerdir=${top}/../${top.split('/').at(-1)}:${bottom},upperdir=${m.upper},index=off`;
    t.match(await helper(m, `ro,${same}`), { code: 0, stderr: '' });
    t.match(await helper(m, 'rw'), { code: 0, stderr: '' });
    await refused(t, m, helper, `ro,lowerdir=${top}`, /option lowerdir=/);
    await refused(t, m, helper, 'ro,index=on', /option index=on/);
    await refused(t, m, byHand, 'ro,volatile', /option volatile/);
    await refused(t, m, helper, 'ro,relatime', /option relatime: .*access times/);
    await refused(t, m, byHand, 'ro,frobnicate', /frobnicate/);
    await ok(m.client.put('f', 'written'));
  }),
);

await t.test('what has no upper stays read-only', (t) =>
  onEach(t, configs, { lowers: [{ f: 'f' }], upper: null }, async (m, t) => {
    await refused(t, m, helper, 'rw', /no upperdir/);
    t.match(await byHand(m, 'noexec'), { code: 0 });
    t.match(flagsOf(m), /^ro,.*noexec/);
  }),
);

await t.test('what stratafs does not serve is not touched', (t) =>
  onEach(t, configs, setup, async (m, t) => {
    const { code, stderr } = await stratafs(['mount', '-o', 'remount,ro', m.lower]);
    t.equal(code, 1);
    t.match(stderr, /no mount of stratafs/);
  }),
);
