// An image to work on: an upper of many files, the layer that tar makes of it, that layer as an OCI layout, and a registry's
// directory that holds it. None of it is made by a competitor but tar and skopeo, which lie outside of every clock.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRegistry } from '../registry.js';
import { type Kitchen, padded, type Recipe, range } from './recipe.js';
import { writeWarm } from './trees.js';

const POOL = 8 << 20;
const IN_ONE_DIRECTORY = 100;

/** Numbers that look random and are the same on every run. */
function* numbers(): Generator<number> {
  for (let state = 12_345; ; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield state >>> 8;
  }
}

/** Bytes that gzip makes about half of, as it does of a root filesystem. */
function pool(): Buffer {
  const random = numbers();
  const next = (): number => random.next().value as number;
  const words = range(4000).map(() => next().toString(36));
  const lines: string[] = [];
  for (let length = 0; length < POOL; ) {
    const line = `${words[next() % 4000]} ${words[next() % 4000]} = ${next().toString(16)};\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, POOL);
}

/** Most files are smaller than the mean, a few much larger. */
function sizesOf(count: number, bytes: number): number[] {
  const random = numbers();
  const weights = range(count).map(() => -Math.log(((random.next().value as number) % 65_535) / 65_536 + 1 / 65_536));
  const sum = weights.reduce((all, one) => all + one, 0);
  return weights.map((weight) => Math.max(1, Math.round((weight / sum) * bytes)));
}

function writeUpper(upper: string, count: number, bytes: number): void {
  const source = pool();
  let at = 0;
  for (const [index, size] of sizesOf(count, bytes).entries()) {
    const directory = join(upper, padded(Math.floor(index / IN_ONE_DIRECTORY)));
    if (index % IN_ONE_DIRECTORY === 0) mkdirSync(directory, { recursive: true });
    at = (at + 4099) % (POOL >> 1);
    const parts = range(Math.ceil(size / (POOL >> 1))).map((part) => {
      return source.subarray(at, at + Math.min(POOL >> 1, size - part * (POOL >> 1)));
    });
    writeFileSync(join(directory, `f${index}`), Buffer.concat(parts));
  }
}

const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** `layer.tar.gz` as the only layer of an image in `layout`. */
function writeLayout(inputs: string, diffId: string): void {
  const blobs = join(inputs, 'layout/blobs/sha256');
  const put = (data: Buffer): { digest: string; size: number } => {
    const digest = sha256(data);
    writeFileSync(join(blobs, digest.slice('sha256:'.length)), data);
    return { digest, size: data.length };
  };
  mkdirSync(blobs, { recursive: true });
  const layer = put(readFileSync(join(inputs, 'layer.tar.gz')));
  const history = [{ created: '2020-01-01T00:00:00Z', created_by: 'tar' }];
  const rootfs = { type: 'layers', diff_ids: [diffId] };
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const config = put(Buffer.from(JSON.stringify({ architecture, os: 'linux', config: {}, rootfs, history })));
  const vendor = 'application/vnd.oci.image';
  const manifest = {
    schemaVersion: 2,
    mediaType: `${vendor}.manifest.v1+json`,
    config: { mediaType: `${vendor}.config.v1+json`, ...config },
    layers: [{ mediaType: `${vendor}.layer.v1.tar+gzip`, ...layer }],
  };
  const annotations = { 'org.opencontainers.image.ref.name': 'bench' };
  const entry = { mediaType: manifest.mediaType, ...put(Buffer.from(JSON.stringify(manifest))), annotations };
  writeFileSync(join(inputs, 'layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(inputs, 'layout/index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}

async function makeImage(kitchen: Kitchen, count: number, bytes: number): Promise<void> {
  const { inputs } = kitchen;
  writeWarm(kitchen);
  writeUpper(join(inputs, 'upper'), count, bytes);
  const pack = `tar -C upper -cf - . | tee >(sha256sum | cut -d ' ' -f 1 >diff-id) | gzip -1 >layer.tar.gz
    while [ ! -s diff-id ]; do sleep 0.1; done`;
  await kitchen.script(inputs, pack);
  writeLayout(inputs, `sha256:${readFileSync(join(inputs, 'diff-id'), 'utf8').trim()}`);
  if (statSync(join(inputs, 'layer.tar.gz')).size === 0) throw new Error('tar made nothing');
}

/** An upper of so many files and bytes, and the image of it. */
export function imageOf(count: number, bytes: number): Recipe {
  return {
    key: `image of ${count} files, ${bytes}`,
    layers: 1,
    make: (kitchen) => makeImage(kitchen, count, bytes),
  };
}

/** The same, in a registry. */
export function imageInRegistry(count: number, bytes: number): Recipe {
  return {
    key: `image of ${count} files, ${bytes}, in a registry`,
    layers: 1,
    make: async (kitchen) => {
      await makeImage(kitchen, count, bytes);
      const registry = await startRegistry(kitchen.inputs);
      try {
        const to = `docker://${registry.host}/bench:1`;
        await kitchen.script(kitchen.inputs, `skopeo copy -q --dest-tls-verify=false oci:layout:bench "${to}"`);
      } finally {
        await registry.end();
      }
    },
  };
}
