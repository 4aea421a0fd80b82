// One registry: which scheme it speaks, who we are there, attempts until it answers. Knows the protocol's manners, not
// its resources.

import { Buffer } from 'node:buffer';
import { ImageError } from '../error.js';
import type { Reporter } from '../progress.js';
import { DOCKER_HUB } from '../reference.js';
import { type Challenge, parseChallenges, preferred } from './challenge.js';
import { basicAuth, type Credentials, credentialsFor } from './credentials.js';
import { type Answer, bodyOf, discard, type Exchange, send } from './http.js';
import { askedWait, isConnectionError, isPassingStatus, type Patience, patience, pause, waitAfter } from './retry.js';

const HUB_HOST = 'registry-1.docker.io';
const CLIENT_ID = 'stratafs';
const MAX_ANSWER = 1 << 20;

export interface RegistryOptions {
  /** By request only; never a fallback, but for this machine itself. */
  readonly plainHttp: boolean;
  readonly reporter: Reporter;
  readonly patience?: Patience;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Nobody answered; another attempt may find somebody. */
export class Unreachable extends ImageError {}

/** What is asked of the registry, by path. */
export type Ask = Omit<Exchange, 'url' | 'signal'> & { readonly path: string | URL };

export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** What other hosts wrote, fit for one line of a terminal. */
const tamed = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);

/** What a refusal says of itself. */
async function complaintOf(answer: Answer): Promise<string> {
  const text = (await bodyOf(answer, MAX_ANSWER).catch(() => Buffer.alloc(0))).toString('utf8');
  try {
    const { errors } = JSON.parse(text) as { errors: { code?: string; message?: string }[] };
    return tamed(errors.map(({ code, message }) => `${code ?? ''} ${message ?? ''}`).join('; '));
  } catch {
    return '';
  }
}

const certificates = /^(?:CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT)/;
const notTls = new Set(['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']);
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

function explained(error: unknown, host: string): Error {
  const [code, message] = [codeOf(error), (error as Error).message];
  if (error instanceof ImageError) return error;
  if (certificates.test(code)) {
    const advice = 'name the file of the authority that signed it in NODE_EXTRA_CA_CERTS';
    return new ImageError(`the certificate of ${host} is not trusted (${tamed(message)}); ${advice}`);
  }
  if (notTls.has(code)) return new ImageError(`${host} does not speak HTTPS; --plain-http if that is as it should be`);
  if (code === 'ENOTFOUND') return new ImageError(`${host}: no such host`);
  if (isConnectionError(error)) return new Unreachable(`${host} cannot be reached: ${tamed(message)}`);
  return error as Error;
}

export class Registry {
  readonly host: string;
  readonly #options: RegistryOptions;
  #base: Promise<URL> | null = null;
  /** By scope. */
  readonly #authorizations = new Map<string, string>();
  #credentials: Promise<Credentials | null> | null = null;

  constructor(host: string, options: RegistryOptions) {
    this.host = host;
    this.#options = options;
  }

  get #address(): string {
    return this.host === DOCKER_HUB ? HUB_HOST : this.host;
  }

  get patience(): Patience {
    return this.#options.patience ?? patience;
  }

  /** HTTPS; on this machine HTTP too, when that is all there is. */
  async #findBase(): Promise<URL> {
    const secure = new URL(`https://${this.#address}`);
    const plain = new URL(`http://${this.#address}`);
    if (this.#options.plainHttp) return plain;
    if (!isLoopback(this.#address)) return secure;
    try {
      discard(await send({ method: 'GET', url: new URL('/v2/', secure) }));
    } catch (error) {
      if (notTls.has(codeOf(error)) || codeOf(error) === 'ECONNRESET') return plain;
    }
    return secure;
  }

  async url(path: string | URL): Promise<URL> {
    this.#base ??= this.#findBase();
    return new URL(path, await this.#base);
  }

  /** Asks until there is an answer that is no passing trouble. `scope` is what a token must be good for. */
  async ask(scope: string, ask: Ask, repeatable = true): Promise<Answer> {
    const { path, ...rest } = ask;
    const { signal, reporter } = this.#options;
    const exchange: Exchange = { ...rest, url: await this.url(path), ...(signal === undefined ? {} : { signal }) };
    const last = repeatable ? this.patience.attempts - 1 : 0;
    for (let attempt = 0; ; attempt += 1) {
      let wait = waitAfter(attempt, this.patience);
      let trouble: string;
      try {
        const answer = await this.#authorized(scope, exchange);
        if (!isPassingStatus(answer.status) || attempt >= last) return answer;
        trouble = `status ${answer.status}`;
        wait = askedWait(answer.headers) ?? wait;
        discard(answer);
      } catch (error) {
        if (!isConnectionError(error) || attempt >= last) throw explained(error, this.host);
        trouble = (error as Error).message;
      }
      reporter.line(`${this.host}: ${tamed(trouble)}; trying again in ${(wait / 1000).toFixed(1)} s`);
      await pause(wait, signal);
    }
  }

  /** The same, of which only these answers are good. */
  async expect(scope: string, ask: Ask, wanted: readonly number[], what: string): Promise<Answer> {
    const answer = await this.ask(scope, ask);
    if (wanted.includes(answer.status)) return answer;
    throw await this.refusal(answer, what);
  }

  async refusal(answer: Answer, what: string): Promise<ImageError> {
    const complaint = await complaintOf(answer);
    const said = complaint === '' ? '' : ` (${complaint})`;
    const { status } = answer;
    if (status === 401 || status === 403) {
      const known = (await this.#known()) !== null;
      const advice = known
        ? 'the stored credentials do not permit it'
        : `store credentials first, by docker login ${this.host} or podman login ${this.host}`;
      return new ImageError(`${this.host} does not permit to ${what}${said}: ${advice}, or check the name`);
    }
    if (status === 404)
      return new ImageError(`cannot ${what}: ${this.host} does not have it${said}; check name and tag`);
    if (status === 429)
      return new ImageError(`cannot ${what}: too many requests to ${this.host}${said}; try again later`);
    const advice = status === 400 && this.#options.plainHttp ? '; if it speaks HTTPS: without --plain-http' : '';
    return new ImageError(`cannot ${what}: ${this.host} answered ${status}${said}${advice}`);
  }

  #known(): Promise<Credentials | null> {
    this.#credentials ??= credentialsFor(this.host, this.#options.env);
    return this.#credentials;
  }

  async #authorized(scope: string, exchange: Exchange): Promise<Answer> {
    const first = await send(this.#signed(scope, exchange));
    if (first.status !== 401) return first;
    const challenge = preferred(parseChallenges(first.headers['www-authenticate'] ?? ''));
    let authorization: string | null;
    try {
      authorization = challenge === null ? null : await this.#answer(challenge, scope);
    } catch (error) {
      // Unread, it would keep its connection, and the process with that.
      first.body.destroy();
      throw error;
    }
    if (authorization === null) return first;
    discard(first);
    this.#authorizations.set(scope, authorization);
    return send(this.#signed(scope, exchange));
  }

  /** Nobody but the registry itself is told who we are. */
  #signed(scope: string, exchange: Exchange): Exchange {
    const authorization = this.#authorizations.get(scope);
    const isOwn = exchange.url.host === this.#address;
    if (authorization === undefined || !isOwn) return exchange;
    return { ...exchange, headers: { ...exchange.headers, authorization } };
  }

  async #answer(challenge: Challenge, scope: string): Promise<string | null> {
    const known = await this.#known();
    if (challenge.scheme === 'basic') return known?.kind === 'password' ? basicAuth(known) : null;
    return `Bearer ${await this.#token(challenge, scope, known)}`;
  }

  async #token({ parameters }: Challenge, scope: string, known: Credentials | null): Promise<string> {
    const realm = new URL(parameters.get('realm') ?? '', await this.url('/'));
    if (realm.protocol !== 'https:' && !this.#options.plainHttp && !isLoopback(realm.host)) {
      throw new ImageError(`${this.host} wants credentials sent to ${realm.origin}, which is not HTTPS`);
    }
    const service = parameters.get('service');
    const scopes = scope.split(' ').filter((one) => one !== '');
    const wish = new URLSearchParams([
      ...(service === undefined ? [] : [['service', service] as [string, string]]),
      ...scopes.map((one): [string, string] => ['scope', one]),
    ]);
    const answer = await send(
      known?.kind === 'identity' ? refresh(realm, wish, known.token) : plea(realm, wish, known),
    );
    if (answer.status !== 200) throw await this.refusal(answer, `get a token from ${realm.host}`);
    const { token, access_token } = parsedToken(await bodyOf(answer, MAX_ANSWER));
    const found = token || access_token;
    if (!found) throw new ImageError(`${realm.host} gave no token`);
    return found;
  }
}

function plea(realm: URL, wish: URLSearchParams, known: Credentials | null): Exchange {
  const url = new URL(realm);
  for (const [key, value] of wish) url.searchParams.append(key, value);
  const headers = known?.kind === 'password' ? { authorization: basicAuth(known) } : {};
  return { method: 'GET', url, headers };
}

function refresh(realm: URL, wish: URLSearchParams, token: string): Exchange {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: CLIENT_ID,
    service: wish.get('service') ?? '',
    scope: wish.getAll('scope').join(' '),
    refresh_token: token,
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', url: realm, headers, body: Buffer.from(form.toString()) };
}

function parsedToken(bytes: Buffer): { token?: string; access_token?: string } {
  try {
    return JSON.parse(bytes.toString('utf8')) as { token?: string; access_token?: string };
  } catch {
    return {};
  }
}
