// Tools for images: who does which of their jobs, in a line of shell each, and how a line is timed. $INPUTS is what the recipe
// made, $OUT an empty directory, $REGISTRY a registry on this machine.

import { readFileSync } from 'node:fs';
import { run } from './process.js';

export type ImageJob = 'commit' | 'unpack' | 'pull';
export type ImageJobs = Readonly<Partial<Record<ImageJob, string>>>;

/** What one run took. */
export interface ToolRun {
  readonly seconds: number;
  /** The largest resident memory of one of its processes, bytes. */
  readonly peak: number;
}

interface Tool {
  readonly id: string;
  readonly about: string;
  readonly program: string;
  readonly version: readonly string[];
  readonly jobs: ImageJobs;
}

export const imageTools: readonly Tool[] = [
  {
    id: 'tar',
    about: 'GNU tar with gzip -1, in rows about images',
    program: 'tar',
    version: ['--version'],
    jobs: {
      commit: 'tar -C "$INPUTS/upper" -cf - . | gzip -1 >"$OUT/layer.tar.gz"',
      unpack: 'exec tar -C "$OUT" -xzf "$INPUTS/layer.tar.gz"',
    },
  },
  {
    id: 'umoci',
    about: 'umoci, in rows about images',
    program: 'umoci',
    version: ['--version'],
    jobs: { unpack: 'exec umoci --log error raw unpack --image "$INPUTS/layout:bench" "$OUT/root"' },
  },
  {
    id: 'skopeo',
    about: 'skopeo, in rows about images',
    program: 'skopeo',
    version: ['--version'],
    jobs: { pull: 'exec skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/bench:1" "dir:$OUT/image"' },
  },
  {
    id: 'podman',
    about: 'podman with its vfs driver, in rows about images',
    program: 'podman',
    version: ['--version'],
    jobs: {
      pull: 'exec podman --root "$OUT/root" --runroot "$OUT/run" --storage-driver vfs pull -q --tls-verify=false "$REGISTRY/bench:1"',
    },
  },
];

export function stratafsJobs(program: string): ImageJobs {
  const command = `STRATAFS_NODE='${process.execPath}' exec '${program}'`;
  return {
    commit: `${command} commit -q --root "$OUT/store" "$INPUTS/upper" bench:1`,
    unpack: `${command} load -q --root "$OUT/store" --name bench:1 -i "$INPUTS/layout"`,
    pull: `${command} pull -q --root "$OUT/store" "$REGISTRY/bench:1"`,
  };
}

const LIMIT_MS = 600_000;
const LOOK_MS = 20;

/** A process and its children, of those that are there now. */
function familyOf(pid: number): number[] {
  let children: number[] = [];
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    children = text.split(' ').filter(Boolean).map(Number);
  } catch {
    // It has ended.
  }
  return [pid, ...children.flatMap(familyOf)];
}

/** The most that a process has had in memory, bytes; 0 when it has ended. */
function peakOf(pid: number): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Runs a line of shell to its end. */
export async function runTool(script: string, environment: Readonly<Record<string, string>>): Promise<ToolRun> {
  let peak = 0;
  let looking: NodeJS.Timeout | undefined;
  const look = (pid: number): void => {
    peak = Math.max(peak, ...familyOf(pid).map(peakOf));
  };
  const command = { file: 'bash', args: ['-euo', 'pipefail', '-c', script], environment };
  const started = performance.now();
  try {
    await run(command, LIMIT_MS, (pid) => {
      looking = setInterval(look, LOOK_MS, pid);
    });
  } finally {
    clearInterval(looking);
  }
  return { seconds: (performance.now() - started) / 1000, peak };
}
