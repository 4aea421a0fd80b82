// An image's config and what `run` was asked for -> config.json of an OCI bundle. No I/O.

import { posix } from 'node:path';
import { ImageError } from '../error.js';
import { type RunConfig, withEnv } from './instructions.js';
import type { ProcessUser } from './user.js';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const capabilities = [
  ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_NET_RAW', 'CAP_SETGID'],
  ...[
    'CAP_SETUID',
    'CAP_SETFCAP',
    'CAP_SETPCAP',
    'CAP_NET_BIND_SERVICE',
    'CAP_SYS_CHROOT',
    'CAP_KILL',
    'CAP_AUDIT_WRITE',
  ],
];

const maskedPaths = [
  ...['/proc/acpi', '/proc/asound', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list'],
  ...['/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap'],
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface BindMount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

export interface RunRequest {
  readonly config: RunConfig;
  /** The merged root on the host. */
  readonly rootfs: string;
  /** In place of the image's Cmd; empty for that. */
  readonly command: readonly string[];
  /** NAME=VALUE. */
  readonly env: readonly string[];
  readonly workdir: string | null;
  readonly user: ProcessUser;
  readonly hostname: string;
  readonly terminal: boolean;
  readonly binds: readonly BindMount[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** The words to run: the entrypoint, then the command or what the image has in its place. */
export function argumentsOf({ Entrypoint, Cmd }: RunConfig, command: readonly string[]): string[] {
  const args = [...(Entrypoint ?? []), ...(command.length > 0 ? command : (Cmd ?? []))];
  if (args.length === 0) throw new ImageError('the image names no command: say one after its name');
  return args;
}

function environment({ config, env, user, terminal, hostname }: RunRequest): string[] {
  const given = env.map((one): [string, string] => {
    const equals = one.indexOf('=');
    return [one.slice(0, equals), one.slice(equals + 1)];
  });
  const standard = [PATH, `HOSTNAME=${hostname}`, `HOME=${user.home}`, ...(terminal ? ['TERM=xterm'] : [])];
  const own = (config.Env ?? []).map((one): [string, string] => {
    const equals = one.indexOf('=');
    return equals < 0 ? [one, ''] : [one.slice(0, equals), one.slice(equals + 1)];
  });
  return withEnv(withEnv(standard, own), given);
}

const system = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
];

function bindMount({ source, destination, readOnly }: BindMount): object {
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', readOnly ? 'ro' : 'rw'] };
}

/** Its network is the host's; mounts, processes and names of its own. */
export function runtimeSpec(request: RunRequest): object {
  const { config, rootfs, command, user, workdir, terminal, hostname, binds, annotations } = request;
  const { uid, gid, additionalGids } = user;
  const held = uid === 0 ? capabilities : [];
  return {
    ociVersion: '1.0.2',
    process: {
      terminal,
      user: { uid, gid, ...(additionalGids.length > 0 ? { additionalGids } : {}) },
      args: argumentsOf(config, command),
      env: environment(request),
      cwd: posix.resolve('/', workdir ?? (config.WorkingDir || '/')),
      capabilities: { bounding: capabilities, effective: held, permitted: held },
      noNewPrivileges: false,
    },
    root: { path: rootfs },
    hostname,
    mounts: [...system, ...binds.map(bindMount)],
    annotations,
    linux: {
      namespaces: ['mount', 'pid', 'ipc', 'uts'].map((type) => ({ type })),
      maskedPaths,
      readonlyPaths,
    },
  };
}
