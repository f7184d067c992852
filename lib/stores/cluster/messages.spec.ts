import { describe, expect, it } from 'vitest';
import {
  decodeChange,
  decodeRecord,
  decodeUpdate,
  deliver,
  encodeChange,
  encodeRecord,
  encodeUpdate,
} from './messages.js';

function throughJson(value: unknown) {
  return JSON.parse(JSON.stringify(value));
}

describe('deliver', () => {
  it('sends as few messages as possible, and rejects only an item that fits into none', () => {
    const sent: number[][] = [];
    const rejected: [number, unknown][] = [];
    const tooLong = new RangeError('Invalid string length');
    const send = (items: number[]) => {
      if (items.reduce((sum, item) => sum + item, 0) > 10) throw tooLong;
      sent.push(items);
    };
    deliver([1, 2, 3, 4, 5, 6, 70, 8], send, (item, error) => rejected.push([item, error]));
    expect(sent).toEqual([[1, 2, 3, 4], [5], [6], [8]]);
    expect(rejected).toEqual([[70, tooLong]]);
    deliver([], send, () => expect.unreachable());
    expect(sent.length).toBe(4);
  });
});

describe('a message', () => {
  it('carries a whole record, names like __proto__ included, with each of its groups once', () => {
    const data = JSON.parse('{"__proto__":"1","":"","constructor":"2","a":"\\u0000"}') as Record<
      string,
      string
    >;
    const previous = { hash: 'old', replacedAt: 1, grace: 2 };
    const record = {
      id: 'k',
      secretHash: 'p',
      data,
      groups: ['g', '', 'g'],
      createdAt: 3,
      expiresAt: 8.64e15,
    };
    for (const some of [{}, { previous }, { previous: { ...previous, validUntil: 0 } }]) {
      const decoded = decodeRecord(throughJson(encodeRecord({ ...record, ...some })));
      expect(Object.entries(decoded.data)).toEqual(Object.entries(data));
      expect(Object.getPrototypeOf(decoded.data)).toBe(null);
      expect(decoded).toStrictEqual({ ...record, ...some, data: decoded.data, groups: ['g', ''] });
    }
  });

  it('carries the parts of a change, and nothing else', () => {
    const retirePrevious = { secretHash: 'p', validUntil: 5 };
    const touch = { from: 1, to: 2 };
    for (const change of [
      {},
      { remove: [''], join: [], leave: ['g'] },
      { expiresAt: 0, touch, retirePrevious },
      { add: { name: '', by: -1 } },
      { take: '' },
    ]) {
      const given = { ...change, touch: change.touch && { ...touch, more: 1n }, more: 1n };
      expect(decodeChange(throughJson(encodeChange(given)))).toStrictEqual(change);
    }
    const { set } = decodeChange(throughJson(encodeChange({ set: JSON.parse('{"__proto__":"1"}') })));
    expect(Object.entries(set ?? {})).toEqual([['__proto__', '1']]);
  });

  it('carries what an update resolves to', () => {
    const state = { expiresAt: 1, secretHash: 'p' };
    for (const update of [
      undefined,
      state,
      { ...state, text: '' },
      { ...state, refused: 'not an integer' as const },
    ]) {
      expect(decodeUpdate(throughJson(encodeUpdate(update)))).toStrictEqual(update);
    }
  });
});
