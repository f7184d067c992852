import { describe, expect, it } from 'vitest';
import { bytesIn, dataFrom, deferText, isPending, lengthIn } from './deferred.js';
import { copyData, valuesOf } from './record.js';

function deferred(names: string[] = ['a', 'b']): { data: Record<string, string>; made: string[] } {
  const made: string[] = [];
  const data = dataFrom({
    text: (name) => {
      made.push(name);
      return name === 'gone' ? undefined : `"${name}"`;
    },
    bytes: () => 7,
    kept: () => 0,
    hasRest: () => true,
  });
  for (const name of names) deferText(data, name);
  return { data, made };
}

describe('deferred texts', () => {
  it('are made when they are first read, once', () => {
    const { data, made } = deferred();
    expect(Object.keys(data)).toEqual(['a', 'b']);
    expect(made).toEqual([]);
    expect([data['a'], data['a']]).toEqual(['"a"', '"a"']);
    expect(made).toEqual(['a']);
    expect(isPending(data, 'a')).toBe(false);
    expect(isPending(data, 'b')).toBe(true);
  });

  it('stay deferred in a copy, except those that are replaced', () => {
    const { data, made } = deferred();
    const copy = copyData(data, { b: '2', c: '3' });
    expect(made).toEqual([]);
    expect({ ...copy }).toEqual({ a: '"a"', b: '2', c: '3' });
    expect(made).toEqual(['a']);
    expect(isPending(data, 'a')).toBe(true);
  });

  it('have any name', () => {
    const { data } = deferred(['__proto__', '', 'constructor']);
    const copy = copyData(data);
    for (const name of ['__proto__', '', 'constructor']) expect(copy[name]).toBe(`"${name}"`);
    expect(Object.getPrototypeOf(copy)).toBeNull();
  });

  it('are measured without being made', () => {
    const { data, made } = deferred();
    expect(lengthIn(data, 'a')).toBe(7);
    expect(bytesIn(data, 'a')).toBe(7);
    expect(made).toEqual([]);
    void data['a'];
    expect(lengthIn(data, 'a')).toBe(3);
    expect(bytesIn({ a: '"é"' }, 'a')).toBe(4);
  });

  it('are read from a frozen object too', () => {
    const { data, made } = deferred();
    Object.freeze(data);
    expect([data['a'], data['a']]).toEqual(['"a"', '"a"']);
    expect(made).toEqual(['a', 'a']);
  });

  it('that cannot be made are undefined, and no values', () => {
    const { data } = deferred(['a', 'gone']);
    expect(data['gone']).toBeUndefined();
    expect(isPending(data, 'gone')).toBe(true);
    expect({ ...valuesOf(data) }).toEqual({ a: 'a' });
  });
});
