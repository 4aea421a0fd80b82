// What other tools make of our images, and we of theirs: the registry of Debian on this machine, skopeo, podman, buildah,
// umoci, docker. What is not installed is skipped, with its name.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { freePort } from '../../benchmarks/registry.js';
import { entry, file, onStore, program, tarOf } from '../support/images.js';
import { freshDirectory } from '../support/paths.js';

const base = freshDirectory('image-tools');
const env = { HOME: base, DOCKER_CONFIG: base };
const run = onStore(join(base, 'store'), env);
const children: ChildProcess[] = [];
t.setTimeout(200_000);
t.teardown(async () => {
  for (const child of children) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.kill()) await gone;
  }
  rmSync(base, { recursive: true, force: true, maxRetries: 3 });
});

/** Why a test cannot be made here; false when it can. */
function without(...tools: string[]): string | false {
  if (process.geteuid?.() !== 0) return 'needs root';
  const has = (tool: string): boolean =>
    (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory, tool)));
  const missing = tools.filter((tool) => !has(tool));
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
}

/** Starts a server that is up when `ready` says so. */
async function start(argv: readonly string[], ready: () => Promise<boolean>): Promise<boolean> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: 'ignore' });
  children.push(child);
  for (let at = 0; at < 150 && child.exitCode === null; at += 1) {
    if (await ready()) return true;
    await sleep(100);
  }
  return false;
}

const host = `127.0.0.1:${await freePort()}`;

async function startRegistry(): Promise<boolean> {
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(base, 'registry') } },
    http: { addr: host },
    log: { level: 'error' },
  };
  writeFileSync(join(base, 'registry.yml'), JSON.stringify(config));
  const answers = (): Promise<boolean> =>
    fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  return start(['docker-registry', 'serve', join(base, 'registry.yml')], answers);
}

const noRegistry = without('docker-registry') || !(await startRegistry()) ? 'no docker-registry' : false;
const containers = ['--root', join(base, 'c'), '--runroot', join(base, 'r'), '--storage-driver', 'vfs'];
const text = (answer: { out: Buffer }): string => answer.out.toString().trim();

async function works(argv: readonly string[]): Promise<string> {
  const answer = await program(argv);
  if (answer.code !== 0) throw new Error(`${argv.join(' ')}: ${answer.err}`);
  return text(answer);
}

async function inspected(name: string): Promise<{ Id: string; Digest: string; Layers: { Directory: string }[] }> {
  const [image] = JSON.parse((await run(['inspect', name])).out.toString());
  return image;
}

const system = [
  { entry: entry('bin', { type: 'directory' }) },
  file('bin/tool', '#!/bin/sh\n', { mode: 0o4755 }),
  { entry: entry('bin/same', { type: 'hardlink', target: 'bin/tool', mode: 0o4755 }) },
  file('bin/capable', 'x', { xattrs: new Map([['user.note', Buffer.from([0, 255, 1])]]) }),
  { entry: entry('etc', { type: 'directory' }) },
  file('etc/owned', 'by somebody', { uid: 1234, gid: 4321 }),
  { entry: entry('etc/link', { type: 'symlink', target: '../bin/tool' }) },
];

t.test('ours, pushed and pulled back', { skip: noRegistry }, async (t) => {
  t.match(await run(['import', '-', `${host}/ours:1`], await tarOf(system)), { code: 0 });
  const before = await inspected(`${host}/ours:1`);
  t.match(await run(['push', `${host}/ours:1`]), { code: 0 });
  t.match(await run(['push', `${host}/ours:1`, `${host}/elsewhere/ours`]), { code: 0, err: /mounted from ours/ });
  t.match(await run(['push', `${host}/ours:1`]), { code: 0, err: /already there/ });
  t.match(await run(['rmi', `${host}/ours:1`]), { code: 0 });
  t.match(await run(['pull', `${host}/ours:1`]), { code: 0, err: /pulled/ });
  t.same(await inspected(`${host}/ours:1`), before);
  t.match(await run(['verify']), { code: 0 });
});

t.test('skopeo: reads what we pushed and saved', { skip: noRegistry || without('skopeo') }, async (t) => {
  const { Digest } = await inspected(`${host}/ours:1`);
  const remote = ['--tls-verify=false', `docker://${host}/ours:1`];
  t.equal(JSON.parse(await works(['skopeo', 'inspect', ...remote])).Digest, Digest);
  await works(['skopeo', 'copy', '--src-tls-verify=false', remote[1] as string, `oci:${base}/copied:x`]);
  t.match(await run(['load', '--name', 'copied:1', join(base, 'copied')]), { code: 0 });
  t.equal((await inspected('copied:1')).Digest, Digest);
  t.match(await run(['save', '-o', join(base, 'saved.tar'), 'copied:1']), { code: 0 });
  await works(['skopeo', 'inspect', `oci-archive:${base}/saved.tar`]);
  await works(['skopeo', 'inspect', `docker-archive:${base}/saved.tar`]);
  await works(['skopeo', 'copy', `docker-archive:${base}/saved.tar`, `docker-archive:${base}/theirs.tar:theirs:1`]);
  t.match(await run(['load', '-i', join(base, 'theirs.tar')]), { code: 0, out: /^/ });
  t.equal((await inspected('theirs:1')).Id, (await inspected('copied:1')).Id, 'the same config, so the same id');
});

t.test('skopeo: zstd layers', { skip: noRegistry || without('skopeo', 'zstd') }, async (t) => {
  const flags = ['--src-tls-verify=false', '--dest-compress-format', 'zstd', '--dest-compress'];
  await works(['skopeo', 'copy', ...flags, `docker://${host}/ours:1`, `dir:${base}/zstd`]);
  await works(['skopeo', 'copy', '--dest-tls-verify=false', `dir:${base}/zstd`, `docker://${host}/zstd:1`]);
  t.match(await run(['pull', `${host}/zstd:1`]), { code: 0 });
  t.match(await run(['verify']), { code: 0 });
});

t.test('zstd layers of ours', { skip: noRegistry || without('zstd', 'skopeo', 'podman') }, async (t) => {
  const name = `${host}/packed:1`;
  t.match(await run(['import', '--zstd', '-', name], await tarOf(system)), { code: 0 });
  t.match(await run(['push', name]), { code: 0 });
  const before = await inspected(name);
  t.match(await run(['rmi', name]), { code: 0 });
  t.match(await run(['pull', name]), { code: 0 });
  t.same(await inspected(name), before);
  t.match(await run(['save', '-o', join(base, 'packed/'), name]), { code: 0 });
  t.match(await run(['save', '-o', join(base, 'packed.tar'), name]), { code: 0 });
  const told = JSON.parse(await works(['skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${name}`]));
  t.match(told.layers, [{ mediaType: /tar\+zstd$/ }]);
  await works(['podman', ...containers, 'pull', '-q', '--tls-verify=false', name]);
  const mounted = await works(['podman', ...containers, 'image', 'mount', name]);
  t.match(lstatSync(join(mounted, 'bin/tool')), { mode: 0o104755, nlink: 2 });
  await works(['podman', ...containers, 'image', 'umount', name]);
  await works(['podman', ...containers, 'rmi', '-f', name]);
  await works(['podman', ...containers, 'load', '-q', '-i', join(base, 'packed.tar')]);
});

t.test('podman: pulls what we pushed, loads what we saved', { skip: noRegistry || without('podman') }, async (t) => {
  await works(['podman', ...containers, 'pull', '-q', '--tls-verify=false', `${host}/ours:1`]);
  const inspect = ['podman', ...containers, 'image', 'inspect', '--format', '{{.Id}}'];
  const { Id } = await inspected(`${host}/ours:1`);
  t.equal(`sha256:${await works([...inspect, `${host}/ours:1`])}`, Id);
  const mounted = await works(['podman', ...containers, 'image', 'mount', `${host}/ours:1`]);
  t.match(lstatSync(join(mounted, 'bin/tool')), { mode: 0o104755, nlink: 2 });
  t.match(lstatSync(join(mounted, 'etc/owned')), { uid: 1234, gid: 4321 });
  await works(['podman', ...containers, 'image', 'umount', `${host}/ours:1`]);
  t.match(await run(['tag', `${host}/ours:1`, 'localhost/loaded:1']), { code: 0 });
  t.match(await run(['save', '-o', join(base, 'podman.tar'), 'localhost/loaded:1']), { code: 0 });
  await works(['podman', ...containers, 'load', '-q', '-i', join(base, 'podman.tar')]);
  t.equal(`sha256:${await works([...inspect, 'localhost/loaded:1'])}`, Id);
});

t.test('buildah: we pull what it pushed, whiteouts and all', { skip: noRegistry || without('buildah') }, async (t) => {
  const buildah = (...argv: string[]): Promise<string> =>
    works(['buildah', ...containers, ...argv.map((word) => word.replaceAll('@', host))]);
  mkdirSync(join(base, 'tree', 'docs'), { recursive: true });
  for (const name of ['docs/page', 'kept']) writeFileSync(join(base, 'tree', name), name);
  const first = await buildah('from', 'scratch');
  await buildah('copy', first, join(base, 'tree'), '/');
  await buildah('commit', '-q', first, '@/theirs:1');
  const second = await buildah('from', '@/theirs:1');
  rmSync(join(await buildah('mount', second), 'docs'), { recursive: true });
  await buildah('commit', '-q', second, '@/theirs:2');
  await buildah('push', '-q', '--tls-verify=false', '@/theirs:2');
  await buildah('push', '-q', '--tls-verify=false', '--format', 'v2s2', '@/theirs:2', 'docker://@/theirs:docker');
  for (const tag of ['2', 'docker']) {
    t.match(await run(['pull', `${host}/theirs:${tag}`]), { code: 0 }, tag);
    const { Layers } = await inspected(`${host}/theirs:${tag}`);
    t.equal(Layers.length, 2);
    const [bottom, top] = Layers.map(({ Directory }) => Directory) as [string, string];
    t.equal(readFileSync(join(bottom, 'docs/page'), 'utf8'), 'docs/page');
    t.ok(lstatSync(join(top, 'docs')).isCharacterDevice(), 'a whiteout');
  }
  t.match(await run(['verify']), { code: 0 });
});

t.test('umoci: unpacks what we saved', { skip: noRegistry || without('umoci') }, async (t) => {
  t.match(await run(['tag', `${host}/ours:1`, 'plain']), { code: 0 });
  t.match(await run(['save', '-o', join(base, 'layout/'), 'plain']), { code: 0 });
  const [{ annotations }] = JSON.parse(readFileSync(join(base, 'layout/index.json'), 'utf8')).manifests;
  const tag = annotations['org.opencontainers.image.ref.name'];
  await works(['umoci', 'raw', 'unpack', '--image', `${base}/layout:${tag}`, join(base, 'unpacked')]);
  t.match(lstatSync(join(base, 'unpacked/bin/tool')), { mode: 0o104755, nlink: 2 });
});

t.test('docker: loads what we saved', { skip: noRegistry || without('docker', 'dockerd', 'containerd') }, async (t) => {
  const socket = `unix://${base}/docker.sock`;
  const docker = (...argv: string[]) => program(['docker', '-H', socket, ...argv]);
  const places = ['--data-root', join(base, 'docker'), '--exec-root', join(base, 'run'), '-p', join(base, 'pid')];
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const argv = ['dockerd', '-H', socket, ...places, ...network, '--storage-driver=vfs'];
  const isUp = await start(argv, async () => (await docker('version')).code === 0);
  t.pass('dockerd is up', { skip: !isUp && 'dockerd does not start here' });
  if (!isUp) return;
  t.match(await run(['save', '-o', join(base, 'docker.tar'), 'plain', `${host}/theirs:2`]), { code: 0 });
  const loaded = await docker('load', '-i', join(base, 'docker.tar'));
  t.equal(loaded.code, 0, loaded.err);
  for (const name of ['plain:latest', `${host}/theirs:2`]) {
    const found = await docker('image', 'inspect', '--format', '{{.Id}}', name);
    t.equal(text(found), (await inspected(name)).Id, name);
  }
});
