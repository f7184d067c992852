import type { Send } from './connection.js';

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
    if (isCut) await send({ killCursors: this.collection, cursors: [cursor.id] });
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
}
