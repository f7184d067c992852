import type expressSession from 'express-session';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { SessionStoreError } from '../../contract/errors.js';
import type { ExpressSessionJson } from './cookie.js';
import { cannot, failed } from './errors.js';

/** The methods that every express-session store has, and those that only some have. */
export type AnyStore = Pick<expressSession.Store, 'get' | 'set' | 'destroy'> &
  Partial<Pick<expressSession.Store, 'touch' | 'all' | 'length' | 'clear' | 'on'>>;

/** A callback of an express-session store. */
type Done<T> = (error?: unknown, value?: T | null) => void;

/** Calls the methods of an express-session store, whichever way they end, fail or return sessions. */
export class Calls {
  /** Whether the store has emitted `disconnect`, and no `connect` after it. */
  #isOffline = false;

  /** @param storeName the store's word in errors */
  constructor(
    private readonly store: AnyStore,
    private readonly storeName: string,
  ) {
    store.on?.('disconnect', () => {
      this.#isOffline = true;
    });
    store.on?.('connect', () => {
      this.#isOffline = false;
    });
  }

  /** Whether the store has a method that only some have. */
  has(method: 'touch' | 'length' | 'clear'): boolean {
    return typeof this.store[method] === 'function';
  }

  async get(operation: SessionStoreOperation, id: string): Promise<ExpressSessionJson | undefined> {
    const session = await this.run<expressSession.SessionData>(operation, (done) =>
      this.store.get(id, (error: unknown, value?: unknown) =>
        // As in express-session, a missing file means that there is no such session.
        (error as NodeJS.ErrnoException | null)?.code === 'ENOENT' ? done() : done(error, value as never),
      ),
    );
    return (session ?? undefined) as ExpressSessionJson | undefined;
  }

  async set(operation: SessionStoreOperation, id: string, session: object): Promise<void> {
    await this.run(operation, (done) => this.store.set(id, session as never, done as never));
  }

  /** Resolves to whether there was such a session. Call it only if the store has `touch`. */
  async touch(id: string, session: object): Promise<boolean> {
    try {
      await this.run('update', (done) => this.store.touch!(id, session as never, done as never));
      return true;
    } catch (error) {
      // Some stores report an error if the session has ended meanwhile.
      if (await this.get('update', id)) throw error;
      return false;
    }
  }

  async destroy(id: string): Promise<void> {
    await this.run('destroy', (done) => this.store.destroy(id, done as never));
  }

  /** The sessions that the store's `all` returns, by id. Rejects if it has none, or one that does not return their ids. */
  async all(operation: SessionStoreOperation): Promise<Map<string, ExpressSessionJson>> {
    if (typeof this.store.all !== 'function') {
      throw cannot(this.storeName, `${operation} all sessions without a method all()`);
    }
    const all = (await this.run<unknown>(operation, (done) => this.store.all!(done as never))) ?? {};
    const sessions = new Map<string, ExpressSessionJson>();
    for (const [name, value] of Object.entries(all)) {
      // A store may return an array. Then only some stores put the id into each session.
      const { id: ownId, ...session } = value as ExpressSessionJson & { id?: unknown };
      const id = Array.isArray(all) ? ownId : name;
      if (typeof id !== 'string') {
        throw cannot(this.storeName, `${operation} all sessions if its all() does not return their ids`);
      }
      sessions.set(id, Array.isArray(all) ? (session as ExpressSessionJson) : (value as ExpressSessionJson));
    }
    return sessions;
  }

  /** How many sessions the store has. Call it only if it has `length`. */
  async length(): Promise<number> {
    return (await this.run<number>('count', (done) => this.store.length!(done as never))) ?? 0;
  }

  /** Call it only if the store has `clear`. */
  async clear(): Promise<void> {
    await this.run('clear', (done) => this.store.clear!(done as never));
  }

  /** Runs a method of the store. It takes a callback, but may also return a promise or throw. */
  private run<T>(
    operation: SessionStoreOperation,
    work: (done: Done<T>) => unknown,
  ): Promise<T | null | undefined> {
    if (this.#isOffline) {
      throw new SessionStoreError(
        this.storeName,
        operation,
        'the store is disconnected: it emitted `disconnect`, and no `connect` since. Is its backend running?',
      );
    }
    return new Promise<T | null | undefined>((resolve, reject) => {
      const fail = (error: unknown): void => reject(failed(this.storeName, operation, error));
      try {
        const returned = work((error, value) => (error ? fail(error) : resolve(value)));
        // A rejection of a promise that the store also returns must not end the process.
        if (returned instanceof Promise) returned.catch(fail);
      } catch (error) {
        fail(error);
      }
    });
  }
}
