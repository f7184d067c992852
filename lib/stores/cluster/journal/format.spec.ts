import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADER_BYTES, Lines, decodeEntry, decodeHeader, encodeEntry, encodeHeader } from './format.js';

/** A line without its line feed. */
const bytesOf = (line: string) => Buffer.from(line).subarray(0, -1);

function withFlippedBit(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

describe('the first line of a journal', () => {
  const header = { first: 12, acknowledged: 9_007_199_254_740_991 };

  it('is read as it was written, and has always the same length', () => {
    for (const some of [header, { first: 1, acknowledged: 0 }]) {
      const line = Buffer.from(encodeHeader(some));
      expect(line.length).toBe(HEADER_BYTES);
      expect(decodeHeader(line)).toEqual(some);
    }
  });

  it('is damaged if any bit is flipped, or if a part is missing', () => {
    const line = Buffer.from(encodeHeader(header));
    for (let bit = 0; bit < line.length * 8; bit++)
      expect(decodeHeader(withFlippedBit(line, bit)), `bit ${bit}`).toBeUndefined();
    for (let length = 0; length < line.length; length++)
      expect(decodeHeader(line.subarray(0, length)), `${length} bytes`).toBeUndefined();
  });

  it('says which other version of the package wrote it', () => {
    const text = 'nestjs-session-stores/journal/2 and more';
    const line = `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
    expect(decodeHeader(Buffer.from(line))).toEqual({ version: '2' });
  });
});

describe('an entry of a journal', () => {
  it('is read as it was written', () => {
    for (const entry of [['drop', 'sessions', 'a\nb'], ['ü', '\u2028', '"\\'], null]) {
      expect(decodeEntry(bytesOf(encodeEntry(7, entry)), 7)).toEqual(entry);
    }
  });

  it('is a line, whatever is in it', () => {
    expect(encodeEntry(7, ['a\nb\r\n']).indexOf('\n')).toBe(encodeEntry(7, ['a\nb\r\n']).length - 1);
  });

  it('is not read in the place of another', () => {
    const line = bytesOf(encodeEntry(12, ['a']));
    for (const expected of [1, 2, 11, 13, 120]) expect(decodeEntry(line, expected)).toBeUndefined();
  });

  it('is damaged if any bit is flipped', () => {
    const line = bytesOf(encodeEntry(7, ['put', 'sessions', { id: 'a', data: ['b', '"c"'] }]));
    for (let bit = 0; bit < line.length * 8; bit++)
      expect(decodeEntry(withFlippedBit(line, bit), 7), `bit ${bit}`).toBeUndefined();
  });

  it('is damaged if it is cut', () => {
    const line = bytesOf(encodeEntry(7, ['a']));
    for (let length = 0; length < line.length; length++)
      expect(decodeEntry(line.subarray(0, length), 7)).toBeUndefined();
  });
});

it('lines are found in pieces of any length, without an incomplete last one', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(fc.string().map((text) => text.replaceAll('\n', ''))), lengths, (texts, some) => {
      const bytes = Buffer.from([...texts, 'incomplete'].join('\n'));
      const lines = new Lines();
      const found: string[] = [];
      for (let from = 0, turn = 0; from < bytes.length; turn++) {
        const length = some[turn % some.length]!;
        for (const line of lines.of(bytes.subarray(from, from + length))) found.push(line.toString());
        from += length;
      }
      expect(found).toEqual(texts.map((text) => text.toWellFormed()));
    }),
  );
});
