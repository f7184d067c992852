import type { Deadline } from '../../contract/deadline.js';
import { isStoreError } from '../../contract/errors.js';
import { EXAMINE, type Finding, type SessionExamination } from '../../contract/examination.js';
import { checkNoOthers, checkOptionsObject, checkPrefix } from '../../contract/option-checks.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../../contract/record.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import { SessionStore } from '../../contract/store.js';
import { newTexts } from '../../contract/texts.js';
import { SessionWriteQueue } from '../shared/write-queue.js';
import { Clearing } from './clearing.js';
import { HazelcastConnection, type HazelcastConnectionOptions } from './connection.js';
import { Endings } from './endings.js';
import { Envelopes, isLive } from './envelope.js';
import { failed } from './errors.js';
import { examineHazelcast } from './examination.js';
import { openFeed } from './feed.js';
import { SessionLists } from './lists.js';
import { Maps } from './maps.js';
import { readPortion } from './portions.js';
import { Repairs } from './repair.js';
import { Replicas, namesOf, type ReplicaMap } from './replica.js';
import { tombstoneIn } from './tombstone.js';
import { Writing, type Hint } from './writing.js';

/** The options of a `HazelcastStore`. */
export interface HazelcastStoreOptions extends HazelcastConnectionOptions {
  /**
   * The map of the sessions, then any number of replica maps; default `[{ mapName: 'Sessions' }]`. A create, save or
   * touch takes one round trip, or three with replica maps. A destroy or regenerate takes one, or two with replica maps.
   * A read takes one.
   *
   * Members replace an entry and set its lifetime in two steps. After a crash between them, or while a partition moves,
   * the entry has the default lifetime of its map. So set a `time-to-live-seconds` above the longest session: a shorter
   * one ends sessions early, and without one such entries stay forever, although their sessions expire to the
   * millisecond. Do not set `max-idle-seconds`.
   */
  maps?: [{ mapName: string }, ...ReplicaMap[]] | undefined;
  /**
   * The start of all keys, before a `/`; default: none, and no `/`. `%` and `/` in it are written as `%25` and `%2F`,
   * so that no store reaches the sessions of another. Stores with the same prefix share their sessions.
   */
  prefix?: string | undefined;
  /** How long a call waits for the members, in milliseconds; default 2 000. */
  timeout?: number | undefined;
}

/** What to write instead of the options of the client and of hazelcast-store. */
const ADVICE = {
  clusterName: 'Write config: { clusterName }',
  network: 'Write config: { network }',
  clusterMembers: 'Write config: { network: { clusterMembers } }',
  mapName: 'Write maps: [{ mapName }]',
};

/**
 * Sessions in the maps of a Hazelcast cluster. Each session is one entry. A write replaces it only if it is still as it
 * was read.
 */
export class HazelcastStore extends SessionStore {
  readonly #options: HazelcastConnectionOptions;
  readonly #connection: HazelcastConnection;
  private readonly mapNames: string[];
  private readonly maps: Maps;
  private readonly envelopes: Envelopes;
  private readonly lists: SessionLists;
  private readonly replicas: Replicas;
  private readonly endings: Endings;
  private readonly writing: Writing;
  private readonly clearing: Clearing;
  private readonly writes = new SessionWriteQueue({
    send: async (turn) => this.writing.revise(this.maps.begin(turn.operation, turn.deadline), turn),
    // What this process throws itself, such as the error of a bean, it throws before it writes.
    mayBeOfOne: (error) => isStoreError(error) || error instanceof RangeError,
  });

  constructor(options: HazelcastStoreOptions) {
    checkOptionsObject('HazelcastStore', options, 'new HazelcastStore({ config })');
    const {
      maps = [{ mapName: 'Sessions' }],
      prefix = '',
      timeout,
      client,
      config,
      ...others
    } = options ?? {};
    super('hazelcast', timeout);
    checkNoOthers('HazelcastStore', others, 'client, config, maps, prefix, timeout', ADVICE);
    checkPrefix(prefix);
    const [, ...replicas] = maps;
    this.mapNames = namesOf(maps);
    this.#options = { client, config };
    this.#connection = new HazelcastConnection(this.#options, this.mapNames, this.timeout, () =>
      this.maps.memberAdded(),
    );
    this.maps = new Maps(this.#connection, this.mapNames, this.timeout, (operation, work) =>
      this.within(operation, work),
    );
    const envelopes = new Envelopes(prefix);
    const now = () => this.now();
    this.envelopes = envelopes;
    this.lists = new SessionLists(
      envelopes,
      prefix,
      (operation, work) => this.maps.query(operation, work),
      () => this.#connection.areSettled(),
      now,
    );
    this.replicas = new Replicas(replicas, (id) => envelopes.keyOf(id), now);
    const repairs = new Repairs(envelopes, this.replicas, this.timeout, now);
    this.endings = new Endings(envelopes, this.replicas, repairs, now);
    this.writing = new Writing(
      envelopes,
      this.replicas,
      repairs,
      this.endings,
      (operation, deadline) => this.late(operation, deadline),
      now,
    );
    this.clearing = new Clearing(
      envelopes,
      this.lists,
      this.endings,
      async (work) => this.within('clear', (deadline) => work(this.maps.begin('clear', deadline).sessions)),
      now,
    );
  }

  override get capabilities(): SessionStore['capabilities'] {
    return { secrets: true, createdAt: true, feed: true, exactFeed: false };
  }

  /** The time of this host, corrected to a second if it differs from the members'. */
  override now(): number {
    return this.maps.now();
  }

  protected override get advice(): string {
    return 'Are the members reachable and not overloaded?';
  }

  protected override async connect(): Promise<void> {
    const client = await this.#connection.open();
    await this.within('open', () => this.maps.prepare(client, this.replicas));
  }

  protected override disconnect(): Promise<void> {
    return this.#connection.close();
  }

  protected override async doCreate(record: SessionRecord, deadline: Deadline): Promise<boolean> {
    return this.writing.create(this.maps.begin('create', deadline), record);
  }

  protected override async doRead(id: string, deadline: Deadline): Promise<SessionRecord | undefined> {
    const { sessions } = this.maps.begin('read', deadline);
    const text = await sessions.get(this.envelopes.keyOf(id));
    return text === undefined ? undefined : this.recordOf(id, text);
  }

  protected override doUpdate(
    ref: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): Promise<SessionUpdate | undefined> {
    return this.writes.update(ref, change, deadline);
  }

  protected override doRotate(
    ref: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): Promise<string | undefined> {
    return this.writes.rotate(ref, presented, secretHash, grace, deadline);
  }

  protected override doDestroy(id: string, deadline: Deadline): Promise<boolean> {
    return this.endings.end(this.maps.begin('destroy', deadline).sessions, id);
  }

  protected override async doRegenerate(id: string, deadline: Deadline, hint?: unknown): Promise<boolean> {
    return this.writing.regenerate(this.maps.begin('regenerate', deadline), id, hint);
  }

  protected override async doHaveEnded(ids: string[], deadline: Deadline): Promise<boolean> {
    const { sessions } = this.maps.begin('haveEnded', deadline);
    return (await this.endings.endedOf(sessions, ids)).size > 0;
  }

  protected override async doPage(options: SessionPageOptions, deadline: Deadline): Promise<SessionPage> {
    const { group, after, limit } = options;
    const { found, areLast } = await (group === undefined
      ? this.lists.keysOfAll(after, limit)
      : this.lists.keysOfGroup(group, after, limit));
    const keys = found.map(({ key }) => key);
    const { entries, count } = await readPortion(keys, (some) =>
      this.maps.begin('page', deadline).sessions.getAll(some),
    );
    const records = entries.flatMap(([key, text]) => {
      const record = text !== undefined && this.recordOf(this.envelopes.idOf(key), text);
      // A session may have ended or left the group since it was found.
      return record && (group === undefined || record.groups.includes(group)) ? [record] : [];
    });
    const last = found[count - 1];
    return last === undefined || (areLast && count === found.length)
      ? { records }
      : { records, next: last.next };
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.lists.count(group);
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return this.clearing.clear(group, except);
  }

  protected override async doWatch(sink: SessionFeedSink, deadline: Deadline): Promise<SessionFeedSource> {
    const { sessions } = this.maps.begin('watch', deadline);
    return openFeed(this.#connection.opened, sessions, this.envelopes, sink);
  }

  override [EXAMINE](examination: SessionExamination): AsyncIterable<Finding> {
    const { mapNames, timeout } = this;
    const step = <T>(operation: SessionStoreOperation, work: () => Promise<T>): Promise<T> =>
      this.call(operation, () => this.within(operation, work));
    return examineHazelcast({ options: this.#options, mapNames, timeout, step }, examination);
  }

  protected override failure(operation: SessionStoreOperation, error: unknown): Error {
    return failed(operation, error);
  }

  /**
   * The record in a text; `undefined` if it has expired, or is a tombstone. `createdAt` of a damaged one is `NaN`, so
   * that its reader notices.
   */
  private recordOf(id: string, text: string): SessionRecord | undefined {
    const found = this.envelopes.read(id, text);
    if (!found) {
      if (tombstoneIn(text)) return undefined;
      return { id, secretHash: '', data: newTexts(), groups: [], createdAt: NaN, expiresAt: NaN };
    }
    if (!isLive(found, this.now())) return undefined;
    return { ...found.record, hint: { text } satisfies Hint };
  }
}
