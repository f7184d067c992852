import { valuesOf, type SessionRecord } from '../../contract/record.js';
import { LONGEST, SLACK, type Envelope } from './envelope.js';
import { problemOf } from './errors.js';
import type { JsonMap } from './map.js';

/** What a bean sees of a session: neither secret nor secret hash. */
export interface ReplicatedSession {
  readonly id: string;
  /** Parsed, as a handler sees it, without the cookie; a value whose text is damaged is left out. */
  readonly data: Readonly<Record<string, any>>;
  readonly groups: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds; 8.64e15 for never. */
  readonly expiresAt: number;
}

/**
 * What a replica map holds of a session: a class, made with `new`, or a function. It must give the same for the same
 * session, and no name that is `expiresAt` or `version`; `undefined` means no entry.
 */
export type SessionBean =
  | (new (session: ReplicatedSession) => object)
  | ((session: ReplicatedSession) => object | undefined);

/** A further map that holds `bean(session)` under the session's id, as JSON with `expiresAt` and `version`. */
export interface ReplicaMap {
  mapName: string;
  bean: SessionBean;
  /**
   * Called when the bean throws; the session is saved and the entry stays as it was. By default the save fails.
   * Write to a log here.
   */
  onBeanError?: ((error: unknown, mapName: string, id: string) => void) | undefined;
}

/** How long the replica of a session that never expires stays without a save: a year. Orphans must go some day. */
const LONG = 365 * 24 * 60 * 60_000;

/** What to do with the entry of one map: put a text, remove it (`undefined`), or leave it (`null`). */
type Projection = string | undefined | null;

/** An envelope, and what each replica map shall hold of it. */
export interface Projected {
  envelope: Envelope;
  projections: Projection[];
}

/**
 * The replica maps of a store. They follow the session: they are written after it and removed after it, and who wrote
 * looks at the session again, so that what is left is of the session's last version. No step is sent before the answer
 * to the one before it: a call that has to be tried again, as its partition moves, may be done after what came behind it.
 */
export class Replicas {
  /** Set by `open`. */
  private maps: JsonMap[] = [];

  constructor(
    private readonly options: ReplicaMap[],
    private readonly keyOf: (id: string) => string,
  ) {
    for (const { mapName, bean, onBeanError } of options) {
      if (typeof bean !== 'function') {
        throw new TypeError(
          `the map ${mapName} needs a bean, a class or a function: only the first has none`,
        );
      }
      if (onBeanError !== undefined && typeof onBeanError !== 'function') {
        throw new TypeError('onBeanError must be a function');
      }
    }
  }

  get areNone(): boolean {
    return this.options.length === 0;
  }

  open(maps: JsonMap[]): void {
    this.maps = maps;
  }

  /** What the maps shall hold of a session; throws when a bean does. */
  project(operation: string, envelope: Envelope): Projected {
    if (this.options.length === 0) return { envelope, projections: [] };
    const session = replicated(envelope.record);
    return { envelope, projections: this.options.map((map) => project(operation, map, session, envelope)) };
  }

  /** What the maps hold now. */
  held(id: string): Promise<(string | undefined)[]> {
    return Promise.all(this.maps.map((map) => map.get(this.keyOf(id))));
  }

  /**
   * Brings the maps to what was projected, and to what the session became meanwhile.
   *
   * @param held what the maps held a moment ago, at best
   * @param current reads the session as it is now; `undefined` when it is gone
   */
  async follow(
    projected: Projected,
    held: (string | undefined)[],
    current: () => Promise<Envelope | undefined>,
  ): Promise<void> {
    if (this.maps.length === 0) return;
    const { id } = projected.envelope.record;
    for (let { envelope, projections } = projected; ; held = await this.held(id)) {
      await Promise.all(
        this.maps.map((map, at) => this.put(map, envelope, projections[at] as Projection, held[at])),
      );
      const now = await current();
      if (!now) return this.remove(id);
      if (now.version <= envelope.version) return;
      envelope = now;
      projections = this.projectOther(now);
    }
  }

  async remove(id: string): Promise<void> {
    await Promise.all(this.maps.map((map) => map.delete(this.keyOf(id))));
  }

  /** The same of what another wrote: whether its beans fail is told to the other. */
  private projectOther(envelope: Envelope): Projection[] {
    try {
      return this.project('', envelope).projections;
    } catch {
      return this.maps.map(() => null);
    }
  }

  private async put(
    map: JsonMap,
    envelope: Envelope,
    projection: Projection,
    held: string | undefined,
  ): Promise<void> {
    if (projection === null) return;
    const key = this.keyOf(envelope.record.id);
    const ttl = ttlOf(envelope.record.expiresAt);
    let found = held;
    while (found === undefined || versionOf(found) <= envelope.version) {
      if (projection === undefined) {
        if (found === undefined || (await map.removeSame(key, found))) return;
      } else if (found === undefined) {
        found = await map.add(key, projection, ttl);
        if (found === undefined) return;
        continue;
      } else if (await map.replace(key, found, projection, ttl)) return;
      found = await map.get(key);
    }
  }
}

/**
 * How long the replica of a session that expires then stays from now on, in milliseconds. It may be shorter than before:
 * who sets it and loses a race looks at the session again, and mends it.
 */
function ttlOf(expiresAt: number): number {
  const left = Math.max(expiresAt - Date.now(), 0) + SLACK;
  return left > LONGEST ? LONG : left;
}

function project(
  operation: string,
  { mapName, bean, onBeanError }: ReplicaMap,
  session: ReplicatedSession,
  { version }: Envelope,
): Projection {
  try {
    const made = isClass(bean) ? new bean(session) : bean(session);
    if (made === undefined) return undefined;
    const plain: unknown = JSON.parse(JSON.stringify(made) ?? 'null');
    if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
      throw new TypeError('a bean must give an object that JSON can hold, or undefined');
    }
    if (Object.hasOwn(plain, 'version') || Object.hasOwn(plain, 'expiresAt')) {
      throw new TypeError("a bean must not have `version` or `expiresAt`: the store's own stand there");
    }
    const { expiresAt } = session;
    return JSON.stringify({ ...plain, expiresAt, version });
  } catch (error) {
    if (!onBeanError) {
      throw problemOf(
        operation,
        `the bean of the map ${mapName} failed, so nothing was saved: its error is the cause`,
        error,
      );
    }
    onBeanError(error, mapName, session.id);
    return null;
  }
}

/** The prototype of a class cannot be replaced, that of a function can. */
function isClass(bean: SessionBean): bean is new (session: ReplicatedSession) => object {
  return Object.getOwnPropertyDescriptor(bean, 'prototype')?.writable === false;
}

function replicated({ id, data, groups, createdAt, expiresAt }: SessionRecord): ReplicatedSession {
  return Object.freeze({ id, data: valuesOf(data), groups: [...groups], createdAt, expiresAt });
}

/** The version of a replica's text; of one that is not ours, lower than all. */
function versionOf(text: string): number {
  try {
    const { version } = JSON.parse(text) as { version?: unknown };
    return typeof version === 'number' ? version : -1;
  } catch {
    return -1;
  }
}
