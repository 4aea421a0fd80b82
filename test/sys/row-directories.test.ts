// Plain directories that are rows, entered by the addon on a real mount served by this process and used by others: what is answered
// there, which directories are left to JavaScript, what it takes over, and what is forgotten.

import { linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { DT_CHR, DT_DIR, S_IFCHR } from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { InodeNumbers } from '../../lib/union/inode-numbers.js';
import { PackedNames } from '../../lib/union/packed-names.js';
import { eventually } from '../support/expect.js';
import { type Lower, NUMBER, servingLower } from './lower-rows.js';
import { fdsBelow } from './native-util.js';
import { op, run, type TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const ROWS = 2 ** 21;
const MOST = 20;
/** Of a row that leads to another one's node. */
const LED = 2 ** 31;
const { hash } = await InodeNumbers.create(sys, []);
const asked = (server: TinyServer): number =>
  server.count(op.LOOKUP) + server.count(op.READDIR) + server.count(op.READDIRPLUS);
const forgetAll = (): void => writeFileSync('/proc/sys/vm/drop_caches', '2');

/** A directory with files, a symlink and a directory below it. */
function plant(path: string, name: string): void {
  mkdirSync(join(path, name, 'below'), { recursive: true });
  for (const file of ['a', 'b', 'c']) writeFileSync(join(path, name, file), `${name} ${file}`);
  symlinkSync('a', join(path, name, 'link'));
  for (const file of ['d', 'e']) writeFileSync(join(path, name, 'below', file), file);
}

/** `body` with the directories `names` in the root, of which the addon enters those that are plain. */
function entering(
  names: readonly string[],
  body: (server: TinyServer, lower: Lower) => Promise<void>,
  mark: (path: string) => void = () => undefined,
): Promise<string[]> {
  const fill = (path: string): void => {
    for (const name of names) plant(path, name);
    mark(path);
  };
  return servingLower(fill, async (server, lower) => {
    server.channel.enterRows('.wh.', 'opaque', 'overlay', 1 << DT_CHR, MOST);
    lower.serve(server, Number.POSITIVE_INFINITY);
    await body(server, lower);
  });
}

test('what is in it is found, listed and missed without JavaScript', { skip }, async (t) => {
  const left = await entering(['dir', 'other'], async (server, lower) => {
    const both = async (...argv: string[]): Promise<void> => {
      const [program, ...rest] = argv as [string, ...string[]];
      const at = async (path: string) => (await run(program, ...rest.map((word) => word.replace('PATH', path)))).out;
      t.equal(
        await at(server.mountpoint),
        (await at(lower.path)).replaceAll(lower.path, server.mountpoint),
        argv.join(' '),
      );
    };
    await both('sh', '-c', 'cd PATH/dir && ls -a | sort && find . | sort');
    await both('sh', '-c', 'cd PATH/dir && stat -c "%n %i %F %s %h %Y %a" a b link below below/d below/e');
    await both('sh', '-c', 'cd PATH/dir/below && ls -ia | sort && ls ..');
    await both('find', 'PATH/other', '-size', '-1', '-printf', '%P %s %i %y\n');
    t.equal(asked(server), 0);
    for (const name of ['nothing', 'dir/nothing']) {
      const { err } = await run('stat', join(server.mountpoint, 'other', name));
      t.match(err, /No such file|Not a directory/, name);
    }
    t.equal(asked(server), 0, 'nor for what is not there');
    t.match(server.channel.counters(), { entered: 4, replyErrors: 0, missed: 2 });
    t.equal((await run('ls', join(server.mountpoint, 'other', 'a', 'below'))).code, 2);
  });
  t.same(left, []);
});

test('a listing that takes several replies has each name once', { skip }, async (t) => {
  const names = Array.from({ length: 1500 }, (_, at) => `${'x'.repeat(60)}${at}`);
  const left = await servingLower(
    (path) => {
      mkdirSync(join(path, 'many'));
      for (const name of names) writeFileSync(join(path, 'many', name), '');
    },
    async (server, lower) => {
      server.channel.enterRows('.wh.', 'opaque', 'overlay', 1 << DT_CHR, 1500);
      lower.serve(server, 1);
      const { out } = await run('ls', join(server.mountpoint, 'many'));
      t.same(out.trim().split('\n'), [...names].sort());
      t.equal(asked(server), 0);
      t.ok((server.channel.counters().listed as number) >= 1500);
    },
  );
  t.same(left, []);
});

const marks: readonly (readonly [string, (path: string) => void])[] = [
  ['a name with the prefix', (path) => writeFileSync(join(path, '.wh.x'), '')],
  ['the mark', (path) => writeFileSync(join(path, 'opaque'), '')],
  ['an xattr', (path) => void sys.setXattr(sys.openPath(path, 0), '', 'trusted.overlay.redirect', Buffer.from('x'), 0)],
  ['a type', (path) => void sys.mknodAt(sys.openPath(path, 0), 'device', S_IFCHR | 0o600, 0)],
  ['many names', (path) => Array.from({ length: MOST }, (_, at) => writeFileSync(join(path, `${at}`), ''))],
];
for (const [what, mark] of marks) {
  test(`${what} leaves it to JavaScript`, { skip }, async (t) => {
    await entering(
      ['dir', 'other'],
      async (server, lower) => {
        await run('stat', join(server.mountpoint, 'dir', 'a'));
        t.equal(server.count(op.LOOKUP), 1);
        t.equal(server.channel.takeRows(NUMBER * ROWS + lower.packed.find('dir')), null);
        await run('stat', join(server.mountpoint, 'other', 'a'));
        t.equal(server.count(op.LOOKUP), 1, 'not others');
        t.match(server.channel.counters(), { entered: 1 });
      },
      (path) => mark(join(path, 'dir')),
    );
  });
}

test('none is entered while that is not allowed', { skip }, async (t) => {
  await entering(['dir'], async (server) => {
    server.channel.allowRows(false);
    await run('stat', join(server.mountpoint, 'dir', 'a'));
    t.equal(server.count(op.LOOKUP), 1);
    server.channel.allowRows(true);
    await run('stat', join(server.mountpoint, 'dir', 'b'));
    t.equal(server.count(op.LOOKUP), 1);
  });
});

test('JavaScript takes one over with all that is known of it', { skip }, async (t) => {
  const left = await entering(['dir', 'other'], async (server, lower) => {
    const { channel } = server;
    await run('stat', ...['a', 'below/d'].map((name) => join(server.mountpoint, 'dir', name)));
    const id = NUMBER * ROWS + lower.packed.find('dir');
    t.equal(channel.liveRows(), 3);
    t.equal(channel.takeRows(id + 1), null);
    const taken = channel.takeRows(id);
    if (taken === null) throw new Error('nothing was taken');
    const { number, table, told, more, parts } = taken;
    const packed = PackedNames.of(table, told.length - 1, hash, more);
    t.equal(packed.count, 5);
    t.equal(packed.recordAt(packed.find('below'))?.kind, DT_DIR);
    t.same([told[packed.find('a')], told[packed.find('below')], told[packed.find('b')], told.at(-1)], [1, 1, 0, 2]);
    t.equal(more.length, 0);
    t.equal(statSync(`/proc/self/fd/${parts[0]}`).ino, statSync(join(lower.path, 'dir')).ino);
    t.equal(channel.rowsIn(number), 0);
    t.equal(channel.takeRows(id), null, 'once');
    t.equal(channel.liveRows(), 1);
    // It is still a directory of the row that it was: whoever takes it over counts on.
    const below = number * ROWS + packed.find('below');
    t.equal(channel.rowsIn(number + 1), below);
    for (const part of [...parts, ...(channel.takeRows(below)?.parts ?? [])]) sys.close(part);
  });
  t.same(left, []);
});

test('files with several links are told of with each directory that has one of their names', { skip }, async (t) => {
  await entering(
    ['dir', 'other'],
    async (server, lower) => {
      const { channel } = server;
      channel.allowLinks(true);
      const [a, b] = ['dir/a', 'other/linked'].map((name) => join(server.mountpoint, name)) as [string, string];
      await run('stat', a, b);
      t.equal((await run('test', a, '-ef', b)).code, 0);
      t.equal(asked(server), 0);
      t.equal(channel.liveRows(), 2);
      const [dir, other] = ['dir', 'other'].map((name) => channel.takeRows(NUMBER * ROWS + lower.packed.find(name)));
      const file = dir?.linked[0] as number;
      const name = other?.linked[0] as number;
      t.same([dir?.linked.length, other?.linked.length], [1, 1]);
      t.equal(dir?.told[file % ROWS], 2);
      t.equal(other?.told[name % ROWS], LED);
      t.equal(channel.ledTo(name), file);
      t.same([...(channel.takeLinks(file)?.names ?? [])], [name]);
      for (const part of [...(dir?.parts ?? []), ...(other?.parts ?? [])]) sys.close(part);
    },
    (path) => linkSync(join(path, 'dir', 'a'), join(path, 'other', 'linked')),
  );
});

test('what the kernel forgets goes, a directory with its names', { skip }, async (t) => {
  await entering(['dir', 'other'], async (server, lower) => {
    const paths = ['dir/a', 'dir/below/d', 'other/b'].map((name) => join(server.mountpoint, name));
    for (let round = 0; round < 3; round += 1) {
      await run('stat', ...paths);
      t.equal(server.channel.liveRows(), 4);
      t.ok(fdsBelow(lower.path).length >= 4);
      forgetAll();
      t.ok(await eventually(() => server.channel.liveRows() === 0 && lower.told.at(-1) === 0), `round ${round}`);
      t.same(fdsBelow(lower.path), [lower.path]);
    }
    t.match(server.channel.counters(), { entered: 9 });
  });
});

test('a directory that lost its descriptors to others is reached again', { skip }, async (t) => {
  const names = Array.from({ length: 600 }, (_, at) => `dir${at}`);
  const fill = (path: string): void => {
    for (const name of names) {
      mkdirSync(join(path, name, 'below'), { recursive: true });
      writeFileSync(join(path, name, 'below', 'file'), name);
    }
  };
  await servingLower(fill, async (server, lower) => {
    server.channel.enterRows('.wh.', 'opaque', 'overlay', 1 << DT_CHR, MOST);
    lower.serve(server, Number.POSITIVE_INFINITY);
    await run('find', ...names.map((name) => join(server.mountpoint, name)), '-size', '99');
    t.match(server.channel.counters(), { entered: 1200 });
    const open = fdsBelow(lower.path).length;
    t.ok(open > 1000 && open <= 1025, `${open} descriptors`);
    const paths = names.map((name) => join(server.mountpoint, name, 'below', 'file'));
    const { out } = await run('stat', '-c', '%s', ...paths);
    t.equal(out, names.map((name) => `${name.length}\n`).join(''));
    t.equal(asked(server), 0);
    t.match(server.channel.counters(), { entered: 1200, replyErrors: 0 });
  });
});
