// The server of many sequences: one process that mounts, unmounts and is asked what it left behind.
// What does not answer in time is ended, so that no sequence hangs for ever.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { checkout } from '../paths.js';
import type { Order, Report } from './server-main.js';

const PATIENCE_MS = 20_000;

export class ServerProcess {
  #child: ChildProcess | undefined;

  #start(): ChildProcess {
    const child = fork(join(checkout, 'dist', 'test', 'support', 'oracle', 'server-main.js'));
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.#child = child;
    return child;
  }

  /** What the process complains of, nothing if all is well. */
  #order(order: Order): Promise<readonly string[]> {
    const child = this.#child ?? this.#start();
    return new Promise((resolve) => {
      const settle = (complaints: readonly string[]): void => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
        resolve(complaints);
      };
      const onMessage = (message: unknown): void => settle((message as Report).complaints);
      const onExit = (code: number | null, signal: string | null): void =>
        settle([`the server ended: code ${code}, signal ${signal}`]);
      const timer = setTimeout(() => {
        settle([`no answer within ${PATIENCE_MS} ms to ${JSON.stringify(order)}`]);
        this.kill();
      }, PATIENCE_MS);
      child.on('message', onMessage);
      child.once('exit', onExit);
      child.send(order);
    });
  }

  async mount(mountpoint: string, options: string): Promise<void> {
    const complaints = await this.#order({ mount: mountpoint, options });
    if (complaints.length > 0) throw new Error(`mount: ${complaints.join('; ')}`);
  }

  /** Unmounts; everything about the mount that should not have been. */
  unmount(): Promise<readonly string[]> {
    return this.#order({ unmount: true });
  }

  /** Ends it at once, and with it what it serves. */
  kill(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  stop(): void {
    this.#child?.disconnect();
    this.#child = undefined;
  }
}
