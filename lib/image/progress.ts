// How long work tells whoever watches how far it is. What is done with it is the command's matter.

export interface Task {
  /** `done` bytes of the total so far. */
  at(done: number): void;
  /** It is over; `note` says how, in a word or two. */
  end(note: string): void;
}

export interface Reporter {
  /** Starts a task; `total` is null when it is not known. */
  task(label: string, doing: string, total: number | null): Task;
  /** One line that stands for itself. */
  line(text: string): void;
}

/** Nobody watches. */
export const silent: Reporter = {
  task: () => ({ at: () => {}, end: () => {} }),
  line: () => {},
};

/** `stream`, counted into `task`. */
export async function* counted(stream: AsyncIterable<Uint8Array>, task: Task, start = 0): AsyncGenerator<Uint8Array> {
  let done = start;
  for await (const chunk of stream) {
    done += chunk.length;
    task.at(done);
    yield chunk;
  }
}
