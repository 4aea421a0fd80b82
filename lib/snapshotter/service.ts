// The gRPC face: containerd's snapshots service on a unix socket. Translates messages and errors; decides nothing.

import { chmodSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { log } from '../log.js';
import type { Mount } from './mounts.js';
import { type Kind, type Labels, type Refusal, SnapshotError, type SnapshotRecord } from './record.js';
import type { Snapshots } from './snapshots.js';

interface Key {
  readonly key: string;
}
interface Create extends Key {
  readonly parent: string;
  readonly labels: Labels;
}
interface Commit extends Key {
  readonly name: string;
  readonly labels: Labels;
}
interface Update {
  readonly info: { readonly name: string; readonly labels: Labels } | null;
  readonly updateMask: { readonly paths: readonly string[] } | null;
}
interface List {
  readonly filters: readonly string[];
}
interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}
interface Info {
  readonly name: string;
  readonly parent: string;
  readonly kind: string;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
  readonly labels: Labels;
}

const proto = new URL('../../../lib/snapshotter/snapshots.proto', import.meta.url);
/** Snapshots in one message of a listing. */
const BATCH = 100;
/** Seconds that calls under way may take to end. */
const GRACE_MS = 5000;

const codes: Record<Refusal, status> = {
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  'failed-precondition': status.FAILED_PRECONDITION,
  'invalid-argument': status.INVALID_ARGUMENT,
};
const kinds: Record<Kind, string> = { view: 'VIEW', active: 'ACTIVE', committed: 'COMMITTED' };

function timestamp(milliseconds: number): Timestamp {
  return { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 };
}

function infoOf(record: SnapshotRecord): Info {
  return {
    name: record.key,
    parent: record.parent,
    kind: kinds[record.kind],
    createdAt: timestamp(record.created),
    updatedAt: timestamp(record.updated),
    labels: record.labels,
  };
}

function failure(error: unknown): { code: status; details: string } {
  if (error instanceof SnapshotError) return { code: codes[error.refusal], details: error.message };
  const details = error instanceof Error ? error.message : String(error);
  log.error(`snapshotter: ${details}`);
  return { code: status.UNKNOWN, details };
}

/** A call with one answer. */
function unary<Request, Response>(answer: (request: Request) => Response | Promise<Response>) {
  return (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => {
    Promise.resolve(call.request)
      .then(answer)
      .then(
        (response) => done(null, response),
        (error: unknown) => done(failure(error)),
      );
  };
}

function listing(snapshots: Snapshots) {
  return (call: ServerWritableStream<List, { info: Info[] }>): void => {
    try {
      const infos = snapshots.list(call.request.filters).map(infoOf);
      for (let at = 0; at < infos.length; at += BATCH) call.write({ info: infos.slice(at, at + BATCH) });
      call.end();
    } catch (error) {
      call.emit('error', failure(error));
    }
  };
}

type Mounts = { readonly mounts: Mount[] };

function implementation(snapshots: Snapshots) {
  const create = (kind: 'active' | 'view') =>
    unary<Create, Mounts>(async ({ key, parent, labels }) => ({
      mounts: await snapshots.create(kind, key, parent, labels),
    }));
  return {
    Prepare: create('active'),
    View: create('view'),
    Mounts: unary<Key, Mounts>(({ key }) => ({ mounts: snapshots.mounts(key) })),
    Commit: unary<Commit, object>(async ({ name, key, labels }) => {
      await snapshots.commit(name, key, labels);
      return {};
    }),
    Remove: unary<Key, object>(async ({ key }) => {
      await snapshots.remove(key);
      return {};
    }),
    Stat: unary<Key, { info: Info }>(({ key }) => ({ info: infoOf(snapshots.stat(key)) })),
    Update: unary<Update, { info: Info }>(async ({ info, updateMask }) => {
      if (info === null) throw new SnapshotError('invalid-argument', 'an update without info');
      return { info: infoOf(await snapshots.update(info.name, info.labels, updateMask?.paths ?? [])) };
    }),
    List: listing(snapshots),
    Usage: unary<Key, { size: number; inodes: number }>(({ key }) => snapshots.usage(key)),
    Cleanup: unary<object, object>(async () => {
      await snapshots.cleanup();
      return {};
    }),
  };
}

/** The service's client and definition, read from the messages' description. */
export function snapshotsClient(): ServiceClientConstructor {
  const definition = loadSync(fileURLToPath(proto), { defaults: true, enums: String, longs: Number });
  const types = loadPackageDefinition(definition) as unknown as {
    containerd: { services: { snapshots: { v1: { Snapshots: ServiceClientConstructor } } } };
  };
  return types.containerd.services.snapshots.v1.Snapshots;
}

/** A socket that a server which is gone has left behind is in the way of the next one. */
function removeStale(address: string): void {
  if (statSync(address, { throwIfNoEntry: false })?.isSocket() === true) rmSync(address);
}

/** Serves on the unix socket `address` until `close` is called, which waits for calls under way. */
export async function serveSnapshots(snapshots: Snapshots, address: string): Promise<{ close(): Promise<void> }> {
  const server = new Server();
  server.addService(snapshotsClient().service, implementation(snapshots));
  removeStale(address);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${address}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  chmodSync(address, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.forceShutdown(), GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(timer);
          rmSync(address, { force: true });
          resolve();
        });
      }),
  };
}
