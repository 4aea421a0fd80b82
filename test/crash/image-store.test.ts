// Writers of the store that are killed at any moment, and several at once: what was finished is there and right, and
// nothing half-made is left.

import { Buffer } from 'node:buffer';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { FakeRegistry } from '../support/fake-registry.js';
import { ended, entry, file, onStore, startOn, tarOf } from '../support/images.js';
import { freshDirectory } from '../support/paths.js';
import { Random } from '../support/random.js';

const base = freshDirectory('image-store');
t.teardown(() => rmSync(base, { recursive: true }));

async function tarNamed(which: string): Promise<Buffer> {
  const files = Array.from({ length: 40 }, (_none, at) => file(`dir/${which}-${at}`, `${which} `.repeat(2000)));
  return tarOf([{ entry: entry('dir', { type: 'directory' }) }, ...files]);
}

t.test('killed at random moments', async (t) => {
  const root = join(base, 'killed');
  const run = onStore(root);
  const random = new Random(6);
  t.match(await run(['import', '-', 'kept'], await tarNamed('kept')), { code: 0 });
  const finished = ['docker.io/library/kept:latest'];
  for (let at = 0; at < 12; at += 1) {
    const child = startOn(root, ['import', '-', `victim:${at}`]);
    const answer = ended(child, await tarNamed(`victim${at}`));
    // From before it reads anything until it has long finished.
    await Promise.race([answer, sleep(100 + random.below(700))]);
    child.kill('SIGKILL');
    if ((await answer).code === 0) finished.push(`victim:${at}`);
  }
  const verdict = JSON.parse((await run(['verify', '--json'])).out.toString());
  t.same(verdict.findings, [], 'what is there is right');
  t.ok(verdict.images >= finished.length, 'what was finished is there');
  t.match(await run(['gc']), { code: 0 });
  const images = JSON.parse((await run(['images', '--json'])).out.toString()) as unknown[];
  t.equal(readdirSync(join(root, 'layers/sha256')).length, images.length);
  t.equal(readdirSync(join(root, 'blobs/sha256')).length, 3 * images.length);
  t.same(readdirSync(join(root, 'tmp')), [], 'nothing is left of the killed');
  t.same(JSON.parse((await run(['verify', '--json'])).out.toString()).findings, []);
});

t.test('pulls killed at random moments, and gone on with', async (t) => {
  const registry = await FakeRegistry.start();
  t.teardown(() => registry.stop());
  const random = new Random(7);
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, () => random.below(256)));
  const { manifest } = registry.image('1', [await tarNamed('base'), await tarOf([file('noise', noise)])]);
  const root = join(base, 'pulled');
  const run = onStore(root, { HOME: base });
  const pull = ['pull', '--plain-http', '--platform', 'amd64', `${registry.host}/app:1`];
  for (let at = 0; at < 8; at += 1) {
    const child = startOn(root, pull, { HOME: base });
    const answer = ended(child);
    await Promise.race([answer, sleep(150 + random.below(500))]);
    child.kill('SIGKILL');
    await answer;
    if (at % 2 === 0) continue;
    const verdict = await run(['verify', '--json']);
    t.same(JSON.parse(verdict.out.toString()).findings, []);
  }
  t.match(await run(pull), { code: 0 });
  t.match(JSON.parse((await run(['inspect', `${registry.host}/app:1`])).out.toString()), [{ Digest: manifest }]);
  t.match(await run(['verify']), { code: 0 });
  t.same(readdirSync(join(root, 'partial')), []);
  t.equal(readdirSync(join(root, 'blobs/sha256')).length, 4);
});

t.test('several at once, on equal and on different images', async (t) => {
  const root = join(base, 'several');
  const run = onStore(root);
  const same = await tarNamed('same');
  const answers = await Promise.all([
    run(['import', '-', 'one'], same),
    run(['import', '-', 'two'], same),
    run(['import', '-', 'three'], await tarNamed('three')),
    run(['gc']),
    run(['images']),
  ]);
  for (const { code, err } of answers) t.equal(code, 0, err);
  const images = JSON.parse((await run(['images', '--json'])).out.toString()) as { name: string }[];
  t.same(images.map(({ name }) => name).sort(), ['one:latest', 'three:latest', 'two:latest']);
  t.equal(readdirSync(join(root, 'layers/sha256')).length, 2);
  t.same(JSON.parse((await run(['verify', '--json'])).out.toString()).findings, []);
});
