import cluster from 'node:cluster';
import { setImmediate } from 'node:timers/promises';
import { checkNoOthers } from '../../contract/options.js';
import { checkTimeout } from '../../contract/deadline.js';
import { SessionStoreError } from '../../contract/errors.js';
import {
  checkChange,
  checkGroup,
  checkId,
  checkPage,
  checkRecord,
  checkRotation,
  exceptIds,
} from '../../contract/record.js';
import {
  SessionStore,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from '../../contract/store.js';
import { RemoteSessions } from './channel.js';
import { closeSessions, openSessions } from './registry.js';
import type { ClearReach, Sessions } from './sessions.js';

/** Which sessions a `ClusterStore` shares, and how long it waits for them. */
export interface ClusterStoreOptions {
  /** Stores of one name share their sessions; `sessions` by default. */
  name?: string;
  /** How long a worker waits for the primary, in milliseconds; 2 000 by default. */
  timeout?: number;
}

/**
 * Sessions in the memory of this process, or of the primary when this is a worker of a `node:cluster`: then the
 * primary calls `serveSessions()` before it forks. They end with that process, and in a process that does not
 * serve with its last open store of the name.
 */
export class ClusterStore extends SessionStore {
  private readonly name: string;
  private readonly timeout: number;
  private sessions: Sessions | RemoteSessions | undefined;
  private opening: Promise<void> | undefined;

  constructor({ name = 'sessions', timeout, ...others }: ClusterStoreOptions = {}) {
    super();
    checkNoOthers('ClusterStore', others, 'name and timeout');
    if (typeof name !== 'string') throw new TypeError('name must be a string');
    this.name = name;
    this.timeout = checkTimeout(timeout);
  }

  override open(): Promise<void> {
    this.opening ??= cluster.isPrimary ? this.openHere() : this.openRemotely();
    return this.opening;
  }

  override async close(): Promise<void> {
    const { sessions } = this;
    this.sessions = this.opening = undefined;
    if (sessions instanceof RemoteSessions) sessions.close();
    else if (sessions) closeSessions(this.name);
  }

  async create(record: SessionRecord): Promise<void> {
    checkRecord(record);
    if (await this.opened('create').create(record)) return;
    throw new SessionStoreError(
      'cluster',
      'create',
      'the id is in use by another session: genid must never give one twice',
    );
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    checkId(id);
    return await this.opened('read').read(id);
  }

  async update(
    { id }: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    checkId(id);
    checkChange(change);
    return await this.opened('update').update(id, change);
  }

  async rotate(
    { id }: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    checkRotation(id, presented, secretHash, grace);
    return await this.opened('rotate').rotate(id, presented, secretHash, grace);
  }

  async destroy(id: string): Promise<boolean> {
    checkId(id);
    return await this.opened('destroy').destroy(id);
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    checkPage(options);
    const { group, after, limit } = options;
    const position = after === undefined ? 0 : positionIn(after);
    const { records, next } = await this.opened('page').page(group, position, limit);
    return next === undefined ? { records } : { records, next: String(next) };
  }

  async count(group?: string): Promise<number> {
    if (group !== undefined) checkGroup(group);
    return await this.opened('count').count(group);
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    if (group !== undefined) checkGroup(group);
    const kept = exceptIds(except);
    const sessions = this.opened('clear');
    let ended = 0;
    let reach: ClearReach | undefined;
    do {
      // Others have their turn between two steps.
      if (reach) await setImmediate();
      const step = await sessions.clear(group, kept, reach);
      ended += step.ended;
      reach = step.next;
    } while (reach);
    return ended;
  }

  private async openHere(): Promise<void> {
    this.sessions = openSessions(this.name);
  }

  private async openRemotely(): Promise<void> {
    const sessions = new RemoteSessions(this.name, this.timeout);
    this.sessions = sessions;
    try {
      await sessions.open();
    } catch (error) {
      if (this.sessions === sessions) await this.close();
      throw error;
    }
  }

  private opened(operation: string): Sessions | RemoteSessions {
    if (this.sessions) return this.sessions;
    throw new SessionStoreError('cluster', operation, 'the store is not open: call open() first');
  }
}

/** The position that `page` gave out as `next`. */
function positionIn(after: string): number {
  if (!/^\d{1,15}$/.test(after)) throw new TypeError('after must be the `next` of an earlier page');
  return Number(after);
}
