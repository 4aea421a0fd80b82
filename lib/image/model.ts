// What OCI and docker describe images by, out of JSON that strangers wrote: checked where it is read. No I/O.

import { Buffer } from 'node:buffer';
import { type Digest, parseDigest } from './digest.js';
import { ImageError } from './error.js';
import { DOCKER, indexTypes, manifestTypes, OCI } from './media.js';
import type { Platform } from './platform.js';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  /** How a container of it is run: Env, Cmd, Entrypoint, User … */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
}

/** Manifests and configs are small; whatever is longer is something else. */
export const MAX_JSON = 8 << 20;
/** Layers of one image: what a mount takes. */
export const MAX_LAYERS = 500;

type Json = Readonly<Record<string, unknown>>;

function object(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new ImageError(`${what} is no JSON object`);
}

function list(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ImageError(`${what} is no list`);
}

export function parseJson(bytes: Uint8Array, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch {
    throw new ImageError(`${what} is no JSON`);
  }
  return object(value, what);
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function annotationsOf(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const pairs = Object.entries(object(value, 'annotations'));
  return Object.fromEntries(pairs.map(([key, one]) => [key, String(one)]));
}

function platformOf(value: unknown): Platform | undefined {
  if (value === undefined || value === null) return undefined;
  const { os, architecture, variant } = object(value, 'platform');
  const named = text(variant);
  return { os: text(os) ?? '', architecture: text(architecture) ?? '', ...(named ? { variant: named } : {}) };
}

export function parseDescriptor(value: unknown, what: string): Descriptor {
  const { mediaType, digest, size, platform, annotations } = object(value, what);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new ImageError(`${what}: '${String(size)}' is no size`);
  }
  const [forWhich, notes] = [platformOf(platform), annotationsOf(annotations)];
  return {
    mediaType: text(mediaType) ?? '',
    digest: parseDigest(digest),
    size,
    ...(forWhich === undefined ? {} : { platform: forWhich }),
    ...(notes === undefined ? {} : { annotations: notes }),
  };
}

function kindOf(json: Json, announced: string | undefined, what: string): { index: boolean; mediaType: string } {
  // One document that is both would be two images under one digest.
  if ('manifests' in json && ('layers' in json || 'config' in json)) {
    throw new ImageError(`${what} is both a manifest and an index`);
  }
  const index = 'manifests' in json;
  const fallback = index ? OCI.index : OCI.manifest;
  const own = text(json.mediaType);
  const mediaType = own ?? announced ?? fallback;
  if (!(index ? indexTypes : manifestTypes).includes(mediaType)) {
    throw new ImageError(`${what} has the media type '${mediaType}', which is not supported`);
  }
  return { index, mediaType };
}

/** Either kind of what a name may lead to. `announced` is the type by which it was offered. */
export function parseManifest(bytes: Uint8Array, what: string, announced?: string): Manifest | Index {
  const json = parseJson(bytes, what);
  if (json.schemaVersion === 1) {
    throw new ImageError(`${what} is in docker's schema 1, which is not supported: push it anew with a current tool`);
  }
  const known = announced !== undefined && [...manifestTypes, ...indexTypes].includes(announced);
  const { index, mediaType } = kindOf(json, known ? announced : undefined, what);
  if (index) {
    const manifests = list(json.manifests, `${what}: manifests`).map((one) => parseDescriptor(one, what));
    return { kind: 'index', mediaType, manifests };
  }
  const layers = list(json.layers, `${what}: layers`).map((one) => parseDescriptor(one, what));
  if (layers.length > MAX_LAYERS)
    throw new ImageError(`${what} has ${layers.length} layers; ${MAX_LAYERS} is the most`);
  return { kind: 'manifest', mediaType, config: parseDescriptor(json.config, `${what}: config`), layers };
}

function historyOf(value: unknown, what: string): HistoryEntry[] {
  if (value === undefined || value === null) return [];
  return list(value, `${what}: history`).map((one) => object(one, what) as HistoryEntry);
}

/** A config that goes with `layers` layers. What is not known of it stays in its blob. */
export function parseConfig(bytes: Uint8Array, layers: number, what: string): ImageConfig {
  const json = parseJson(bytes, what);
  const rootfs = object(json.rootfs, `${what}: rootfs (this is no container image)`);
  const ids = list(rootfs.diff_ids ?? [], `${what}: diff_ids`).map(parseDigest);
  if (ids.length !== layers) throw new ImageError(`${what} knows ${ids.length} layers, its manifest ${layers}`);
  const own = json as unknown as ImageConfig;
  return {
    ...own,
    architecture: text(json.architecture) ?? '',
    os: text(json.os) ?? '',
    rootfs: { type: 'layers', diff_ids: ids },
    history: historyOf(json.history, what),
  };
}

/** A manifest as bytes: equal ones give equal bytes. */
export function formatManifest(config: Descriptor, layers: readonly Descriptor[], docker = false): Buffer {
  const mediaType = docker ? DOCKER.manifest : OCI.manifest;
  const plain = ({ mediaType: type, digest, size }: Descriptor) => ({ mediaType: type, digest, size });
  const json = { schemaVersion: 2, mediaType, config: plain(config), layers: layers.map(plain) };
  return Buffer.from(JSON.stringify(json));
}
