import { Inject, Injectable } from '@nestjs/common';
import { SESSION_CONFIG } from './session.module-definition.js';
import { checkLifetime, checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import { checkBounds } from '../session/bounds.js';
import { diffData, NO_SNAPSHOT } from '../session/data.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import type { SessionConfig } from '../session/config.js';
import { checkGroup, checkId, checkPage } from '../contract/checks.js';
import type { SessionGroupLimit } from '../contract/limit.js';
import { SessionStore } from '../contract/store.js';
import { migrationOf, type SessionMigration } from '../options/decorated-store.js';
import { expiryAfter } from '../session/expiry.js';
import { LiveSession } from '../session/live-session.js';
import { checkLabel } from '../session/label.js';
import type { LimitOptions } from '../session/limit-options.js';
import { checkedLimit, createLimited } from '../session/limits.js';
import { newRecord } from '../session/new-record.js';
import type { ResolvedIdentity } from '../token/identity.js';
import { hashSecret, randomName } from '../token/token.js';
import type { SessionData } from '../session/session-data.js';
import { viewOf, type SessionView } from '../session/view.js';

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

/** A group with a limit, which a new session joins. */
export interface LimitedGroup extends LimitOptions {
  name: string;
}

/** How to create a session. */
export interface CreateOptions {
  /** The groups of the session, some with a limit; default: none. */
  groups?: Iterable<string | LimitedGroup> | undefined;
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

  /** The identities of the sessions of a service, for the test kit. */
  static identitiesOf({ config }: SessionService): readonly ResolvedIdentity[] {
    return config.identities;
  }

  /**
   * Creates a session without a request, for example in a test, or for a login by a protocol of your own. Its id is
   * random, because `genid` needs a request.
   *
   * It joins groups with a limit before the call resolves, which ends the sessions that are too many. Rejects with a
   * `SessionLimitError` if such a group is full and `whenFull` is `'reject'`; then there is no session.
   */
  async create(
    data: Partial<SessionData> & Record<string, unknown> = {},
    options: CreateOptions = {},
  ): Promise<CreatedSession> {
    checkOptionsObject('create', options, '{ groups, maxAge }');
    const { groups = [], maxAge, ...others } = options;
    checkNoOthers('create', others, 'groups, maxAge');
    const { signer, identities, idleTimeout, absoluteTimeout, maxSize, reservedNames } = this.config;
    const all = [...new Set(typeof groups === 'string' ? [groups] : groups)];
    const limits: SessionGroupLimit[] = [];
    const plain: string[] = [];
    for (const group of all) {
      if (typeof group === 'object' && group !== null) {
        const { name, ...limit } = group;
        limits.push(checkedLimit(name, limit, this.config));
        continue;
      }
      checkGroup(group);
      plain.push(group);
    }
    // A session that is in a group already would keep its place there, whatever the limit.
    const joined = plain.filter((name) => !limits.some(({ group }) => group === name));
    // No request says what `'auto'` is: HTTPS is the safe one.
    const cookie = new LiveCookie(identities[0]!.cookie.secure);
    if (maxAge !== undefined) cookie.maxAge = checkedMaxAge(maxAge);
    // Stores of express-session take the expiry from the cookie.
    const keeps = this.store.capabilities.secrets ? 'own' : 'whole';
    const change = diffData(data, NO_SNAPSHOT, reservedNames, LiveCookie.change(cookie, keeps, false));
    checkBounds(
      { data: {}, groups: [] },
      { ...change, join: [...joined, ...limits.map(({ group }) => group)] },
      maxSize,
    );
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
    if (limits.length === 0) await this.store.create(record);
    const created = limits.length === 0 ? record : await createLimited(record, limits, this.store);
    return {
      session: viewOf(created),
      token: signer.sign({ id: record.id, secret, secretHash: record.secretHash }),
    };
  }

  /** How far the migration of the option `migrateFrom` is; `undefined` without one. */
  async migration(): Promise<SessionMigration | undefined> {
    return migrationOf(this.store)?.migration();
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
  async page(options: PageOptions & { group: string }): Promise<SessionViewPage> {
    checkOptionsObject('page', options, "{ group: 'user:42' }");
    const { group, after, limit, ...others } = Object(options) as typeof options;
    checkNoOthers('page', others, 'group, after, limit');
    checkGroup(group);
    return this.read(group, after, limit);
  }

  /** A page of all live sessions. */
  async pageAll(options: PageOptions = {}): Promise<SessionViewPage> {
    checkOptionsObject('pageAll', options, '{ after, limit }');
    const { after, limit, ...others } = options;
    checkNoOthers('pageAll', others, 'after, limit', { group: 'Write page({ group })' });
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

  /** Gives a session a name, of at most 100 characters; an empty one removes it. Resolves to whether it is live. */
  async setLabel(id: string, label: string): Promise<boolean> {
    checkId(id);
    checkLabel(label);
    return (await this.store.update({ id }, { label })) !== undefined;
  }

  /** Destroys a session. Resolves to whether it was live. */
  async destroy(id: string): Promise<boolean> {
    checkId(id);
    return this.store.destroy(id);
  }

  /** Destroys the sessions of a group ("log out everywhere"), except `except`. Resolves to how many were live. */
  async clearGroup(group: string, options?: ClearOptions): Promise<number> {
    checkGroup(group);
    return this.store.clear(group, keptBy('clearGroup', options));
  }

  /** An alias of `clearGroup`, named as in multi-process-session. */
  async clearGroupByName(name: string): Promise<number> {
    return this.clearGroup(name);
  }

  /** Destroys all sessions, except `except`. Resolves to how many were live. */
  async clearAll(options?: ClearOptions): Promise<number> {
    return this.store.clear(undefined, keptBy('clearAll', options));
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

/** The ids of the sessions to keep. */
function keptBy(method: string, options: ClearOptions = {}): Iterable<string> | undefined {
  checkOptionsObject(method, options, '{ except: session }');
  const { except, ...others } = options;
  checkNoOthers(method, others, 'except');
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
