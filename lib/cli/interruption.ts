/** The end of a command before it is done: by a signal, or because its output is no longer read. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #listeners = new Map<NodeJS.Signals, () => void>();

  /** Aborted with an `Interrupted`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Listens for the signals that end a process. A second one ends it at once. */
  listen(): void {
    for (const signal of Object.keys(SIGNALS) as Signal[]) {
      const listener = (): void => {
        this.ignore();
        this.endBy(signal);
      };
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  /** Leaves signals to Node again. */
  ignore(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  /** Ends the command as a signal does. A shell reports 128 and the number of the signal. */
  endBy(signal: Signal): void {
    this.end(128 + SIGNALS[signal], signal);
  }

  /** Ends the command. */
  end(exitCode: number, by?: NodeJS.Signals): void {
    this.#controller.abort(new Interrupted(exitCode, by));
  }

  /** Settles as `work` does, or rejects with an `Interrupted`. */
  async race<T>(work: PromiseLike<T>): Promise<T> {
    const { signal } = this;
    signal.throwIfAborted();
    let stop: (() => void) | undefined;
    const ended = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop);
    });
    try {
      return await Promise.race([work, ended]);
    } finally {
      signal.removeEventListener('abort', stop!);
    }
  }

  /** The values of an iterable. What it has open is closed, also after an interruption. */
  async *values<T>(iterable: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = iterable[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { value, done } = await this.race(iterator.next());
        if (done) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }
}

/** Why a command ended early. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor(
    readonly exitCode: number,
    /** The signal; `undefined` if the output is no longer read. */
    readonly by: NodeJS.Signals | undefined,
  ) {
    super('the command was interrupted');
  }
}

/** The signals that end a process, with their numbers. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

type Signal = keyof typeof SIGNALS;
