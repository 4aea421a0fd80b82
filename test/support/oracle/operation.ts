// What an operation is: a value that prints and runs again, the same one in any world.

import type { Agent } from '../agent.js';
import { shown, type World } from './world.js';

export interface Operation {
  /** How it reads in a failure. */
  readonly text: string;
  run(world: World): Promise<unknown>;
  /** Renames: paths of what moves. */
  readonly moves?: readonly string[];
  /** Gives a file setuid, setgid or capabilities. */
  readonly privileges?: true;
  /** Opens a file for writing, or writes through a descriptor, which another user may have opened. */
  readonly writes?: true;
}

/** An operation on paths. */
export function op(text: string, run: (agent: Agent, world: World) => Promise<unknown>): Operation {
  return { text, run: async (world) => shown(await run(world.agent, world)) };
}

/** An operation on the descriptor in a slot; an empty slot answers `closed`. */
export function onSlot(
  slot: number,
  text: string,
  run: (agent: Agent, fd: number, world: World) => Promise<unknown>,
): Operation {
  return {
    text: `fd${slot}.${text}`,
    run: async (world) => {
      const held = world.slots.get(slot);
      return held === undefined ? 'closed' : shown(await run(world.agent, held.fd, world));
    },
  };
}

/** `operation` as another user, who has no capabilities. */
export function asUser(operation: Operation, uid: number): Operation {
  return {
    ...operation,
    text: `as ${uid}: ${operation.text}`,
    run: async (world) => {
      const [, answer] = await Promise.all([world.agent.fsids(uid, uid), operation.run(world)]);
      await world.agent.fsids(0, 0);
      return answer;
    },
  };
}
