import { Inject, Injectable } from '@nestjs/common';
import { SESSION_CONFIG } from './session.module-definition.js';
import { checkLifetime } from '../contract/options.js';
import { checkSize, diffData, NO_SNAPSHOT } from '../session/data.js';
import type { SessionConfig } from '../session/config.js';
import { checkGroup, checkId, checkPage } from '../contract/checks.js';
import { valuesOf, type SessionRecord } from '../contract/record.js';
import { SessionStore } from '../contract/store.js';
import { expiryAfter } from '../session/state.js';
import { hashSecret, randomName } from '../token/token.js';
import type { SessionData } from '../session/session.js';

/** What is shown of a session: no secret, no secret hash. Frozen, all the way down. */
export interface SessionView {
  readonly id: string;
  /** The data as a handler sees it, without the cookie; a value whose text is damaged is left out. */
  readonly data: Readonly<Partial<Omit<SessionData, 'cookie'>> & Record<string, unknown>>;
  readonly groups: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds; 8.64e15 for never. */
  readonly expiresAt: number;
}

/** Some views, and where to go on; `next` is absent on the last page. */
export interface SessionViewPage {
  views: SessionView[];
  next?: string;
}

/** How far to page. */
export interface PageOptions {
  /** The `next` of the page before; absent for the first. */
  after?: string;
  /** How many at most, 1 to 1 000; default 100. */
  limit?: number;
}

/** What a session is created with, beside its data. */
export interface CreateOptions {
  /** The groups it is in. */
  groups?: Iterable<string>;
  /** How long it lives unused, in milliseconds; default: the `maxAge` of the first identity, or `idleTimeout`. */
  maxAge?: number;
}

/** A session, and what its client presents: as a cookie's value, or in the header of a header identity. */
export interface CreatedSession {
  session: SessionView;
  token: string;
}

/** Whom a clear spares. */
export interface ClearOptions {
  /** A session, an id, or ids. */
  except?: { readonly id: string } | Iterable<string>;
}

const PAGE_SIZE = 100;

/** Lists, finds and ends sessions, one by one, by group or all of them. */
@Injectable()
export class SessionService {
  constructor(
    private readonly store: SessionStore,
    @Inject(SESSION_CONFIG) private readonly config: SessionConfig,
  ) {}

  /**
   * Makes a session without a request: for a login by an app's own protocol, for tests, for what a server starts. Its id is
   * random, as there is no request to ask `genid` about.
   */
  async create(
    data: Partial<SessionData> & Record<string, unknown> = {},
    { groups = [], maxAge }: CreateOptions = {},
  ): Promise<CreatedSession> {
    const { signer, identities, idleTimeout, absoluteTimeout, maxSize } = this.config;
    const texts = { __proto__: null, ...diffData(data, NO_SNAPSHOT)?.set } as unknown as Record<
      string,
      string
    >;
    checkSize({}, { set: texts }, maxSize);
    if (maxAge !== undefined) {
      if (maxAge === Infinity)
        throw new TypeError('maxAge must be finite; for sessions that never end write idleTimeout: Infinity');
      checkLifetime('maxAge', maxAge, 'leave it out for the configured one');
      texts['cookie'] = JSON.stringify({ maxAge });
    }
    const lifetime = maxAge ?? identities[0]!.cookie.plain.maxAge ?? idleTimeout;
    const secret = signer.newSecret();
    const createdAt = this.store.now();
    const record: SessionRecord = {
      id: randomName(),
      secretHash: hashSecret(secret),
      data: texts,
      groups: [...new Set(typeof groups === 'string' ? [groups] : groups)],
      createdAt,
      expiresAt: expiryAfter(createdAt, lifetime, createdAt, absoluteTimeout),
    };
    await this.store.create(record);
    return { session: viewOf(record), token: signer.sign(record.id, secret) };
  }

  /** The live sessions of a group, read page by page as they are asked for. */
  list(group: string): AsyncIterableIterator<SessionView> {
    checkGroup(group);
    return this.pages(group);
  }

  /** All live sessions, read page by page as they are asked for. */
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

  /** The live session under `id`; `undefined` when there is none. */
  async find(id: string): Promise<SessionView | undefined> {
    checkId(id);
    const record = await this.store.read(id);
    return record && viewOf(record);
  }

  /** Ends a session; resolves to whether it was live. */
  async destroy(id: string): Promise<boolean> {
    checkId(id);
    return this.store.destroy(id);
  }

  /** Ends all sessions of a group ("log out everywhere"), but `except`; resolves to how many were ended. */
  async clearGroup(group: string, { except }: ClearOptions = {}): Promise<number> {
    checkGroup(group);
    return this.store.clear(group, idsOf(except));
  }

  /** multi-process-session's name for `clearGroup`. */
  async clearGroupByName(name: string): Promise<number> {
    return this.clearGroup(name);
  }

  /** Ends all sessions, but `except`; resolves to how many were ended. */
  async clearAll({ except }: ClearOptions = {}): Promise<number> {
    return this.store.clear(undefined, idsOf(except));
  }

  private async *pages(group?: string): AsyncIterableIterator<SessionView> {
    // A store may give a session twice that left its place meanwhile. Of a group, which somebody looks at, that is seen;
    // to remember all sessions there are would cost too much.
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
  // Only a session has an `id`: ids are strings, in an array or a set.
  if (typeof except !== 'object' || except === null || !('id' in except)) return except;
  checkId(except.id);
  return [except.id];
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
