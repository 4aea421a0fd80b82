// How a mount begins and ends: in the background once it answers, by SIGTERM, umount, fusermount3
// and `stratafs umount`; and what the mount table says of it.

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Agent } from '../../support/agent.js';
import { command, stratafs } from '../../support/command.js';
import { type Config, chosen, fuseNative, missing, native } from '../../support/configs.js';
import { eventually, ok } from '../../support/expect.js';
import { freshDirectory } from '../../support/paths.js';
import { forceUnmount, isMounted, layerOptions, mountEntry } from '../../support/server.js';
import { makeTree } from '../../support/tree.js';

const configs = chosen([native, fuseNative]).filter((config) => config.kind === 'stratafs');

interface Place {
  readonly base: string;
  readonly lowers: string[];
  readonly upper: string;
  readonly work: string;
  readonly mountpoint: string;
}

async function place(): Promise<Place> {
  const base = freshDirectory('lifecycle');
  const at = (name: string): string => join(base, name);
  for (const name of ['l0', 'l1', 'upper', 'work', 'mnt']) mkdirSync(at(name));
  await makeTree(at('l0'), { f: 'f' });
  return { base, lowers: [at('l0'), at('l1')], upper: at('upper'), work: at('work'), mountpoint: at('mnt') };
}

/** Processes whose command line names `path`. */
function processesOf(path: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path);
    } catch {
      return false;
    }
  });
}

async function inPlace(t: Test, config: Config, body: (p: Place, args: string[]) => Promise<void>): Promise<void> {
  const p = await place();
  const channel = config.channel === 'fuse-native' ? ['--channel=fuse-native'] : [];
  try {
    await body(p, ['-o', layerOptions(p), ...channel, p.mountpoint]);
    t.ok(await eventually(() => processesOf(p.base).length === 0), 'no process is left');
    t.notOk(isMounted(p.mountpoint), 'nothing is mounted');
  } finally {
    for (const pid of processesOf(p.base)) process.kill(pid, 'SIGKILL');
    await forceUnmount(p.mountpoint);
    rmSync(p.base, { recursive: true, force: true });
  }
}

const ends: Record<string, (p: Place) => Promise<number | null>> = {
  umount: async (p) => (await command(['umount', p.mountpoint])).code,
  'fusermount3 -u': async (p) => (await command(['fusermount3', '-u', p.mountpoint])).code,
  'stratafs umount': async (p) => (await stratafs(['umount', p.mountpoint])).code,
  SIGTERM: async (p) => {
    for (const pid of processesOf(p.base)) process.kill(pid, 'SIGTERM');
    return 0;
  },
  SIGINT: async (p) => {
    for (const pid of processesOf(p.base)) process.kill(pid, 'SIGINT');
    return 0;
  },
};

for (const config of configs) {
  const reason = missing(config);
  const options = reason === undefined ? {} : { skip: reason };
  for (const [how, end] of Object.entries(ends)) {
    await t.test(`${config.name}: the background mount answers at once, and ${how} ends it`, options, (t) =>
      inPlace(t, config, async (p, args) => {
        const started = await stratafs(['mount', ...args]);
        t.equal(started.code, 0, 'exit 0', { stderr: started.stderr });
        t.ok(isMounted(p.mountpoint), 'mounted when the command ends');
        const agent = await Agent.start(p.mountpoint);
        t.equal(await agent.cat('f'), 'f', 'and answering');
        await ok(agent.put('g', 'g'));
        await agent.stop();
        t.equal(await end(p), 0, `${how} succeeds`);
        t.ok(await eventually(() => !isMounted(p.mountpoint)), 'it is gone');
      }),
    );
  }

  await t.test(`${config.name}: the word mount may be left out; the mount table`, options, (t) =>
    inPlace(t, config, async (p, args) => {
      const started = await stratafs(args);
      t.equal(started.code, 0, 'exit 0', { stderr: started.stderr });
      t.equal(mountEntry(p.mountpoint)?.type, 'fuse.stratafs');
      t.match(mountEntry(p.mountpoint)?.source, 'l0', 'the source names the layers');
      t.equal((await command(['umount', p.mountpoint])).code, 0);
    }),
  );

  await t.test(`${config.name}: a busy mount refuses umount and goes on`, options, (t) =>
    inPlace(t, config, async (p, args) => {
      await stratafs(['mount', ...args]);
      const agent = await Agent.start(p.mountpoint);
      t.not((await command(['umount', p.mountpoint])).code, 0, 'refused');
      t.equal(await agent.cat('f'), 'f', 'it still answers');
      await agent.stop();
      t.equal((await command(['umount', p.mountpoint])).code, 0);
    }),
  );
}
