import { valuesOf, type SessionRecord } from '../../contract/record.js';
import { isSealedGroup, isSealedText } from '../../contract/sealed.js';
import { LONGEST, SLACK, type Envelope } from './envelope.js';
import { problemOf } from './errors.js';
import type { JsonMap } from './map.js';

/** A session as a bean gets it, without the secret hash. */
export interface ReplicatedSession {
  readonly id: string;
  /** The parsed data, as a handler sees it, without the cookie. A value that is not valid JSON is left out. */
  readonly data: Readonly<Record<string, any>>;
  readonly groups: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds; 8.64e15 if the session never expires. */
  readonly expiresAt: number;
}

/**
 * Makes the entry of a replica map: a class, called with `new`, or a function. It must return the same for the same
 * session, without the names `expiresAt` and `version`. A function that returns `undefined` makes no entry.
 */
export type SessionBean =
  | (new (session: ReplicatedSession) => object)
  | ((session: ReplicatedSession) => object | undefined);

/** A map that holds `bean(session)` under the session's id, as JSON with `expiresAt` and `version`. */
export interface ReplicaMap {
  mapName: string;
  bean: SessionBean;
  /**
   * Called if the bean throws. The session is saved, and the entry stays as it was. Log the error here. Default: the
   * save fails.
   */
  onBeanError?: ((error: unknown, mapName: string, id: string) => void) | undefined;
}

/** How long the replica of a session that never expires lives without a save: a year, so that orphans are removed. */
const LONG = 365 * 24 * 60 * 60_000;

/** What to do with the entry of one map: write a text, remove it (`undefined`), or leave it (`null`). */
type Projection = string | undefined | null;

/** An envelope, and its projection for each replica map. */
export interface Projected {
  envelope: Envelope;
  projections: Projection[];
}

/**
 * The replica maps of a store. They follow the session: they are written after it and removed after it. Each writer
 * checks the session again, so that the last version remains. A step is sent only after the response to the one before
 * it, because a call that is retried while its partition moves may run after later calls.
 */
export class Replicas {
  /** Set by `open`. */
  private maps: JsonMap[] = [];

  constructor(
    private readonly options: ReplicaMap[],
    private readonly keyOf: (id: string) => string,
    private readonly now: () => number,
  ) {
    for (const { mapName, bean, onBeanError } of options) {
      if (typeof bean !== 'function') {
        throw new TypeError(
          `the map ${mapName} needs a bean: write a class or a function. Only the first map needs none`,
        );
      }
      if (onBeanError !== undefined && typeof onBeanError !== 'function') {
        throw new TypeError(
          'onBeanError must be a function: write (error, mapName, id) => logger.error(error)',
        );
      }
    }
  }

  get areNone(): boolean {
    return this.options.length === 0;
  }

  open(maps: JsonMap[]): void {
    this.maps = maps;
  }

  /** What the maps must hold of a session. Throws if a bean throws. */
  project(operation: string, envelope: Envelope): Projected {
    if (this.options.length === 0) return { envelope, projections: [] };
    const session = replicated(envelope.record);
    return { envelope, projections: this.options.map((map) => project(operation, map, session, envelope)) };
  }

  /** The entries of the maps. */
  held(id: string): Promise<(string | undefined)[]> {
    return Promise.all(this.maps.map((map) => map.get(this.keyOf(id))));
  }

  /**
   * Writes the projections to the maps, and those of later versions of the session.
   *
   * @param held the entries of the maps as they were last read
   * @param current reads the session; `undefined` if it is gone
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

  /** The projections of a version that another call wrote. That call gets the errors of its beans. */
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
    const ttl = ttlOf(envelope.record.expiresAt - this.now());
    for (let found = held; found === undefined || versionOf(found) <= envelope.version;) {
      if (projection === undefined) {
        if (found === undefined || (await map.removeSame(key, found))) return;
      } else if (found === undefined) {
        found = await map.add(key, projection, ttl);
        if (found === undefined) return;
        continue;
      } else if (await map.replace(key, found, projection, ttl)) return;

      const now = await map.get(key);
      if (now === found) {
        // A client that parses values returned an entry of another program, whose text is not known.
        await (projection === undefined ? map.delete(key) : map.set(key, projection, ttl));
        return;
      }
      found = now;
    }
  }
}

/**
 * How long the replica of a session lives from now on, in milliseconds. It may be shorter than before: a writer that
 * loses a race checks the session again and repairs it.
 */
function ttlOf(remaining: number): number {
  const left = Math.max(remaining, 0) + SLACK;
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
    const text = JSON.stringify(made) ?? 'null';
    const plain: unknown = JSON.parse(text);
    if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
      throw new TypeError(
        'a bean must be an object that can be serialized as JSON: return one, or undefined for no entry',
      );
    }
    if (Object.hasOwn(plain, 'version') || Object.hasOwn(plain, 'expiresAt')) {
      throw new TypeError(
        'a bean must not have `version` or `expiresAt`, which the store sets: choose other names',
      );
    }
    // The bean's own text, because `JSON.parse` of Node 24 and 26 confuses some names.
    const own = text === '{}' ? '' : `${text.slice(1, -1)},`;
    return `{${own}"expiresAt":${session.expiresAt},"version":${version}}`;
  } catch (error) {
    if (!onBeanError) {
      throw problemOf(
        operation,
        `the bean of the map ${mapName} failed, so nothing was saved. Its error is the cause`,
        error,
      );
    }
    try {
      onBeanError(error, mapName, session.id);
    } catch (thrown) {
      const problem = `onBeanError of the map ${mapName} failed, so nothing was saved. Its error is the cause`;
      throw problemOf(operation, problem, thrown);
    }
    return null;
  }
}

/** Whether a bean is a class: its `prototype` is not writable, unlike that of a function. */
function isClass(bean: SessionBean): bean is new (session: ReplicatedSession) => object {
  return Object.getOwnPropertyDescriptor(bean, 'prototype')?.writable === false;
}

function replicated({ id, data, groups, createdAt, expiresAt }: SessionRecord): ReplicatedSession {
  const values = valuesOf(data);
  for (const name of Object.keys(data)) {
    const text: unknown = data[name];
    if (name === 'cookie' || typeof text !== 'string' || !isSealedText(text)) continue;
    refuse(
      values,
      name,
      `the value of ${JSON.stringify(name)} is sealed, and a bean cannot read it. List the sealed properties in encrypt.only, without this one, or leave it out of the bean`,
    );
  }
  const session = { id, data: values, groups: [...groups], createdAt, expiresAt };
  if (groups.some(isSealedGroup)) {
    refuse(
      session,
      'groups',
      'the names of groups are sealed, and a bean cannot read them. Leave out encrypt.groups, or leave them out of the bean',
    );
  }
  return Object.freeze(session);
}

/** Makes reading a property throw: without it, a bean would silently write an incomplete entry. */
function refuse(values: object, name: string, problem: string): void {
  const get = (): never => {
    throw new TypeError(problem);
  };
  Object.defineProperty(values, name, { get, enumerable: true });
}

/** The version of a replica. For a text that is not ours, a version lower than all others. */
function versionOf(text: string): number {
  try {
    const { version } = JSON.parse(text) as { version?: unknown };
    return typeof version === 'number' ? version : -1;
  } catch {
    return -1;
  }
}

/** The names of the maps: that of the sessions, and those of the replicas. Throws if they cannot be used. */
export function namesOf(maps: { mapName: string }[]): string[] {
  if (!Array.isArray(maps) || maps.length === 0) {
    throw new TypeError('maps must be a list: write [{ mapName }, { mapName, bean }, …]');
  }
  const names = maps.map(({ mapName }) => mapName);
  for (const name of names) {
    if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
      throw new TypeError(
        "mapName must be a well-formed string that is not empty: write one such as 'Sessions'",
      );
    }
  }
  if (new Set(names).size < names.length)
    throw new TypeError('maps must have different names: give each a mapName of its own');
  if ('bean' in (maps[0] as object))
    throw new TypeError('the first of the maps holds the sessions and must have no bean: leave it out');
  return names;
}
