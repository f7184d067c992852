import { SessionTooLargeError } from '../contract/errors.js';

/** What a session's data was when it was loaded or saved. */
export interface Snapshot {
  /** Name → JSON text, as stored. */
  texts: Record<string, string>;
  /** The names that became properties, in that order. */
  names: readonly string[];
  /** What their texts were parsed to, {@link UNPARSED} for those that were not. */
  values: readonly unknown[];
  /** Names that have a text but no property: unreadable or reserved. They stay as they are unless assigned. */
  kept: ReadonlySet<string> | undefined;
}

/** An object that can hold data whose text is parsed when it is first read. */
export interface DataHolder {
  /** The value of the stored text of `name`. */
  [PARSE](name: string): unknown;
}

export const PARSE = Symbol('parse');

/** What became of the data since a snapshot. */
export interface DataChange {
  set?: Record<string, string>;
  remove?: string[];
}

/**
 * The names that belong to a session object itself, as in express-session: never data. `cookie` is stored
 * under its own name, by `LiveCookie`.
 */
const RESERVED = new Set([
  'cookie',
  'destroy',
  'id',
  'regenerate',
  'reload',
  'req',
  'resetMaxAge',
  'save',
  'touch',
]);

/**
 * The length of a text from which it is parsed only when somebody looks. Parsing and serialising 64 characters cost five
 * times the accessor that spares them, and the accessor half as much again for a value that is read
 * (`npm run bench -- parse`).
 */
const PARSE_LATER = 64;

/** Stands for the value of a text that nobody looked at. */
const UNPARSED = Symbol('unparsed');

/** The snapshot of a session that is not stored yet. */
export const NO_SNAPSHOT: Snapshot = {
  texts: Object.create(null) as Record<string, string>,
  names: [],
  values: [],
  kept: undefined,
};

/**
 * Gives `session` one own property per text and returns the snapshot they were made from. `unreadable` is told
 * the names whose text is not JSON.
 */
export function loadData(
  session: DataHolder,
  texts: Record<string, string>,
  unreadable: (name: string) => void,
): Snapshot {
  const names: string[] = [];
  const values: unknown[] = [];
  let kept: Set<string> | undefined;
  for (const name of Object.keys(texts)) {
    const text: unknown = texts[name];
    if (RESERVED.has(name)) {
      (kept ??= new Set()).add(name);
    } else if (typeof text !== 'string') {
      (kept ??= new Set()).add(name);
      unreadable(name);
    } else if (text.length >= PARSE_LATER) {
      Object.defineProperty(session, name, parseLater(name));
      names.push(name);
      values.push(UNPARSED);
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

/** Accessors by name: objects that share them share their shape, without which each costs ten times as much. */
const ACCESSORS = new Map<string, PropertyDescriptor>();
const MOST_ACCESSORS = 1000;

/** A property that is parsed when it is first read, and an ordinary one from then on. */
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
 * What `session` has that `snapshot` has not, and the other way round; `undefined` when they agree. Each value is
 * serialised once. Throws a `TypeError` that names the property whose value JSON cannot hold.
 */
export function diffData(session: object, snapshot: Snapshot): DataChange | undefined {
  const { texts, names, values } = snapshot;
  let set: Record<string, string> | undefined;
  let remove: string[] | undefined;
  /** How many of the snapshot's names were met, in its order. */
  let met = 0;

  for (const name of Object.keys(session)) {
    if (name === 'cookie') continue;
    const known = name === names[met] ? values[met++] : UNPARSED;
    if (known === UNPARSED && isUnparsed(session, name)) continue;
    const value = (session as Record<string, unknown>)[name];
    // A glance is enough for what cannot change inside.
    if (value === known && (typeof value !== 'object' || value === null) && value !== undefined) continue;
    if (RESERVED.has(name)) {
      refuseReserved(name, value);
      continue;
    }
    const text = serialise(name, value);
    if (text === undefined) {
      if (Object.hasOwn(texts, name)) (remove ??= []).push(name);
    } else if (texts[name] !== text) {
      (set ??= Object.create(null) as Record<string, string>)[name] = text;
    }
  }
  if (met < names.length) {
    for (const name of names) if (!Object.hasOwn(session, name)) (remove ??= []).push(name);
  }
  return set || remove ? { set, remove } : undefined;
}

function isUnparsed(session: object, name: string): boolean {
  const get = Object.getOwnPropertyDescriptor(session, name)?.get;
  return get !== undefined && PARSED_LATER.has(get);
}

/** The snapshot after `change` was saved. */
export function advance({ texts, kept }: Snapshot, { set, remove }: DataChange): Snapshot {
  const next = { __proto__: null, ...texts, ...set } as unknown as Record<string, string>;
  for (const name of remove ?? []) delete next[name];
  const names = Object.keys(next).filter((name) => !kept?.has(name) || (set !== undefined && name in set));
  return { texts: next, names, values: names.map(() => UNPARSED), kept };
}

/**
 * Throws a `SessionTooLargeError` when `set` makes data of more than `maxSize` bytes. What was too large before may
 * become smaller.
 */
export function checkSize(
  texts: Record<string, string>,
  { set, remove = [] }: DataChange,
  maxSize: number,
): void {
  if (!set) return;
  const next = { __proto__: null, ...texts, ...set } as unknown as Record<string, string>;
  for (const name of remove) delete next[name];
  // No character takes more than three bytes, so most sessions need no counting.
  if (charactersOf(next) * 3 <= maxSize) return;
  const size = bytesOf(next);
  if (size <= maxSize || size <= bytesOf(texts)) return;
  const largest = Object.keys(next).reduce((a, b) => (next[a]!.length >= next[b]!.length ? a : b));
  throw new SessionTooLargeError(size, maxSize, largest);
}

function charactersOf(texts: Record<string, string>): number {
  let sum = 0;
  for (const name of Object.keys(texts)) sum += name.length + texts[name]!.length;
  return sum;
}

function bytesOf(texts: Record<string, string>): number {
  let sum = 0;
  for (const name of Object.keys(texts)) sum += Buffer.byteLength(name) + Buffer.byteLength(texts[name]!);
  return sum;
}

/** The JSON text of one property; `undefined` for what JSON leaves out (`undefined`, functions, symbols). */
export function serialise(name: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new TypeError(
      `session[${JSON.stringify(name)}] cannot be saved: JSON cannot hold it (a BigInt, a cycle, or a toJSON that throws). Store a plain value there.`,
      { cause },
    );
  }
}

/** The own property that a data name becomes, whatever the prototype has under that name. */
export function ownProperty(session: object, name: string, value: unknown): void {
  if (name in session) {
    Object.defineProperty(session, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (session as Record<string, unknown>)[name] = value;
  }
}

/** Libraries replace the methods on an object, which is theirs to do; data under such a name would be lost silently. */
function refuseReserved(name: string, value: unknown): void {
  if (typeof value === 'function' || value === undefined) return;
  throw new TypeError(`session.${name} is reserved and cannot hold data: choose another name`);
}
