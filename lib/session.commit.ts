/** What a session's data was when it was loaded or saved. */
export interface Snapshot {
  /** Name → JSON text, as stored. */
  texts: Record<string, string>;
  /** Names that have a text but no property: unreadable or reserved. They stay as they are unless assigned. */
  kept: ReadonlySet<string>;
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

const NOTHING_KEPT: ReadonlySet<string> = new Set();

/** The snapshot of a session that is not stored yet. */
export const NO_SNAPSHOT: Snapshot = {
  texts: Object.create(null) as Record<string, string>,
  kept: NOTHING_KEPT,
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
  let kept: Set<string> | undefined;
  for (const name of Object.keys(texts)) {
    if (RESERVED.has(name)) {
      (kept ??= new Set()).add(name);
      continue;
    }
    try {
      ownProperty(session, name, JSON.parse(texts[name]!));
    } catch {
      (kept ??= new Set()).add(name);
      unreadable(name);
    }
  }
  return { texts, kept: kept ?? NOTHING_KEPT };
}

/**
 * What `session` has that `snapshot` has not, and the other way round; `undefined` when they agree. Each value is
 * serialised once. Throws a `TypeError` that names the property whose value JSON cannot hold.
 */
export function diffData(session: object, snapshot: Snapshot): DataChange | undefined {
  let set: Record<string, string> | undefined;
  let unset: string[] | undefined;
  const { texts, kept } = snapshot;

  for (const name of Object.keys(session)) {
    const value = (session as Record<string, unknown>)[name];
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
  for (const name of Object.keys(texts)) {
    if (!Object.hasOwn(session, name) && !kept.has(name)) (unset ??= []).push(name);
  }
  return set || unset ? { set, unset } : undefined;
}

/** The snapshot after `change` was saved. */
export function advance({ texts, kept }: Snapshot, { set, unset }: DataChange): Snapshot {
  const next = { __proto__: null, ...texts, ...set } as unknown as Record<string, string>;
  for (const name of unset ?? []) delete next[name];
  return {
    texts: next,
    kept: set && kept.size > 0 ? new Set([...kept].filter((name) => !(name in set))) : kept,
  };
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
