// Each wrong mount is refused: exit 1, one clear line with the option and the path, nothing mounted.

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Agent } from '../../support/agent.js';
import { command, stratafs } from '../../support/command.js';
import { chosen, fuseNative, missing, native } from '../../support/configs.js';
import { freshDirectory } from '../../support/paths.js';
import { forceUnmount, isMounted, mountTmpfs } from '../../support/server.js';

interface Wrong {
  readonly options: string;
  readonly mountpoint?: string;
  /** What the message names. */
  readonly names: readonly RegExp[];
}

const good = 'upperdir=@/u,workdir=@/w';
const table: Readonly<Record<string, Wrong>> = {
  'no lowerdir': { options: good, names: [/lowerdir/] },
  'a missing lower': { options: `lowerdir=@/l:@/none,${good}`, names: [/lowerdir/, /@\/none/] },
  'a lower that is a file': { options: `lowerdir=@/file,${good}`, names: [/lowerdir/, /@\/file/] },
  'a missing upper': { options: 'lowerdir=@/l,upperdir=@/none,workdir=@/w', names: [/upperdir/, /@\/none/] },
  'an upper that is a file': { options: 'lowerdir=@/l,upperdir=@/file,workdir=@/w', names: [/upperdir/, /@\/file/] },
  'a missing workdir': { options: 'lowerdir=@/l,upperdir=@/u,workdir=@/none', names: [/workdir/, /@\/none/] },
  'an upper without a workdir': { options: 'lowerdir=@/l,upperdir=@/u', names: [/workdir/] },
  'a workdir on another filesystem': { options: 'lowerdir=@/l,upperdir=@/u,workdir=@/t', names: [/workdir/, /@\/t/] },
  'a workdir inside the upper': { options: 'lowerdir=@/l,upperdir=@/u,workdir=@/u/in', names: [/workdir/, /@\/u/] },
  'an upper inside the workdir': { options: 'lowerdir=@/l,upperdir=@/w/in,workdir=@/w', names: [/@\/w/] },
  'upper and workdir the same': {
    options: 'lowerdir=@/l,upperdir=@/u,workdir=@/u',
    names: [/workdir|upperdir/, /@\/u/],
  },
  'a lower inside another lower': { options: `lowerdir=@/l:@/l/in,${good}`, names: [/lowerdir/, /@\/l\/in/] },
  'the same lower twice': { options: `lowerdir=@/l:@/l,${good}`, names: [/lowerdir/, /@\/l/] },
  'the same lower twice, by a symlink': { options: `lowerdir=@/l:@/alias,${good}`, names: [/lowerdir/] },
  'a lower inside the upper': { options: `lowerdir=@/u/in,${good}`, names: [/lowerdir|upperdir/, /@\/u/] },
  'the upper as a lower': { options: `lowerdir=@/u,${good}`, names: [/lowerdir|upperdir/, /@\/u/] },
  'a mountpoint that is a file': {
    options: `lowerdir=@/l,${good}`,
    mountpoint: 'file',
    names: [/mountpoint/i, /@\/file/],
  },
  'a missing mountpoint': { options: `lowerdir=@/l,${good}`, mountpoint: 'none', names: [/mountpoint/i, /@\/none/] },
  'a wrong value of passthrough': { options: `lowerdir=@/l,${good},passthrough=maybe`, names: [/passthrough/] },
};

async function makePlace(): Promise<string> {
  const base = freshDirectory('errors');
  for (const name of ['l', 'l/in', 'l2', 'u', 'u/in', 'w', 'w/in', 'w2', 't', 'mnt', 'mnt2'])
    mkdirSync(join(base, name));
  writeFileSync(join(base, 'file'), 'x');
  writeFileSync(join(base, 'l', 'f'), 'f');
  symlinkSync('l', join(base, 'alias'));
  await mountTmpfs(join(base, 't'));
  return base;
}

async function clear(base: string): Promise<void> {
  for (const name of ['mnt', 'mnt2', 't']) await forceUnmount(join(base, name));
  rmSync(base, { recursive: true, force: true });
}

const configs = chosen([native, fuseNative]).filter((config) => config.kind === 'stratafs');

for (const config of configs) {
  const channel = config.channel === 'fuse-native' ? ['--channel=fuse-native'] : [];
  const reason = missing(config);
  const skip = reason === undefined ? {} : { skip: reason };

  await t.test(`${config.name}: refused mounts`, skip, async (t) => {
    const base = await makePlace();
    const messages = new Set<string>();
    for (const [name, wrong] of Object.entries(table)) {
      await t.test(name, async (t) => {
        const mountpoint = join(base, wrong.mountpoint ?? 'mnt');
        const ending = await stratafs(['mount', '-o', wrong.options.replaceAll('@', base), ...channel, mountpoint]);
        const said = ending.stderr.replaceAll(base, '@');
        t.equal(ending.code, 1, 'exit 1', { said });
        for (const part of wrong.names) t.match(said, part, `it names ${part}`);
        t.notMatch(said, /\n\s+at /, 'no stack trace');
        t.notOk(isMounted(mountpoint), 'nothing is mounted');
        messages.add(said.trim());
        if (isMounted(mountpoint)) await command(['umount', mountpoint]);
      });
    }
    t.ok(messages.size >= Object.keys(table).length - 2, `${messages.size} different messages`);
    await clear(base);
  });

  await t.test(`${config.name}: an upper in use`, skip, async (t) => {
    const base = await makePlace();
    const at = (name: string): string => join(base, name);
    const options = `lowerdir=${at('l')},upperdir=${at('u')}`;
    const first = await stratafs(['mount', '-o', `${options},workdir=${at('w')}`, ...channel, at('mnt')]);
    t.equal(first.code, 0, 'the first mount', { stderr: first.stderr });
    for (const work of ['w', 'w2']) {
      const second = await stratafs(['mount', '-o', `${options},workdir=${at(work)}`, ...channel, at('mnt2')]);
      t.equal(second.code, 1, `a second writable mount, workdir ${work}`);
      t.match(second.stderr, /upperdir|workdir/);
      t.notOk(isMounted(at('mnt2')), 'is not there');
      await forceUnmount(at('mnt2'));
    }
    const readOnly = await stratafs(['mount', '-o', `ro,${options},workdir=${at('w')}`, ...channel, at('mnt2')]);
    t.equal(readOnly.code, 0, 'a second one with ro is allowed', { stderr: readOnly.stderr });
    const [writer, reader] = [await Agent.start(at('mnt')), await Agent.start(at('mnt2'))];
    t.equal(await writer.put('new', 'new'), 0);
    t.equal(await reader.put('other', 'x'), -30, 'it is read-only');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    t.equal(await reader.cat('new'), 'new', 'it sees the other soon');
    await Promise.all([writer.stop(), reader.stop()]);
    for (const name of ['mnt2', 'mnt']) t.equal((await command(['umount', at(name)])).code, 0, `umount ${name}`);
    const again = await stratafs(['mount', '-o', `${options},workdir=${at('w')}`, ...channel, at('mnt')]);
    t.equal(again.code, 0, 'free after the end of the first', { stderr: again.stderr });
    t.equal((await command(['umount', at('mnt')])).code, 0);
    await clear(base);
  });
}
