import {
  applyChange,
  NEVER,
  NO_SECRET_HASH,
  valuesOf,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
  type SessionUpdate,
} from '../contract/record.js';
import { isStoreError } from '../contract/errors.js';
import type { SessionStore } from '../contract/store.js';
import type { Migration } from './options.js';
import { isUnmoved, textsOf, unmoved, withOwnHint, type Source } from './source.js';

/**
 * An express-session store, from which sessions move one way. It keeps neither groups, which `groupsOf` tells by the data of
 * a session, nor uses and labels.
 */
export class ExpressSource implements Source {
  readonly isOurs = false;
  readonly #groupsOf: Migration['groupsOf'];
  readonly #idleTimeout: number;

  /** @param now the clock of the new store */
  constructor(
    readonly store: SessionStore,
    { groupsOf, idleTimeout }: Pick<Migration, 'groupsOf' | 'idleTimeout'>,
    private readonly now: () => number,
  ) {
    this.#groupsOf = groupsOf;
    this.#idleTimeout = idleTimeout;
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    const record = await this.store.read(id);
    // It counts as created when it moves, so until then its absolute timeout has not begun.
    return record && unmoved(record, { groups: this.#groups(record), createdAt: this.now() });
  }

  copyOf({ id, data, groups, expiresAt }: SessionRecord, now = this.now()): SessionRecord {
    return {
      id,
      secretHash: NO_SECRET_HASH,
      data: withOwnCookie(textsOf(data)),
      groups,
      createdAt: now,
      // Without an age of its cookie, the old store alone knew when it expires.
      expiresAt: expiresAt === NEVER ? Math.floor(Math.min(now + this.#idleTimeout, NEVER)) : expiresAt,
    };
  }

  async create(record: SessionRecord): Promise<boolean> {
    const { groups, from = [], label: _, client: _client, lastSeenAt: _lastSeenAt, ...others } = record;
    // A successor has the groups of the session that it came from, before it has the data.
    if (from.length === 0) this.#checkGroups(record, groups);
    return this.store.create({ ...others, groups: [] });
  }

  async update(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    const { join, leave, label, seen: _, joinedAt: _joinedAt, joining: _joining, ...others } = change;
    if (label !== undefined) throw notYet('labels');
    if (join || leave) {
      const found =
        isUnmoved(record) && 'data' in record ? (record as SessionRecord) : await this.read(record.id);
      if (!found) return undefined;
      this.#checkGroups(applyChange(found, others), join, leave);
    }
    return this.store.update(withOwnHint(record), others);
  }

  async remove({ id }: SessionRecord): Promise<void> {
    await this.store.destroy(id);
  }

  async page({ group, after, limit }: SessionPageOptions): Promise<SessionPage> {
    if (group === undefined) {
      const { records, ...page } = await this.store.page({ after, limit });
      return { records: records.map((record) => this.#listed(record)), ...page };
    }
    const members = (await this.#members(group)).toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const rest = members.filter(({ id }) => after === undefined || id > after);
    const records = rest.slice(0, limit);
    return rest.length > limit ? { records, next: records.at(-1)!.id } : { records };
  }

  /** One page, because each would be a walk over all sessions. */
  async *members(group: string | undefined): AsyncGenerator<SessionRecord[]> {
    yield group === undefined ? await this.#all() : await this.#members(group);
  }

  async #members(group: string): Promise<SessionRecord[]> {
    if (!this.#groupsOf) throw new TypeError(NO_GROUPS);
    return (await this.#all()).filter(({ groups }) => groups.includes(group));
  }

  async #all(): Promise<SessionRecord[]> {
    try {
      const records = await allOf(this.store as InnerStore);
      return records.map((record) => this.#listed(record));
    } catch (error) {
      if (isStoreError(error) || error instanceof TypeError) throw error;
      throw new TypeError(NO_IDS, { cause: error });
    }
  }

  /** It counts as one that joined before all that have moved; of two of them the one that expires first. */
  #listed(record: SessionRecord): SessionRecord {
    return unmoved(record, { groups: this.#groups(record), joinedAt: record.expiresAt - NEVER });
  }

  /** The groups of a session by its data. */
  #groups({ data }: SessionRecord): string[] {
    if (!this.#groupsOf) return [];
    const groups: unknown = this.#groupsOf(valuesOf(data));
    if (
      !Array.isArray(groups) ||
      !groups.every((group) => typeof group === 'string' && group.isWellFormed())
    ) {
      throw new TypeError(
        'migrateFrom.groupsOf must return a list of names of groups: write groupsOf: (data) => (data.userId ? [`user:${data.userId}`] : [])',
      );
    }
    return [...new Set(groups as string[])];
  }

  /** Throws if a session with this data would not be in these groups, or in those: a clear would not find what it should. */
  #checkGroups(record: SessionRecord, isIn: readonly string[] = [], isNotIn: readonly string[] = []): void {
    const groups = this.#groups(record);
    const isRight =
      isIn.every((group) => groups.includes(group)) && !isNotIn.some((group) => groups.includes(group));
    if (!isRight) throw notInGroup();
  }
}

/** A store that `fromExpressStore` returned, or a decorator around it. */
type InnerStore = SessionStore & ({ all(): Promise<SessionRecord[]> } | { readonly inner: SessionStore });

function allOf(store: InnerStore): Promise<SessionRecord[]> {
  return 'all' in store ? store.all() : allOf(store.inner as InnerStore);
}

const NO_GROUPS =
  'the groups of sessions in an express-session store are not known: write migrateFrom: { groupsOf: (data) => [`user:${data.userId}`] }';

const NO_IDS =
  'groups cannot be listed, counted or cleared while sessions migrate from this express-session store, because it has no all() that returns their ids: destroy sessions by id, or leave migrateFrom out once they have moved';

/** The error of a join or a leave that contradicts the data. */
export function notInGroup(): TypeError {
  return new TypeError(
    'a session joins and leaves groups only by its data, until it has moved: save the data first, and return its groups from migrateFrom.groupsOf',
  );
}

function notYet(what: string): TypeError {
  return new TypeError(`a session cannot have ${what} until it has moved: set migrateFrom.move to true`);
}

/** The lifetime of a cookie, without the attributes, which now come from the options. */
function withOwnCookie(data: SessionRecord['data']): SessionRecord['data'] {
  const text = data['cookie'];
  delete data['cookie'];
  const { maxAge } = text === undefined ? {} : (Object(JSON.parse(text)) as { maxAge?: unknown });
  if (typeof maxAge === 'number' || maxAge === null) data['cookie'] = JSON.stringify({ maxAge });
  return data;
}
