// For which machines an image is, in the words of OCI (which are Go's), and the choice among several. No I/O.

import { ImageError } from './error.js';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
};
/** What an architecture is when no variant is named. */
const usual: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7', amd64: 'v1' };

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: architectures[process.arch] ?? process.arch };
}

/** `linux/arm64`, `linux/arm/v7`, `arm64`. */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const [os, architecture, variant] = parts.length === 1 ? ['linux', ...parts] : parts;
  if (!os || !architecture || parts.length > 3) {
    throw new ImageError(`'${text}' is no platform: OS/ARCHITECTURE[/VARIANT] is wanted, linux/arm64 for example`);
  }
  return { os, architecture, ...(variant ? { variant } : {}) };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

const variantOf = ({ architecture, variant }: Platform): string => variant ?? usual[architecture] ?? '';

/** How well `offered` suits `wanted`: 0 not at all. Older variants run on newer machines. */
function suits(wanted: Platform, offered: Platform): number {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return 0;
  const [want, have] = [variantOf(wanted), variantOf(offered)];
  if (want === have) return 100;
  const [newest, at] = [Number(want.slice(1)), Number(have.slice(1))];
  return at < newest ? at : 0;
}

/** The one of `offers` that suits best; those without a platform count only when there is no other. */
export function choosePlatform<T extends { readonly platform?: Platform }>(
  offers: readonly T[],
  wanted: Platform,
  what: string,
): T {
  let best: T | undefined;
  let score = 0;
  for (const offer of offers) {
    const own = offer.platform === undefined ? 0 : suits(wanted, offer.platform);
    if (own > score) [best, score] = [offer, own];
  }
  const only = offers.length === 1 && offers[0]?.platform === undefined ? offers[0] : undefined;
  const chosen = best ?? only;
  if (chosen !== undefined) return chosen;
  const known = offers.flatMap(({ platform }) => (platform?.os && platform.os !== 'unknown' ? [platform] : []));
  const names = known.map(formatPlatform).join(', ');
  throw new ImageError(`${what} is not for ${formatPlatform(wanted)}; --platform can be one of: ${names || 'none'}`);
}
