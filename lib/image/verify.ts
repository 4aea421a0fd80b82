// Reads the whole store again: every blob against its digest, every unpacked layer against the tar it came from, every
// image for what it needs. Finds; repairs only what can be fetched anew.

import { mkdirSync } from 'node:fs';
import { syscalls } from '../sys/syscalls.js';
import { applyLayer } from './apply.js';
import { differences } from './compare-trees.js';
import { decompressed } from './compression.js';
import { type Digest, hexOf, Meter, metered, verified } from './digest.js';
import { removeTree } from './disk.js';
import { nameOf, readImage } from './images.js';
import type { Descriptor } from './model.js';
import { counted, type Reporter } from './progress.js';
import { familiarName } from './reference.js';
import type { Kept, Store } from './store.js';

export interface Finding {
  /** What is wrong: a digest, or an image's name. */
  readonly subject: string;
  readonly kind: 'blob' | 'layer' | 'image';
  readonly problem: string;
}

export interface Verdict {
  readonly blobs: number;
  readonly layers: number;
  readonly images: number;
  readonly findings: readonly Finding[];
}

async function blobProblem(store: Store, digest: Digest, reporter: Reporter): Promise<string | null> {
  const meter = new Meter();
  const task = reporter.task(hexOf(digest).slice(0, 12), 'reading', store.blobs.size(digest));
  for await (const chunk of counted(store.blobs.read(digest), task)) meter.update(chunk);
  const found = meter.digest();
  task.end(found === digest ? 'ok' : 'damaged');
  return found === digest ? null : `damaged: its digest is ${found}`;
}

async function layerProblems(store: Store, diffId: Digest, layer: Descriptor, reporter: Reporter): Promise<string[]> {
  const again = store.staging.fresh();
  mkdirSync(again, { mode: 0o755 });
  const task = reporter.task(hexOf(diffId).slice(0, 12), 'comparing', layer.size);
  try {
    const packed = metered(counted(store.blobs.read(layer.digest), task), new Meter());
    const tar = verified(decompressed(packed), { digest: diffId }, `layer ${layer.digest}, unpacked,`);
    await applyLayer(syscalls, tar, again, { owners: process.geteuid?.() === 0 });
    const found = differences(again, store.layers.tree(diffId));
    task.end(found.length === 0 ? 'ok' : 'changed');
    return found;
  } catch (error) {
    task.end('damaged');
    return [(error as Error).message];
  } finally {
    removeTree(again);
  }
}

type Sources = Map<Digest, Descriptor>;

/** What an image lacks; notes which blob each diff id comes from. */
function imageProblems(store: Store, kept: Kept, sources: Sources): string[] {
  const { manifest, config } = readImage(store, kept);
  return manifest.layers.flatMap((layer, at) => {
    const diffId = config.rootfs.diff_ids[at] as Digest;
    sources.set(diffId, layer);
    return [
      ...(store.blobs.has(layer.digest) ? [] : [`layer ${layer.digest} is missing`]),
      ...(store.layers.has(diffId) ? [] : [`layer ${layer.digest} is not unpacked`]),
    ];
  });
}

function readImages(store: Store, findings: Finding[]): Sources {
  const sources: Sources = new Map();
  for (const kept of store.kept()) {
    let problems: string[];
    try {
      problems = imageProblems(store, kept, sources);
    } catch (error) {
      problems = [(error as Error).message];
    }
    const subject = familiarName(nameOf(kept) ?? kept.digest);
    findings.push(...problems.map((problem) => ({ subject, kind: 'image' as const, problem })));
  }
  return sources;
}

export async function verify(store: Store, reporter: Reporter): Promise<Verdict> {
  const findings: Finding[] = [];
  const sources = readImages(store, findings);
  const blobs = store.blobs.list();
  const damaged = new Set<Digest>();
  for (const digest of blobs) {
    const problem = await blobProblem(store, digest, reporter);
    if (problem === null) continue;
    damaged.add(digest);
    findings.push({ subject: digest, kind: 'blob', problem });
  }
  const layers = store.layers.list();
  for (const diffId of layers) {
    const source = sources.get(diffId);
    // Without an image nobody knows its tar, and nobody can use it.
    if (source === undefined || damaged.has(source.digest) || !store.blobs.has(source.digest)) continue;
    for (const problem of await layerProblems(store, diffId, source, reporter)) {
      findings.push({ subject: diffId, kind: 'layer', problem });
    }
  }
  return { blobs: blobs.length, layers: layers.length, images: store.kept().length, findings };
}

/** Takes damaged blobs and layers away, so that the next pull or load brings them again. */
export function discard(store: Store, findings: readonly Finding[]): void {
  const subjects = (kind: Finding['kind']): Digest[] => [
    ...new Set(findings.filter((one) => one.kind === kind).map(({ subject }) => subject as Digest)),
  ];
  for (const digest of subjects('blob')) store.blobs.remove(digest);
  for (const diffId of subjects('layer')) store.layers.remove(diffId, store.staging.fresh());
}
