import { isFromReplica } from './problems.js';

/** How long a server counts as a primary after it has run a write, in milliseconds. */
const PRIMARY_FOR = 1000;

interface State {
  /** Until when the server counts as a primary, by `performance.now()`. */
  until: number;
  /** The check in progress. */
  check: Promise<void> | undefined;
}

/**
 * Notices that a server has become a replica. It still responds to reads like a primary, with data that may be old.
 * Therefore a write that does nothing is sent from time to time, which a replica rejects.
 */
export class PrimaryCheck {
  private state: State = { until: 0, check: undefined };

  /** @param write sends a write to a key that does not exist */
  constructor(private readonly write: (operation: string, key: string) => Promise<unknown>) {}

  /** Forgets what is known, because the connection to the server has ended. */
  reset(): void {
    this.state = { until: 0, check: undefined };
  }

  /** Resolves when the server is known to be a primary; `undefined` if it was just now. Rejects if it is a replica. */
  run(operation: string, key: string): Promise<void> | undefined {
    const now = performance.now();
    if (now < this.state.until) return this.state.check;
    const state: State = { until: now + PRIMARY_FOR, check: undefined };
    state.check = this.write(operation, key).then(
      () => {
        state.check = undefined;
      },
      (error: unknown) => {
        state.until = 0;
        // Any other error comes from a primary, or from a connection on which the command fails too.
        if (isFromReplica(error)) throw error;
      },
    );
    this.state = state;
    return state.check;
  }
}
