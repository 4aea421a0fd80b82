// Names of images as docker writes them: REGISTRY/REPOSITORY:TAG@DIGEST, with docker.io and latest left out. No I/O.

import { type Digest, isDigest } from './digest.js';
import { ImageError } from './error.js';

export interface Reference {
  /** Host, with its port if one was given. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | null;
  readonly digest: Digest | null;
}

export const DOCKER_HUB = 'docker.io';
const OFFICIAL = 'library/';
const MAX_NAME = 255;

const component = '[a-z0-9]+(?:(?:\\.|__|_|-+)[a-z0-9]+)*';
const repositoryForm = new RegExp(`^${component}(?:/${component})*$`);
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const registryForm = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`);
const tagForm = /^\w[\w.-]{0,127}$/;

function wrong(text: string, why: string): ImageError {
  return new ImageError(`'${text}' is no image name: ${why}`);
}

/** A first component that cannot be one of a repository's is a registry. */
function splitRegistry(name: string): [registry: string, repository: string] {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isRegistry) return [DOCKER_HUB, name];
  return [first === 'index.docker.io' ? DOCKER_HUB : first, name.slice(slash + 1)];
}

function splitTag(name: string): [name: string, tag: string | null] {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon < 0 ? [name, null] : [name.slice(0, colon), name.slice(colon + 1)];
}

/** Throws ImageError for what is no name. Without tag and digest the tag is `latest`. */
export function parseReference(text: string): Reference {
  const [, scheme] = /^([a-z][a-z+-]*:\/\/)/i.exec(text) ?? [];
  if (scheme !== undefined) throw wrong(text, `leave out ${scheme}; --plain-http is about HTTP`);
  const at = text.indexOf('@');
  const digest = at < 0 ? null : text.slice(at + 1);
  if (digest !== null && !isDigest(digest)) throw wrong(text, `'${digest}' is no sha256 digest`);
  const [name, tag] = splitTag(at < 0 ? text : text.slice(0, at));
  if (tag !== null && !tagForm.test(tag)) throw wrong(text, `'${tag}' is no tag`);
  if (/^[0-9a-f]{64}$/.test(name)) throw wrong(text, 'it could be an image id');
  const [registry, path] = splitRegistry(name);
  const repository = registry === DOCKER_HUB && !path.includes('/') ? OFFICIAL + path : path;
  if (!registryForm.test(registry)) throw wrong(text, `'${registry}' is no host`);
  if (repository !== repository.toLowerCase()) throw wrong(text, 'repositories are lower case');
  if (!repositoryForm.test(repository)) throw wrong(text, 'letters, digits and single separators between them');
  if (registry.length + repository.length > MAX_NAME) throw wrong(text, `longer than ${MAX_NAME} characters`);
  return { registry, repository, tag: tag ?? (digest === null ? 'latest' : null), digest };
}

/** The whole name: what the store keeps. A digest says more than a tag. */
export function fullName({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${digest === null ? `:${tag}` : `@${digest}`}`;
}

/** The name as people write it. */
export function familiarName(full: string): string {
  const short = full.startsWith(`${DOCKER_HUB}/`) ? full.slice(DOCKER_HUB.length + 1) : full;
  return short.startsWith(OFFICIAL) ? short.slice(OFFICIAL.length) : short;
}
