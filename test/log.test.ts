// log: one sink, one threshold, and things said once.

import t from 'tap';
import { debugEnabled, type Level, log, setLevel, setSink } from '../lib/log.js';

let lines: string[] = [];
setSink((line) => void lines.push(line));

function said(level: Level): string[] {
  lines = [];
  setLevel(level);
  log.error('e');
  log.warn('w');
  log.info('i');
  log.debug('d');
  return lines;
}

t.test('levels', async (t) => {
  t.same(said('error'), ['stratafs: error: e']);
  t.same(said('warn'), ['stratafs: error: e', 'stratafs: warn: w']);
  t.equal(said('info').length, 3);
  t.notOk(debugEnabled());
  t.same(said('debug').at(-1), 'stratafs: debug: d');
  t.ok(debugEnabled());
});

t.test('once', async (t) => {
  lines = [];
  setLevel('warn');
  for (let turn = 0; turn < 3; turn += 1) log.once('warn', 'key', 'message');
  log.once('warn', 'another', 'message');
  log.once('debug', 'quiet', 'message');
  t.same(lines, ['stratafs: warn: message', 'stratafs: warn: message']);
});
