// Debian's docker-registry on this machine, over plain HTTP, with its contents in a directory of the run.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startPiped } from './process.js';

const LIMIT_MS = 900_000;

export interface Registry {
  readonly host: string;
  end(): Promise<void>;
}

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts one over `directory`/registry; it answers when this resolves. */
export async function startRegistry(directory: string): Promise<Registry> {
  const host = `localhost:${await freePort()}`;
  const storage = join(directory, 'registry');
  mkdirSync(storage, { recursive: true });
  const file = join(directory, 'registry.json');
  const settings = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: storage } },
    http: { addr: host },
    log: { level: 'error' },
  };
  writeFileSync(file, JSON.stringify(settings));
  const script = `docker-registry serve "$1" >/dev/null & pid=$!
    for try in $(seq 100); do (exec 3<>"/dev/tcp/$2/$3") 2>/dev/null && break; sleep 0.1; done
    echo ready; cat >/dev/null; kill $pid; wait $pid || true`;
  const words = ['-c', script, 'registry', file, ...host.split(':')];
  const server = startPiped({ file: 'bash', args: words }, LIMIT_MS);
  await server.firstLine;
  return { host, end: server.end };
}
