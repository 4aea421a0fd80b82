// Manifests, configs and platforms out of JSON: docker's and OCI's alike, and what is neither.

import { Buffer } from 'node:buffer';
import t from 'tap';
import { DOCKER, OCI } from '../../lib/image/media.js';
import { formatManifest, parseConfig, parseManifest } from '../../lib/image/model.js';
import { choosePlatform, parsePlatform } from '../../lib/image/platform.js';

const digest = `sha256:${'0'.repeat(64)}`;
const blob = { mediaType: 'x', digest, size: 1 };
const bytes = (json: unknown): Buffer => Buffer.from(JSON.stringify(json));

t.test('docker and OCI mean the same', async (t) => {
  for (const mediaType of [OCI.manifest, DOCKER.manifest]) {
    const manifest = parseManifest(bytes({ schemaVersion: 2, mediaType, config: blob, layers: [blob] }), 'it');
    t.match(manifest, { kind: 'manifest', mediaType, config: blob, layers: [blob] });
  }
  for (const mediaType of [OCI.index, DOCKER.list]) {
    t.match(parseManifest(bytes({ schemaVersion: 2, mediaType, manifests: [blob] }), 'it'), { kind: 'index' });
  }
  const untyped = bytes({ schemaVersion: 2, config: blob, layers: [] });
  t.match(parseManifest(untyped, 'it'), { mediaType: OCI.manifest });
  t.match(parseManifest(untyped, 'it', DOCKER.manifest), { mediaType: DOCKER.manifest });
});

t.test('what is written is read again', async (t) => {
  const config = { ...blob, digest } as Parameters<typeof formatManifest>[0];
  t.match(parseManifest(formatManifest(config, [config]), 'it'), { config, layers: [config] });
});

t.test('what is no image is refused', async (t) => {
  const wrong: [json: unknown, message: RegExp][] = [
    [[], /no JSON object/],
    [{ schemaVersion: 1 }, /schema 1/],
    [{ config: blob, layers: [], manifests: [] }, /both/],
    [{ mediaType: 'text/html', layers: [], config: blob }, /not supported/],
    [{ config: { ...blob, digest: 'sha256:../../x' }, layers: [] }, /no digest/],
    [{ config: { ...blob, size: -1 }, layers: [] }, /no size/],
    [{ config: { ...blob, size: 1e300 }, layers: [] }, /no size/],
    [{ config: blob, layers: Array(501).fill(blob) }, /501 layers/],
    [{ layers: [] }, /config/],
  ];
  for (const [json, message] of wrong) t.throws(() => parseManifest(bytes(json), 'it'), message, String(message));
  t.throws(() => parseManifest(Buffer.from('{'), 'it'), /no JSON/);
  t.throws(() => parseConfig(bytes({ rootfs: { diff_ids: [digest] } }), 2, 'it'), /1 layers, its manifest 2/);
  t.throws(() => parseConfig(bytes({}), 0, 'it'), /no container image/);
});

t.test('one platform among several', async (t) => {
  const offer = (text: string) => ({ name: text, platform: parsePlatform(text) });
  const offers = ['linux/amd64', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm64/v8', 'windows/amd64'].map(offer);
  const pick = (text: string): string => choosePlatform(offers, parsePlatform(text), 'it').name;
  t.equal(pick('amd64'), 'linux/amd64');
  t.equal(pick('linux/arm64'), 'linux/arm64/v8');
  t.equal(pick('linux/arm/v7'), 'linux/arm/v6', 'an older variant runs on a newer machine');
  t.equal(pick('linux/arm/v5'), 'linux/arm/v5');
  t.throws(() => pick('linux/s390x'), /is not for linux\/s390x.*linux\/amd64/);
  t.equal(choosePlatform([{ name: 'only' } as ReturnType<typeof offer>], parsePlatform('amd64'), 'it').name, 'only');
  t.throws(() => parsePlatform('a/b/c/d'), { name: 'ImageError' });
});
