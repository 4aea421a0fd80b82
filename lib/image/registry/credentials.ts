// Who somebody is at a registry: docker's config.json (auths, credHelpers, credsStore), podman's auth.json. Read when a
// registry asks, never kept.

import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ImageError } from '../error.js';
import { DOCKER_HUB } from '../reference.js';

export type Credentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** What is exchanged for tokens in place of a password. */
  | { readonly kind: 'identity'; readonly token: string };

interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/** Under this name docker keeps what belongs to its own registry. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HELPER_LIMIT_MS = 30_000;
const IDENTITY_USER = '<token>';

/** The files that may know, in the order in which they are asked. */
function authFiles(env: NodeJS.ProcessEnv): string[] {
  const home = env.HOME || homedir();
  const runtime = env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'containers', 'auth.json')] : [];
  return [
    ...(env.REGISTRY_AUTH_FILE ? [env.REGISTRY_AUTH_FILE] : []),
    join(env.DOCKER_CONFIG || join(home, '.docker'), 'config.json'),
    ...runtime,
    join(home, '.config', 'containers', 'auth.json'),
  ];
}

function read(path: string): AuthFile {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as AuthFile;
  } catch (error) {
    throw new ImageError(`${path}: ${(error as Error).message}`);
  }
}

const keysOf = (host: string): string[] => (host === DOCKER_HUB ? [HUB_KEY, 'index.docker.io', DOCKER_HUB] : [host]);
const bare = (key: string): string => key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');

function decoded(auth: string, path: string): Credentials {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw new ImageError(`${path}: an auth that is not USER:PASSWORD in base64`);
  return { kind: 'password', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function stored({ auths = {} }: AuthFile, host: string, path: string): Credentials | null {
  const wanted = new Set(keysOf(host).map(bare));
  for (const [key, entry] of Object.entries(auths)) {
    if (!wanted.has(bare(key))) continue;
    if (entry.identitytoken) return { kind: 'identity', token: entry.identitytoken };
    if (entry.auth) return decoded(entry.auth, path);
  }
  return null;
}

interface HelperAnswer {
  readonly Username?: string;
  readonly Secret?: string;
}

/** Runs docker-credential-NAME, which tells what it knows of `key`; null when that is nothing. */
function fromHelper(name: string, key: string): Promise<Credentials | null> {
  if (!/^[\w.-]+$/.test(name)) throw new ImageError(`'${name}' is no name of a credential helper`);
  const program = `docker-credential-${name}`;
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const timer = setTimeout(() => child.kill(), HELPER_LIMIT_MS);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(key);
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(new ImageError(`${program} ${why}`));
    child.once('error', (error) => refuse(`cannot be run: ${error.message}`));
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code !== 0) {
        if (/not found/i.test(text)) resolve(null);
        else refuse(`ended with ${code}: ${text.trim().split('\n')[0]}`);
        return;
      }
      const answer = parsedAnswer(text);
      if (answer === null) refuse('answered what is no JSON');
      else resolve(identified(answer));
    });
  });
}

function parsedAnswer(text: string): HelperAnswer | null {
  try {
    return JSON.parse(text) as HelperAnswer;
  } catch {
    return null;
  }
}

function identified({ Username = '', Secret = '' }: HelperAnswer): Credentials | null {
  if (Secret === '') return null;
  if (Username === IDENTITY_USER) return { kind: 'identity', token: Secret };
  return { kind: 'password', user: Username, password: Secret };
}

/** What is known for `host`; null for nobody in particular. */
export async function credentialsFor(host: string, env: NodeJS.ProcessEnv = process.env): Promise<Credentials | null> {
  for (const path of authFiles(env).filter((one) => existsSync(one))) {
    const file = read(path);
    const key = keysOf(host)[0] as string;
    const own = keysOf(host).map((one) => file.credHelpers?.[one]);
    const helper = own.find((one) => one !== undefined) ?? file.credsStore;
    const found = (helper ? await fromHelper(helper, key) : null) ?? stored(file, host, path);
    if (found !== null) return found;
  }
  return null;
}

export function basicAuth({ user, password }: Extract<Credentials, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
