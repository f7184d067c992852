import { inspect } from 'node:util';
import { Session as ExpressSession } from 'express-session';
import { ownProperty, PARSE, type DataHolder } from './data.js';
import { MEMBER_NAMES, rejectReserved } from './names.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import type { LimitOptions } from './limit-options.js';
import type { SessionData } from './session-data.js';
import type { RotateOptions, Session, SessionCallback } from './session.js';
import type { SessionState } from './state.js';
import type { SessionView } from './view.js';

/** The part of the session work that a session object uses. */
export interface SessionActions {
  /** The request with this session. */
  readonly holder: object;
  /** The name of the identity of the request's token. */
  readonly identity: string;
  /** The names that data cannot have. */
  readonly reservedNames: ReadonlySet<string>;
  /** Whether the request must not renew the session. */
  readonly isPassive: boolean;
  idleExpiryOf(session: LiveSession): number;
  absoluteExpiryOf(session: LiveSession): number;
  save(session: LiveSession): Promise<void>;
  reload(session: LiveSession, inPlace: boolean): Promise<void>;
  destroy(session: LiveSession): Promise<void>;
  regenerate(session: LiveSession, inPlace: boolean): Promise<void>;
  rotate(session: LiveSession, options?: RotateOptions): Promise<void>;
  joinLimited(session: LiveSession, group: string, limit: LimitOptions): Promise<SessionView[]>;
  addValue(session: LiveSession, name: string, by: number): Promise<number>;
  takeValue(session: LiveSession, name: string): Promise<unknown>;
  /** Logs a serialized value that is not JSON. */
  unreadable(id: string, name: string, text: string): void;
}

/** The object at `req.session`. Its own enumerable properties are the data; everything else is on the prototype. */
export class LiveSession implements Session, DataHolder {
  readonly #work: SessionActions;
  #state: SessionState;

  static {
    // Inherits from express-session's class, so that `instanceof` holds. Its constructor is not called, because it
    // drops data with the name of a method and freezes `id`.
    Object.setPrototypeOf(this.prototype, ExpressSession.prototype);
    Object.defineProperty(this, 'name', { value: 'Session' });
    for (const name of MEMBER_NAMES) if (name !== 'cookie') this.#guard(name);
  }

  /**
   * Makes the assignment of data to a member throw, if its name is reserved, so that data never hides the member. An
   * accessor of the prototype costs nothing per session.
   */
  static #guard(name: string): void {
    const { get, value: member } = (Object.getOwnPropertyDescriptor(this.prototype, name) ??
      {}) as PropertyDescriptor;
    Object.defineProperty(this.prototype, name, {
      configurable: true,
      get: get ?? (() => member as unknown),
      set(this: object, value: unknown) {
        if (#work in this && this.#work.reservedNames.has(name)) {
          rejectReserved(name, value);
          if (value === undefined) return;
        }
        ownProperty(this, name, value);
      },
    });
  }

  /** An own, enumerable property as in express-session: apps set its `maxAge`, and print it. */
  cookie: LiveCookie;

  constructor(work: SessionActions, state: SessionState) {
    this.#work = work;
    this.#state = state;
    this.cookie = state.cookie;
  }

  /** The state of this object's session. */
  static stateOf(session: LiveSession): SessionState {
    return session.#state;
  }

  /** Gives the object another session. Its data must have been removed before. */
  static setState(session: LiveSession, state: SessionState): void {
    session.#state = state;
    session.cookie = state.cookie;
  }

  /** Another object with the same work, for another session. */
  static of(session: LiveSession, state: SessionState): LiveSession {
    return new LiveSession(session.#work, state);
  }

  /** Removes all data from a session object. Returns a function that puts it back. */
  static takeData(session: LiveSession): () => void {
    const data = Object.getOwnPropertyDescriptors(session);
    const names = Object.keys(session) as (keyof LiveSession)[];
    for (const name of names) delete session[name];
    return () => {
      for (const name of Object.keys(session) as (keyof LiveSession)[]) delete session[name];
      Object.defineProperties(session, data);
    };
  }

  /** The ids of the sessions that a new one, not stored yet, takes the place of. Empty for anything else. */
  static originsOf(value: unknown): readonly string[] {
    return LiveSession.isLive(value) ? value.#state.origins : [];
  }

  static isLive(value: unknown): value is LiveSession {
    return typeof value === 'object' && value !== null && #state in value;
  }

  get id(): string {
    return this.#state.id;
  }

  get identity(): string {
    return this.#work.identity;
  }

  get idleExpiresAt(): number {
    return this.#work.idleExpiryOf(this);
  }

  get absoluteExpiresAt(): number {
    return this.#work.absoluteExpiryOf(this);
  }

  get req(): object {
    return this.#work.holder;
  }

  save(): Promise<void>;
  save(callback: SessionCallback): this;
  save(callback?: SessionCallback): Promise<void> | this {
    return this.#settle(this.#work.save(this), callback);
  }

  reload(): Promise<void>;
  reload(callback: SessionCallback): this;
  reload(callback?: SessionCallback): Promise<void> | this {
    return this.#settle(this.#work.reload(this, callback === undefined), callback);
  }

  destroy(): Promise<void>;
  destroy(callback: SessionCallback): this;
  destroy(callback?: SessionCallback): Promise<void> | this {
    return this.#settle(this.#work.destroy(this), callback);
  }

  regenerate(): Promise<void>;
  regenerate(callback: SessionCallback): this;
  regenerate(callback?: SessionCallback): Promise<void> | this {
    return this.#settle(this.#work.regenerate(this, callback === undefined), callback);
  }

  rotate(options?: RotateOptions): Promise<void> {
    return this.#settle(this.#work.rotate(this, options)) as Promise<void>;
  }

  add(name: string, by = 1): Promise<number> {
    return handled(this.#work.addValue(this, name, by));
  }

  take<Name extends keyof SessionData & string>(name: Name): Promise<SessionData[Name] | undefined>;
  take(name: string): Promise<unknown>;
  take(name: string): Promise<unknown> {
    return handled(this.#work.takeValue(this, name));
  }

  touch(): Promise<void> {
    if (this.#work.isPassive) return Promise.resolve();
    this.resetMaxAge();
    this.#state.touch();
    return Promise.resolve();
  }

  resetMaxAge(): this {
    LiveCookie.renew(this.#state.cookie);
    return this;
  }

  // These throw for an invalid group instead of rejecting: they need no `await`, and the error must not go unnoticed.
  joinGroup(group: string): Promise<void>;
  joinGroup(group: string, limit: LimitOptions): Promise<SessionView[]>;
  joinGroup(group: string, limit?: LimitOptions): Promise<void | SessionView[]> {
    if (limit !== undefined) return handled(this.#work.joinLimited(this, group, limit));
    this.#state.joinGroup(group);
    return Promise.resolve();
  }

  setLabel(label: string): Promise<void> {
    this.#state.setLabel(label);
    return Promise.resolve();
  }

  leaveGroup(group: string): Promise<void> {
    this.#state.leaveGroup(group);
    return Promise.resolve();
  }

  groupNames(): Promise<string[]> {
    return Promise.resolve(this.#state.groups.names());
  }

  setGroupName(group: string): Promise<void> {
    this.#state.setGroupName(group);
    return Promise.resolve();
  }

  [PARSE](name: string): unknown {
    const { id, data } = this.#state;
    const text = data.snapshot.texts[name];
    // A value that its store cannot open, which it has logged.
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      this.#work.unreadable(id, name, text);
      return undefined;
    }
  }

  /** Parses all data, so that `console.log` shows it like the properties of a plain object. */
  [inspect.custom](): this {
    for (const name of Object.keys(this)) void (this as Record<string, unknown>)[name];
    return this;
  }

  // Data with this name must not replace the prototype.
  get ['__proto__'](): unknown {
    return Object.getPrototypeOf(this);
  }

  set ['__proto__'](value: unknown) {
    ownProperty(this, '__proto__', value);
  }

  #settle(done: Promise<void>, callback?: SessionCallback): Promise<void> | this {
    if (callback === undefined) return handled(done);
    // Called outside of the promise, so that an error that the callback throws is not a rejection of ours.
    done.then(
      () => process.nextTick(callback),
      (error: unknown) => process.nextTick(callback, error),
    );
    return this;
  }
}

/** Keeps an unawaited rejection from ending the process. A caller that awaits the promise still gets it. */
function handled<T>(done: Promise<T>): Promise<T> {
  done.catch(() => {});
  return done;
}
