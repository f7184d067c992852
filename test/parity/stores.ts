import { randomUUID } from 'node:crypto';
import expressSession from 'express-session';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RecordingStore, type RecordedCall } from '../stores/recording.store.js';

type Callback<T = void> = (error?: unknown, value?: T) => void;
type Data = expressSession.SessionData;

/** When a store calls back: some time later, at the end of the turn, or within the call. */
export type Pace = 'slow' | 'memory' | 'sync';
export const PACES: readonly Pace[] = ['slow', 'memory', 'sync'];

/** A store for express-session that keeps sessions in memory and records its calls. */
class ObservedStore extends expressSession.Store {
  calls: string[] = [];
  failing: readonly string[] = [];
  code: string | undefined;
  readonly sessions = new Map<string, string>();
  declare touch?: (id: string, session: Data, callback?: Callback) => void;

  constructor(readonly pace: Pace) {
    super();
    // The simplest stores have no touch.
    if (pace !== 'sync') this.touch = this.#touch;
  }

  override get(id: string, callback: Callback<Data | null>): void {
    this.#run('get', callback, () => this.#live(id) ?? null);
  }

  override set(id: string, session: Data, callback?: Callback): void {
    this.#run('set', callback, () => void this.sessions.set(id, JSON.stringify(session)));
  }

  override destroy(id: string, callback?: Callback): void {
    this.#run('destroy', callback, () => void this.sessions.delete(id));
  }

  #touch(id: string, session: Data, callback?: Callback): void {
    this.#run('touch', callback, () => {
      const live = this.#live(id);
      if (live) this.sessions.set(id, JSON.stringify({ ...live, cookie: session.cookie }));
    });
  }

  #live(id: string): Data | undefined {
    const serialized = this.sessions.get(id);
    if (serialized === undefined) return undefined;
    const session = JSON.parse(serialized) as Data;
    const { expires } = session.cookie ?? {};
    return expires && Date.parse(String(expires)) <= Date.now() ? undefined : session;
  }

  #run<T>(operation: string, callback: Callback<T> | undefined, work: () => T): void {
    this.calls.push(operation);
    const callBack = (): void => {
      if (this.failing.includes(operation)) {
        callback?.(Object.assign(new Error('boom'), { code: this.code }));
      } else {
        const value = work();
        callback?.(null, value);
      }
    };
    if (this.pace === 'sync') callBack();
    else if (this.pace === 'memory') setImmediate(callBack);
    else setTimeout(callBack, 3);
  }
}

/** A store under observation. */
export interface Subject {
  store: expressSession.Store | SessionStore;
  /** Returns the calls to the store since the last time, by the method names of express-session. */
  take(): string[];
  /** Makes these of express-session's operations fail. */
  fail(operations: readonly string[], code?: string): void;
}

export function observedStore(pace: Pace): Subject {
  const store = new ObservedStore(pace);
  return {
    store,
    take: () => store.calls.splice(0),
    fail(operations, code) {
      store.failing = operations;
      store.code = code;
    },
  };
}

/** One of our stores. */
export function observedOurs(): Subject {
  const store = new RecordingStore(new ClusterStore({ name: randomUUID() }));
  return {
    store,
    take: () => store.calls.splice(0).map(methodOf),
    fail(operations) {
      store.failing = operations.flatMap((operation) => OURS[operation]!);
    },
  };
}

/** The operations of our stores that correspond to each of express-session's. */
const OURS: Record<string, string[]> = {
  get: ['read'],
  set: ['create', 'update'],
  touch: ['update'],
  destroy: ['destroy', 'regenerate'],
};

function methodOf({ operation, change }: RecordedCall): string {
  if (operation === 'read') return 'get';
  if (operation === 'create') return 'set';
  if (operation === 'regenerate') return 'destroy';
  if (operation !== 'update') return operation;
  return Object.keys(change ?? {}).every((name) => name === 'touch') ? 'touch' : 'set';
}
