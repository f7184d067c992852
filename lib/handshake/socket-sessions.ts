import type { IncomingMessage } from 'node:http';
import type { Addressee } from '../http/origins.js';
import type { SessionConfig } from '../session/config.js';
import type { OpenConnections } from '../session/connections.js';

/**
 * How long a handler may run after its client has left or its app is closing, in milliseconds. Its changes are saved.
 */
export const LET_FINISH = 5_000;

/** What an app provides to the sockets that it gives sessions. */
export class SocketSessions {
  /** The handlers in flight. */
  readonly #busy = new Set<Promise<unknown>>();

  /** @param addresseeOf returns the host that a handshake was sent to */
  constructor(
    readonly config: SessionConfig,
    readonly connections: OpenConnections,
    readonly addresseeOf: (handshake: IncomingMessage) => Addressee,
  ) {}

  /** Registers work that needs the store, so that the app waits for it before it closes the store. */
  during(work: Promise<unknown>): void {
    this.#busy.add(work);
    const done = (): void => void this.#busy.delete(work);
    work.then(done, done);
  }

  /** Waits for the handlers in flight, at most {@link LET_FINISH}, before the store is closed. */
  async finish(): Promise<void> {
    if (this.#busy.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LET_FINISH);
    });
    await Promise.race([Promise.allSettled(this.#busy), late]);
    clearTimeout(timer);
  }
}
