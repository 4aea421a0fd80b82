// The processes that sequences share, which hold nothing between two of them.

import { Agent } from '../agent.js';
import { ServerProcess } from './server-process.js';

/** What sequences share: processes, which hold nothing between two of them. */
export class Bench {
  readonly server = new ServerProcess();
  readonly mount: Agent;
  readonly plain: Agent;

  private constructor(mount: Agent, plain: Agent) {
    this.mount = mount;
    this.plain = plain;
  }

  static async start(): Promise<Bench> {
    return new Bench(await Agent.start('/'), await Agent.start('/'));
  }

  async stop(): Promise<void> {
    this.server.stop();
    await Promise.all([this.mount.stop(), this.plain.stop()]);
  }
}
