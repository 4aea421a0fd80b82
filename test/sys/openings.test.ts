// First opens of rows for reading, answered by the addon on a real mount served by this process and used by others: what it takes,
// what it leaves to JavaScript, and what that takes over. Of files that the addon made itself: changes.test.ts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { errno } from '../../lib/errno.js';
import { O_LARGEFILE } from '../../lib/sys/constants.js';
import { syscalls as sys } from '../../lib/sys/syscalls.js';
import { INDIFFERENT } from '../../lib/union/handles.js';
import { eventually } from '../support/expect.js';
import { type Lower, NUMBER, servingLower } from './lower-rows.js';
import { CAPABILITY, capability, op, run, type TinyServer } from './tiny-server.js';

const skip = sys.geteuid() !== 0 && 'needs root';
const ROWS = 2 ** 21;
const [CODE, ALL] = [1, 2];
/** Of the handles that the addon gives. */
const FIRST = 2 ** 41;

function fill(path: string): void {
  for (const name of ['plain', 'again', 'marked', 'capable', 'moved']) writeFileSync(join(path, name), `of ${name}`);
  copyFileSync('/bin/true', join(path, 'code'));
  chmodSync(join(path, 'code'), 0o755);
}

async function serving(rows: number, body: (server: TinyServer, lower: Lower) => Promise<void>): Promise<string[]> {
  return servingLower(fill, async (server, lower) => {
    server.channel.open(rows, false, true, INDIFFERENT);
    server.hook = (opcode) => (opcode === op.OPEN ? errno.EACCES : 0);
    lower.serve(server, Number.POSITIVE_INFINITY);
    await body(server, lower);
  });
}

const idOf = (lower: Lower, name: string): number => NUMBER * ROWS + lower.packed.find(name);

const cat = async (server: TinyServer, name: string): Promise<string> =>
  (await run('cat', join(server.mountpoint, name))).out;

test('a plain file is opened, and stands for further readers', { skip }, async (t) => {
  const left = await serving(CODE, async (server, lower) => {
    t.equal(await cat(server, 'plain'), 'of plain');
    t.ok(await eventually(() => server.channel.counters().idle === 1));
    // What this server says of attributes by itself has no size.
    await cat(server, 'plain');
    t.equal(server.count(op.OPEN), 0);
    t.same([...server.channel.openRows()], [idOf(lower, 'plain')]);
    t.ok(await eventually(() => server.channel.counters().idle === 1));
    t.match(server.channel.counters(), { opened: 1, stood: 1, attached: 1, backings: 0 });
  });
  t.same(left, []);
});

test('JavaScript takes it over', { skip }, async (t) => {
  const left = await serving(ALL, async (server, lower) => {
    const { channel } = server;
    await cat(server, 'plain');
    t.ok(await eventually(() => channel.counters().idle === 1));
    const id = idOf(lower, 'plain');
    t.equal(channel.takeOpen(id + 1), null);
    const opened = channel.takeOpen(id);
    t.ok(opened !== null && opened.fh >= 2 ** 41 && opened.fd > 0 && opened.backing > 0);
    t.equal(channel.takeOpen(id), null, 'once');
    t.equal(channel.nodeOfOpen(opened?.fh as number), 0);
    t.same([...channel.openRows()], []);
    t.match(channel.counters(), { attached: 1, backings: 1, openRows: 0 });
    t.equal(channel.reclaim(), opened?.fh, 'it is for JavaScript to end');
    channel.detach(opened?.fh as number);
    channel.backingClose(opened?.backing as number);
    t.match(channel.counters(), { attached: 0, backings: 0 });
  });
  t.same(left, []);
});

test('it ends with the last close where it does not stand, with its node, and to make room', { skip }, async (t) => {
  const left = await serving(ALL, async (server, lower) => {
    const { channel } = server;
    const ended = () => eventually(() => channel.counters().attached === 0 && channel.counters().backings === 0);
    const reader = spawn('sh', ['-c', `exec 3<${join(server.mountpoint, 'plain')}; echo; read line`]);
    await once(reader.stdout, 'data');
    t.equal(channel.nodeOfOpen(FIRST), idOf(lower, 'plain'));
    t.notOk(channel.withdraw(FIRST), 'somebody has it open');
    reader.stdin.end();
    await once(reader, 'exit');
    t.ok(await ended(), 'closed');
    await cat(server, 'plain');
    t.ok(await eventually(() => channel.counters().idle === 1));
    t.equal(channel.reclaim(), 0, 'nobody has to hear of it');
    t.ok(await ended(), 'reclaimed');
    await cat(server, 'plain');
    await cat(server, 'again');
    t.ok(await eventually(() => channel.counters().idle === 2));
    writeFileSync('/proc/sys/vm/drop_caches', '2');
    t.ok(await ended(), 'forgotten');
    t.match(channel.counters(), { opened: 4, idle: 0, openRows: 0 });
    t.same(server.released, []);
    t.equal(server.count(op.OPEN), 0);
  });
  t.same(left, []);
});

test('code is passed through, and all files where that is asked for', { skip }, async (t) => {
  for (const [rows, name] of [
    [CODE, 'code'],
    [ALL, 'plain'],
  ] as const) {
    await serving(rows, async (server) => {
      const reader = spawn('sh', [
        '-c',
        `exec 3<${join(server.mountpoint, name)}; cat <&3 >/dev/null; echo; read line`,
      ]);
      await once(reader.stdout, 'data');
      t.match(server.channel.counters(), { opened: 1, backings: 1, reads: 0 }, name);
      reader.stdin.end();
      await once(reader, 'exit');
      if (name === 'code') t.equal((await run('sh', '-c', join(server.mountpoint, name))).code, 0, 'executed');
      t.equal(server.count(op.OPEN), 0);
    });
  }
});

test('what needs a decision is JavaScript’s', { skip }, async (t) => {
  const deeds: Readonly<Record<string, (server: TinyServer, lower: Lower) => Promise<unknown>>> = {
    'to write': (s) => run('sh', '-c', `: >>${join(s.mountpoint, 'plain')}`),
    'to truncate': (s) => run('truncate', '-s', '0', join(s.mountpoint, 'plain')),
    'data that is elsewhere': (s, lower) => {
      sys.setXattr(lower.fd, 'marked', 'trusted.overlay.metacopy', new Uint8Array(0), 0);
      return cat(s, 'marked');
    },
    'another file of that name': async (s, lower) => {
      await run('stat', join(s.mountpoint, 'plain'));
      renameSync(join(lower.path, 'moved'), join(lower.path, 'plain'));
      return cat(s, 'plain');
    },
    'a row that JavaScript has taken': async (s, lower) => {
      await run('stat', join(s.mountpoint, 'plain'));
      lower.packed.takeAt(lower.packed.find('plain'));
      return cat(s, 'plain');
    },
    'a directory that is served no more': async (s) => {
      await run('stat', join(s.mountpoint, 'plain'));
      s.channel.endRows(1);
      return cat(s, 'plain');
    },
    'a flag that makes a difference': async (s) => {
      s.channel.open(CODE, false, true, O_LARGEFILE);
      return run('dd', `if=${join(s.mountpoint, 'plain')}`, 'iflag=direct', 'bs=4096');
    },
  };
  for (const [name, deed] of Object.entries(deeds)) {
    await serving(CODE, async (server, lower) => {
      await deed(server, lower);
      t.ok(server.count(op.OPEN) > 0, name);
      t.match(server.channel.counters(), { opened: 0, attached: 0, backings: 0 }, name);
    });
  }
});

test('what somebody has open and does not stand is JavaScript’s: passthrough has one backing for all', {
  skip,
}, async (t) => {
  await serving(ALL, async (server) => {
    const reader = spawn('sh', ['-c', `exec 3<${join(server.mountpoint, 'plain')}; echo; read line`]);
    await once(reader.stdout, 'data');
    t.notOk(server.channel.withdraw(FIRST), 'somebody has it open');
    await cat(server, 'plain');
    t.equal(server.count(op.OPEN), 1);
    t.match(server.channel.counters(), { opened: 1, backings: 1 });
    reader.stdin.end();
    await once(reader, 'exit');
    t.ok(await eventually(() => server.channel.counters().attached === 0));
    t.match(server.channel.counters(), { backings: 0 });
  });
});

test('other attributes are no reason', { skip }, async (t) => {
  await serving(CODE, async (server, lower) => {
    sys.setXattr(lower.fd, 'capable', CAPABILITY, capability, 0);
    t.equal(await cat(server, 'capable'), 'of capable');
    t.equal(server.count(op.OPEN), 0);
  });
});
