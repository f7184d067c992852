import { isPending, sourceOf } from '../contract/deferred.js';
import { copyData } from '../contract/record.js';
import { newTexts } from '../contract/texts.js';
import type { CookieChange } from '../cookie/live-cookie.js';
import { rejectReserved } from './names.js';

/** A session's data when it was loaded or last saved. */
export interface Snapshot {
  /** Name → serialized value, as stored. */
  texts: Record<string, string>;
  /** The names that became properties, in their order. */
  names: readonly string[];
  /** Their parsed values, in the same order; {@link UNPARSED} for one that was not parsed. */
  values: readonly unknown[];
  /** Names with a serialized value but no property: unreadable or reserved. They stay as they are unless assigned. */
  kept: ReadonlySet<string> | undefined;
}

/** An object whose data may be parsed when it is first read. */
export interface DataHolder {
  /** Parses the stored value of `name`. */
  [PARSE](name: string): unknown;
}

export const PARSE = Symbol('parse');

/** How the data differs from a snapshot. The serialized cookie is data, under the name {@link COOKIE}. */
export interface DataChange {
  set?: Record<string, string>;
  remove?: string[];
}

/** The name of the value that holds the attributes of a session's cookie, and its group name. */
const COOKIE = 'cookie';

/** The serialized cookie in stored data; `undefined` if the cookie has the defaults. */
export function cookieTextIn(data: Record<string, string>): string | undefined {
  return data[COOKIE];
}

/** The stored data of one session, as far as the request knows. */
export class StoredData {
  #snapshot: Snapshot = NO_SNAPSHOT;
  /** The changes that were saved since the snapshot. Applied when it is next read: most requests never read it. */
  #saved: DataChange[] | undefined;

  load(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#saved = undefined;
  }

  /** The data as it was loaded or last saved. */
  get snapshot(): Snapshot {
    for (const change of this.#saved ?? []) this.#snapshot = advance(this.#snapshot, change);
    this.#saved = undefined;
    return this.#snapshot;
  }

  /** Records that a change was stored. */
  saved(change: DataChange): void {
    (this.#saved ??= []).push(change);
  }
}

/**
 * Serialized values of this length or more are parsed when they are first read. Parsing and serializing 64 characters
 * costs five times as much as the accessor that avoids it. For a value that is read, the accessor costs half as much
 * again (`npm run bench -- parse`).
 */
const PARSE_LATER = 64;

/** Stands for a value that was not parsed. */
const UNPARSED = Symbol('unparsed');

/** The snapshot of a session that is not stored yet. */
export const NO_SNAPSHOT: Snapshot = {
  texts: newTexts(),
  names: [],
  values: [],
  kept: undefined,
};

/**
 * Gives `session` one own property per serialized value whose name is not `reserved`. Returns the snapshot. Calls
 * `unreadable` with the name of each value that is not JSON. Values that the store has deferred are read later.
 */
export function loadData(
  session: DataHolder,
  texts: Record<string, string>,
  reserved: ReadonlySet<string>,
  unreadable: (name: string) => void,
): Snapshot {
  const names: string[] = [];
  const values: unknown[] = [];
  let kept: Set<string> | undefined;
  const readLater = (name: string): void => {
    Object.defineProperty(session, name, parseLater(name));
    names.push(name);
    values.push(UNPARSED);
  };
  const defers = sourceOf(texts) !== undefined;
  for (const name of Object.keys(texts)) {
    if (reserved.has(name)) {
      (kept ??= new Set()).add(name);
      continue;
    }
    if (defers && isPending(texts, name)) {
      readLater(name);
      continue;
    }
    const text: unknown = texts[name];
    if (typeof text !== 'string') {
      (kept ??= new Set()).add(name);
      unreadable(name);
    } else if (text.length >= PARSE_LATER) {
      readLater(name);
    } else {
      try {
        const value: unknown = JSON.parse(text);
        ownProperty(session, name, value);
        names.push(name);
        values.push(value);
      } catch {
        (kept ??= new Set()).add(name);
        unreadable(name);
      }
    }
  }
  return { texts, names, values, kept };
}

/**
 * Accessors by name. Objects with the same accessors share a hidden class; without that each costs ten times as much.
 */
const ACCESSORS = new Map<string, PropertyDescriptor>();
const MOST_ACCESSORS = 1000;

/** A property that is parsed when it is first read, and is an ordinary one after that. */
function parseLater(name: string): PropertyDescriptor {
  const shared = ACCESSORS.get(name);
  if (shared) return shared;
  const accessor: PropertyDescriptor = {
    get(this: DataHolder): unknown {
      const value = this[PARSE](name);
      if (value !== undefined) ownProperty(this, name, value);
      return value;
    },
    set(this: DataHolder, value: unknown) {
      ownProperty(this, name, value);
    },
    enumerable: true,
    configurable: true,
  };
  PARSED_LATER.add(accessor.get!);
  if (ACCESSORS.size < MOST_ACCESSORS) ACCESSORS.set(name, accessor);
  return accessor;
}

const PARSED_LATER = new WeakSet<() => unknown>();

/**
 * How `session` differs from `snapshot`, with the change of its cookie; `undefined` if it does not. Each value is
 * serialized once. Throws a `TypeError` that names the property if its value cannot be serialized, or its name is
 * `reserved`.
 */
export function diffData(
  session: object,
  snapshot: Snapshot,
  reserved: ReadonlySet<string>,
  cookie?: CookieChange,
): DataChange | undefined {
  const { texts, names, values } = snapshot;
  let set: Record<string, string> | undefined;
  let remove: string[] | undefined;
  /** How many of the snapshot's names were found, in its order. */
  let met = 0;

  for (const name of Object.keys(session)) {
    if (name === COOKIE) continue;
    const known = name === names[met] ? values[met++] : UNPARSED;
    if (known === UNPARSED && isUnparsed(session, name)) continue;
    const value = (session as Record<string, unknown>)[name];
    // A primitive cannot change inside, so a comparison is enough.
    if (value === known && (typeof value !== 'object' || value === null) && value !== undefined) continue;
    if (reserved.has(name)) {
      rejectReserved(name, value);
      continue;
    }
    const text = serialise(name, value);
    if (text === undefined) {
      if (Object.hasOwn(texts, name)) (remove ??= []).push(name);
    } else if (texts[name] !== text) {
      (set ??= newTexts())[name] = text;
    }
  }
  if (met < names.length) {
    for (const name of names) if (!Object.hasOwn(session, name)) (remove ??= []).push(name);
  }
  if (cookie?.stored !== undefined) (set ??= newTexts())[COOKIE] = cookie.stored;
  else if (cookie) (remove ??= []).push(COOKIE);
  return set || remove ? { set, remove } : undefined;
}

/** Whether one property of `session` differs from `snapshot`. */
export function isPropertyUnsaved(
  session: object,
  { texts, names, values, kept }: Snapshot,
  name: string,
): boolean {
  if (!Object.hasOwn(session, name)) return Object.hasOwn(texts, name) && !kept?.has(name);
  if (isUnparsed(session, name)) return false;
  const value = (session as Record<string, unknown>)[name];
  const isPrimitive = typeof value !== 'object' || value === null;
  if (isPrimitive && value !== undefined && value === values[names.indexOf(name)]) return false;
  return serialise(name, value) !== (Object.hasOwn(texts, name) ? texts[name] : undefined);
}

/** Whether a change affects the app's properties, and not only the cookie. */
export function changesProperties({ set = {}, remove = [] }: DataChange): boolean {
  return remove.some((name) => name !== COOKIE) || Object.keys(set).some((name) => name !== COOKIE);
}

function isUnparsed(session: object, name: string): boolean {
  const get = Object.getOwnPropertyDescriptor(session, name)?.get;
  return get !== undefined && PARSED_LATER.has(get);
}

/** The snapshot after a change was saved. */
export function advance({ texts, kept }: Snapshot, { set, remove }: DataChange): Snapshot {
  const next = copyData(texts, set);
  for (const name of remove ?? []) delete next[name];
  const isProperty = (name: string): boolean =>
    name !== COOKIE && (!kept?.has(name) || (set !== undefined && name in set));
  const names = Object.keys(next).filter(isProperty);
  return { texts: next, names, values: names.map(() => UNPARSED), kept };
}

/**
 * The serialized value of one property; `undefined` for a value that JSON leaves out (`undefined`, a function or a
 * symbol).
 */
export function serialise(name: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new TypeError(
      `session[${JSON.stringify(name)}] cannot be saved: its value cannot be serialized as JSON (a BigInt, a cycle, or a toJSON that throws). Store a plain value`,
      { cause },
    );
  }
}

/** Sets an own property, even if the prototype has a member with this name. */
export function ownProperty(session: object, name: string, value: unknown): void {
  if (name in session) {
    Object.defineProperty(session, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (session as Record<string, unknown>)[name] = value;
  }
}
