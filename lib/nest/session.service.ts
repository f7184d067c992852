import { Inject, Injectable } from '@nestjs/common';
import { SESSION_CONFIG } from './session.module-definition.js';
import { checkLifetime } from '../contract/option-checks.js';
import { checkBounds } from '../session/bounds.js';
import { diffData, NO_SNAPSHOT } from '../session/data.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import type { SessionConfig } from '../session/config.js';
import { checkGroup, checkId, checkPage } from '../contract/checks.js';
import { valuesOf, type SessionRecord } from '../contract/record.js';
import { SessionStore } from '../contract/store.js';
import { expiryAfter } from '../session/expiry.js';
import { LiveSession } from '../session/live-session.js';
import { newRecord } from '../session/new-record.js';
import { hashSecret, randomName } from '../token/token.js';
import type { SessionData } from '../session/session.js';

/** What `SessionService` shows of a session, without its secret hash. Deeply frozen. */
export interface SessionView {
  readonly id: string;
  /** The data as a handler sees it, without the cookie. A value that is not valid JSON in the store is left out. */
  readonly data: Readonly<Partial<Omit<SessionData, 'cookie'>> & Record<string, unknown>>;
  readonly groups: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds; 8.64e15 if the session never expires. */
  readonly expiresAt: number;
}

/** A page of sessions. `next` is absent on the last page. */
export interface SessionViewPage {
  views: SessionView[];
  next?: string;
}

/** Which page to read. */
export interface PageOptions {
  /** The `next` of the page before; absent for the first page. */
  after?: string | undefined;
  /** How many sessions at most: 1 to 1 000; default 100. */
  limit?: number | undefined;
}

/** How to create a session. */
export interface CreateOptions {
  /** The groups of the session; default: none. */
  groups?: Iterable<string> | undefined;
  /**
   * How long the session lives unused, in milliseconds; default: the `maxAge` of the first identity, or `idleTimeout`.
   */
  maxAge?: number | undefined;
}

/** A new session and its token. */
export interface CreatedSession {
  session: SessionView;
  /** What the client presents, as the value of the cookie or of the identity's header. */
  token: string;
}

/** Which sessions to keep. */
export interface ClearOptions {
  /** A session, an id, or ids; default: none. */
  except?: { readonly id: string } | Iterable<string> | undefined;
}

const PAGE_SIZE = 100;

/** Creates, finds, lists and destroys sessions outside of a request: one, a group, or all. */
@Injectable()
export class SessionService {
  constructor(
    private readonly store: SessionStore,
    @Inject(SESSION_CONFIG) private readonly config: SessionConfig,
  ) {}

  /**
   * Creates a session without a request, for example in a test, or for a login by a protocol of your own. Its id is
   * random, because `genid` needs a request.
   */
  async create(
    data: Partial<SessionData> & Record<string, unknown> = {},
    { groups = [], maxAge }: CreateOptions = {},
  ): Promise<CreatedSession> {
    const { signer, identities, idleTimeout, absoluteTimeout, maxSize, reservedNames } = this.config;
    const joined = [...new Set(typeof groups === 'string' ? [groups] : groups)];
    for (const group of joined) checkGroup(group);
    // No request says what `'auto'` is: HTTPS is the safe one.
    const cookie = new LiveCookie(identities[0]!.cookie.secure);
    if (maxAge !== undefined) cookie.maxAge = checkedMaxAge(maxAge);
    // Stores of express-session take the expiry from the cookie.
    const keeps = this.store.capabilities.secrets ? 'own' : 'whole';
    const change = diffData(data, NO_SNAPSHOT, reservedNames, LiveCookie.change(cookie, keeps, false));
    checkBounds({ data: {}, groups: [] }, { ...change, join: joined }, maxSize);
    const secret = signer.newSecret();
    const createdAt = this.store.now();
    const lifetime = LiveCookie.lifetime(cookie, idleTimeout);
    const record = newRecord({
      id: randomName(),
      secretHash: hashSecret(secret),
      data: change,
      groups: { join: joined },
      createdAt,
      expiresAt: expiryAfter(createdAt, lifetime, createdAt, absoluteTimeout),
    });
    await this.store.create(record);
    return {
      session: viewOf(record),
      token: signer.sign({ id: record.id, secret, secretHash: record.secretHash }),
    };
  }

  /** The live sessions of a group, read page by page as you iterate. Lists each session once. */
  list(group: string): AsyncIterableIterator<SessionView> {
    checkGroup(group);
    return this.pages(group);
  }

  /** All live sessions, read page by page as you iterate. May list a session twice. */
  listAll(): AsyncIterableIterator<SessionView> {
    return this.pages();
  }

  /** A page of a group's live sessions. */
  async page({ group, after, limit }: PageOptions & { group: string }): Promise<SessionViewPage> {
    checkGroup(group);
    return this.read(group, after, limit);
  }

  /** A page of all live sessions. */
  async pageAll({ after, limit }: PageOptions = {}): Promise<SessionViewPage> {
    return this.read(undefined, after, limit);
  }

  /** How many live sessions a group has. */
  async count(group: string): Promise<number> {
    checkGroup(group);
    return this.store.count(group);
  }

  /** How many live sessions there are. */
  async countAll(): Promise<number> {
    return this.store.count();
  }

  /** Finds a live session by its id. Resolves to `undefined` if there is none. */
  async find(id: string): Promise<SessionView | undefined> {
    checkId(id);
    const record = await this.store.read(id);
    return record && viewOf(record);
  }

  /** Destroys a session. Resolves to whether it was live. */
  async destroy(id: string): Promise<boolean> {
    checkId(id);
    return this.store.destroy(id);
  }

  /** Destroys the sessions of a group ("log out everywhere"), except `except`. Resolves to how many were live. */
  async clearGroup(group: string, { except }: ClearOptions = {}): Promise<number> {
    checkGroup(group);
    return this.store.clear(group, idsOf(except));
  }

  /** An alias of `clearGroup`, named as in multi-process-session. */
  async clearGroupByName(name: string): Promise<number> {
    return this.clearGroup(name);
  }

  /** Destroys all sessions, except `except`. Resolves to how many were live. */
  async clearAll({ except }: ClearOptions = {}): Promise<number> {
    return this.store.clear(undefined, idsOf(except));
  }

  private async *pages(group?: string): AsyncIterableIterator<SessionView> {
    // A store may list a session twice if its place in the order changes meanwhile. The ids of one group are remembered
    // to leave out the second; the ids of all sessions would take too much memory.
    const seen = group === undefined ? undefined : new Set<string>();
    let after: string | undefined;
    do {
      const { views, next } = await this.read(group, after);
      for (const view of views) {
        if (seen?.has(view.id)) continue;
        seen?.add(view.id);
        yield view;
      }
      after = next;
    } while (after !== undefined);
  }

  private async read(group?: string, after?: string, limit = PAGE_SIZE): Promise<SessionViewPage> {
    const options = { group, after, limit };
    checkPage(options);
    const { records, next } = await this.store.page(options);
    const views = records.map(viewOf);
    return next === undefined ? { views } : { views, next };
  }
}

function idsOf(except: ClearOptions['except']): Iterable<string> | undefined {
  // Only a session has an `id`. Ids are strings, alone or in an iterable.
  if (typeof except !== 'object' || except === null || !('id' in except)) return except;
  checkId(except.id);
  // A session that takes the place of another one, and is not stored yet: its store does not know which one.
  return [except.id, ...LiveSession.originsOf(except)];
}

function checkedMaxAge(maxAge: number): number {
  if (maxAge === Infinity)
    throw new TypeError('maxAge must be finite: write idleTimeout: Infinity for sessions that never expire');
  checkLifetime('maxAge', maxAge, 'leave it out for the configured one');
  return maxAge;
}

function viewOf({ id, data, groups, createdAt, expiresAt }: SessionRecord): SessionView {
  return Object.freeze({
    id,
    data: freeze(valuesOf(data)) as SessionView['data'],
    groups: Object.freeze([...groups]),
    createdAt,
    expiresAt,
  });
}

function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
