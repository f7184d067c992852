/**
 * Which part of a value JSON drops: a function, a symbol, or the content of a `Map` or a `Set`. `undefined` if it drops
 * none.
 */
export function lostIn(value: unknown): string | undefined {
  let lost: string | undefined;
  const note = (key: string, one: unknown): void => {
    const kind = kindOf(one);
    if (kind !== undefined) lost ??= key === '' ? kind : `${kind} at ${JSON.stringify(key)}`;
  };
  try {
    JSON.stringify(value, (key, one: unknown) => {
      note(key, one);
      return lost === undefined ? one : undefined;
    });
  } catch {
    // Saving the value fails with its own error.
  }
  return lost;
}

function kindOf(value: unknown): string | undefined {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (value instanceof Map) return 'a Map';
  return value instanceof Set ? 'a Set' : undefined;
}
