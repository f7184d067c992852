import type { Send } from './connection.js';
import { EVENTS } from './events.js';
import { positionOf, type Position } from './positions.js';

/**
 * Reads return the newest data of the primary, which has every acknowledged write. `majority` returns what the primary
 * knows to be acknowledged: with links of 100 ms between the members, a primary that had just been elected showed 24 of
 * 60 sessions whose destruction had been acknowledged, for up to 1.5 s (test/mongo/failover.spec.ts). `linearizable`
 * takes a write per read, and no standalone server has it.
 */
const READ = { readConcern: { level: 'local' } };

/**
 * An acknowledged write survives a failover and a crash. `j`, because a set may be configured to acknowledge earlier.
 */
const WRITE = { writeConcern: { w: 'majority', j: true } };

/**
 * A read that reflects all writes that were acknowledged before it. The primary writes a no-op to the oplog, and responds
 * once a majority has it. A primary that has been replaced cannot do that, even if it does not know yet.
 */
const LINEARIZABLE = { readConcern: { level: 'linearizable' } };

/** How many events a response has at most. */
const EVENTS_AT_ONCE = 1000;

/** The commands on the collection of the sessions. */
export class Commands {
  constructor(private readonly collection: string) {}

  /** How many documents match. */
  async count(send: Send, match: object, options?: { hint: string }): Promise<number> {
    const { cursor } = (await send({
      aggregate: this.collection,
      pipeline: [{ $match: match }, { $count: 'count' }],
      cursor: {},
      ...options,
      ...READ,
    })) as { cursor: { firstBatch: { count: number }[] } };
    return cursor.firstBatch[0]?.count ?? 0;
  }

  /** Finds up to `limit` documents. `isCut` if not all of them fit into one response. */
  async findSome<T>(
    send: Send,
    query: { limit: number; [part: string]: unknown },
  ): Promise<{ found: T[]; isCut: boolean }> {
    const { cursor } = (await send({
      find: this.collection,
      ...query,
      // The cursor stays open only if not all of them fit into one response.
      batchSize: query.limit + 1,
      ...READ,
    })) as { cursor: { id: unknown; firstBatch: T[] } };
    const isCut = Number(cursor.id) !== 0;
    if (isCut) await send(this.kill(cursorIdOf(cursor.id)));
    return { found: cursor.firstBatch, isCut };
  }

  /** Finds documents that certainly fit into one response. */
  async findAll<T>(send: Send, query: Record<string, unknown>): Promise<T[]> {
    const { limit } = query as { limit: number };
    const response = await send({
      find: this.collection,
      ...query,
      batchSize: limit,
      singleBatch: true,
      ...READ,
    });
    return (response as { cursor: { firstBatch: T[] } }).cursor.firstBatch;
  }

  /**
   * Updates or replaces a document. Resolves to the new document, or, with `new: false`, to the old one; to `undefined`
   * if none matched.
   */
  async findAndModify<T>(send: Send, command: Record<string, unknown>): Promise<T | undefined> {
    const { value } = await send({
      findAndModify: this.collection,
      new: true,
      ...command,
      ...WRITE,
    });
    return (value as T | null) ?? undefined;
  }

  /** Changes documents. Resolves to how many, once the majority has acknowledged this and all earlier writes. */
  async updateAll(send: Send, q: Record<string, unknown>, u: Record<string, unknown>[]): Promise<number> {
    const { n } = await send({ update: this.collection, updates: [{ q, u, multi: true }], ...WRITE });
    return Number(n);
  }

  /**
   * Resolves to the timestamp of a write that a majority has. From there on the oplog is the same on all members, also after
   * a rollback. A change stream starts there, or it could start after writes that its member has alone.
   */
  async committed(send: Send): Promise<unknown> {
    const { lastWrite } = (await send({ hello: 1 })) as { lastWrite: { majorityOpTime: { ts: unknown } } };
    return lastWrite.majorityOpTime.ts;
  }

  /**
   * Resolves to a position of the oplog after everything that was acknowledged before the call: that of the no-op, or a
   * later one.
   */
  async latest(send: Send): Promise<Position> {
    const { operationTime } = await send({
      find: this.collection,
      // No session has this id.
      filter: { _id: '' },
      limit: 1,
      singleBatch: true,
      ...LINEARIZABLE,
    });
    return positionOf(operationTime);
  }

  /** Opens a change stream: its cursor returns the events from a timestamp on. */
  changes(start: unknown): Record<string, unknown> {
    return {
      aggregate: this.collection,
      pipeline: [{ $changeStream: { startAtOperationTime: start } }, ...EVENTS],
      // Without events the response does not wait.
      cursor: { batchSize: 0 },
      readConcern: { level: 'majority' },
    };
  }

  /** Reads a cursor of `changes`. The server waits for events, for `wait` milliseconds. */
  more(cursor: bigint, wait: number): Record<string, unknown> {
    return { getMore: cursor, collection: this.collection, batchSize: EVENTS_AT_ONCE, maxTimeMS: wait };
  }

  kill(cursor: bigint): Record<string, unknown> {
    return { killCursors: this.collection, cursors: [cursor] };
  }
}

/** The id of a cursor. The driver returns a small one as a number, which it would not send as the `long` that it is. */
export function cursorIdOf(id: unknown): bigint {
  return BigInt(String(id));
}
