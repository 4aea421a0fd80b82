// What a registry demands of whoever is not known to it: the WWW-Authenticate header as a value. No I/O.

export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  /** Where a token is to be had, for whom and for what. */
  readonly parameters: ReadonlyMap<string, string>;
}

const scheme = /^[\s,]*([A-Za-z][\w-]*)(?:\s+|$)/;
const parameter = /^[\s,]*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/;

/** The challenges of a header, in its order; schemes that are not known are left out. */
export function parseChallenges(header: string): Challenge[] {
  const found: Challenge[] = [];
  let rest = header;
  for (let next = scheme.exec(rest); next !== null; next = scheme.exec(rest)) {
    rest = rest.slice(next[0].length);
    const parameters = new Map<string, string>();
    for (let pair = parameter.exec(rest); pair !== null; pair = parameter.exec(rest)) {
      const value = pair[2]?.replace(/\\(.)/g, '$1') ?? pair[3] ?? '';
      parameters.set((pair[1] as string).toLowerCase(), value);
      rest = rest.slice(pair[0].length);
    }
    const name = (next[1] as string).toLowerCase();
    if (name === 'basic' || name === 'bearer') found.push({ scheme: name, parameters });
  }
  return found;
}

/** The one to answer: a token is asked for less than a password is shown. */
export function preferred(challenges: readonly Challenge[]): Challenge | null {
  return challenges.find((one) => one.scheme === 'bearer') ?? challenges[0] ?? null;
}
