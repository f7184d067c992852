/** Where the texts of one session come from, if they are made when they are first read. */
export interface DeferredTexts {
  /** Makes a text. `undefined` if it cannot be made. */
  text(name: string): string | undefined;
  /** How many bytes of UTF-8 the text has, at little cost. */
  bytes(name: string): number;
  /** How many UTF-16 units the texts have that it keeps to make others from. */
  kept(): number;
  /** Whether the record has its label, its clients and all its groups. Those that could not be made are left out. */
  hasRest(): boolean;
}

const SOURCE = Symbol.for('nestjs-session-stores/deferred-texts');

interface DeferredData {
  [SOURCE]: DeferredTexts;
}

/** Session data without texts yet, whose deferred ones come from `source`. */
export function dataFrom(source: DeferredTexts): Record<string, string> {
  return Object.create(null, { [SOURCE]: { value: source } }) as Record<string, string>;
}

/** Adds a text to `data` that is made when it is first read. `data` comes from `dataFrom`. */
export function deferText(data: Record<string, string>, name: string): void {
  Object.defineProperty(data, name, accessorOf(name));
}

/** Where the deferred texts of session data come from; `undefined` if none of its texts was deferred. */
export function sourceOf(data: object): DeferredTexts | undefined {
  return (data as Partial<DeferredData>)[SOURCE];
}

/** Whether a text is deferred and was not made yet. */
export function isPending(data: object, name: string): boolean {
  return Object.getOwnPropertyDescriptor(data, name)?.get !== undefined;
}

/**
 * How many UTF-16 units a text has; for one that was not made yet, its bytes of UTF-8, which are no fewer. 0 for what is
 * not a text, in a damaged record.
 */
export function lengthIn(data: Readonly<Record<string, string>>, name: string): number {
  const source = sourceOf(data);
  if (source && isPending(data, name)) return source.bytes(name);
  const text: unknown = data[name];
  return typeof text === 'string' ? text.length : 0;
}

/** How many bytes of UTF-8 a text has, without making one that was deferred. */
export function bytesIn(data: Readonly<Record<string, string>>, name: string): number {
  const source = sourceOf(data);
  return source && isPending(data, name) ? source.bytes(name) : Buffer.byteLength(data[name]!);
}

/** Shared by all sessions: ten properties take 2 µs, and 4 with descriptors of their own. */
const ACCESSORS = new Map<string, PropertyDescriptor>();
const MOST_ACCESSORS = 1000;

function accessorOf(name: string): PropertyDescriptor {
  const shared = ACCESSORS.get(name);
  if (shared) return shared;
  const accessor: PropertyDescriptor = {
    get(this: DeferredData): string | undefined {
      const text = this[SOURCE].text(name);
      // Fails on a frozen object, and then the text is made again.
      if (text !== undefined) {
        const property = { value: text, writable: true, enumerable: true, configurable: true };
        Reflect.defineProperty(this, name, property);
      }
      return text;
    },
    enumerable: true,
    configurable: true,
  };
  if (ACCESSORS.size < MOST_ACCESSORS) ACCESSORS.set(name, accessor);
  return accessor;
}

/** A copy of data from `source`, with `more` on top. Texts that were deferred stay so. */
export function copyDeferred(
  data: Readonly<Record<string, string>>,
  source: DeferredTexts,
  more: Record<string, string>,
): Record<string, string> {
  const copy = dataFrom(source);
  for (const name of Object.keys(data)) {
    if (Object.hasOwn(more, name)) copy[name] = more[name] as string;
    else if (isPending(data, name)) deferText(copy, name);
    else copy[name] = data[name] as string;
  }
  for (const name of Object.keys(more)) copy[name] = more[name] as string;
  return copy;
}
