/** What a session's data was when it was loaded or saved. */
export interface Snapshot {
  /** Name → JSON text, as stored. */
  texts: Record<string, string>;
  /** The names that became properties, in that order. */
  names: readonly string[];
  /** What their texts were parsed to: a glance tells that a string or a number is the same still. */
  values: readonly unknown[];
  /** The properties whose text is not parsed before somebody looks, each with its getter. */
  unparsed: ReadonlyMap<string, () => unknown> | undefined;
  /** Names that have a text but no property: unreadable or reserved. They stay as they are unless assigned. */
  kept: ReadonlySet<string> | undefined;
}

/** What became of the data since a snapshot. */
export interface DataChange {
  set?: Record<string, string>;
  unset?: string[];
}

/**
 * The names that belong to a session object itself, as in express-session: never data. `cookie` is stored
 * under its own name, by `SessionCookie`.
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
 * The length of a text from which it is parsed only when somebody looks: from here on parsing and serialising cost more
 * than the accessor that spares them (`npm run bench -- http`, reading).
 */
const PARSE_LATER = 1024;

/** The snapshot of a session that is not stored yet. */
export const NO_SNAPSHOT: Snapshot = {
  texts: Object.create(null) as Record<string, string>,
  names: [],
  values: [],
  unparsed: undefined,
  kept: undefined,
};

/**
 * Gives `session` one own property per text and returns the snapshot they were made from. `unreadable` is told
 * the names whose text is not JSON.
 */
export function loadData(
  session: object,
  texts: Record<string, string>,
  unreadable: (name: string) => void,
): Snapshot {
  const names: string[] = [];
  const values: unknown[] = [];
  let unparsed: Map<string, () => unknown> | undefined;
  let kept: Set<string> | undefined;
  for (const name of Object.keys(texts)) {
    const text = texts[name]!;
    if (RESERVED.has(name)) {
      (kept ??= new Set()).add(name);
    } else if (text.length >= PARSE_LATER) {
      (unparsed ??= new Map()).set(name, parseLater(session, name, text, unreadable));
      names.push(name);
      values.push(undefined);
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
  return { texts, names, values, unparsed, kept };
}

/** Defines a property that is parsed when it is first read, and an ordinary one from then on. */
function parseLater(
  session: object,
  name: string,
  text: string,
  unreadable: (name: string) => void,
): () => unknown {
  const get = (): unknown => {
    try {
      const value: unknown = JSON.parse(text);
      ownProperty(session, name, value);
      return value;
    } catch {
      unreadable(name);
      return undefined;
    }
  };
  const set = (value: unknown): void => ownProperty(session, name, value);
  Object.defineProperty(session, name, { get, set, enumerable: true, configurable: true });
  return get;
}

/**
 * What `session` has that `snapshot` has not, and the other way round; `undefined` when they agree. Each value is
 * serialised once. Throws a `TypeError` that names the property whose value JSON cannot hold.
 */
export function diffData(session: object, snapshot: Snapshot): DataChange | undefined {
  const { texts, names, values, unparsed } = snapshot;
  let set: Record<string, string> | undefined;
  let unset: string[] | undefined;
  /** How many of the snapshot's names were met, in its order. */
  let met = 0;

  for (const name of Object.keys(session)) {
    if (unparsed?.has(name) && isUnparsed(session, name, unparsed.get(name)!)) {
      if (name === names[met]) met++;
      continue;
    }
    const value = (session as Record<string, unknown>)[name];
    if (name === names[met]) {
      const known = values[met++];
      if (value === known && (typeof value !== 'object' || value === null) && value !== undefined) continue;
    }
    if (RESERVED.has(name)) {
      refuseReserved(name, value);
      continue;
    }
    const text = serialise(name, value);
    if (text === undefined) {
      if (Object.hasOwn(texts, name)) (unset ??= []).push(name);
    } else if (texts[name] !== text) {
      (set ??= Object.create(null) as Record<string, string>)[name] = text;
    }
  }
  if (met < names.length) {
    for (const name of names) if (!Object.hasOwn(session, name)) (unset ??= []).push(name);
  }
  return set || unset ? { set, unset } : undefined;
}

function isUnparsed(session: object, name: string, getter: () => unknown): boolean {
  return Object.getOwnPropertyDescriptor(session, name)?.get === getter;
}

/** The snapshot after `change` was saved. */
export function advance({ texts, unparsed, kept }: Snapshot, { set, unset }: DataChange): Snapshot {
  const next = { __proto__: null, ...texts, ...set } as unknown as Record<string, string>;
  for (const name of unset ?? []) delete next[name];
  const names = Object.keys(next).filter((name) => !kept?.has(name) || (set !== undefined && name in set));
  return { texts: next, names, values: [], unparsed, kept };
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
  if (name === 'cookie' || typeof value === 'function' || value === undefined) return;
  throw new TypeError(`session.${name} is reserved and cannot hold data: choose another name`);
}
