import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { namedKey } from './keys.js';
import { bytesInside, SealedTexts, type TextPlace } from './texts.js';

const [one, other] = [namedKey('one', randomBytes(32)), namedKey('other', randomBytes(32))];
const texts = new SealedTexts([one]);
const user: TextPlace = { is: 'property', name: 'user' };

describe('a sealed text', () => {
  it.each(['', '"ada"', '"é😀"', '{"a":[1,2]}', 'x'.repeat(100_000), '~'])(
    'opens as what it was: %.20s',
    (text) => {
      const sealed = texts.seal('id', user, text);
      expect(texts.open('id', user, sealed)).toEqual({ text });
      expect(bytesInside(sealed)).toBe(Buffer.byteLength(text));
      expect(sealed.startsWith(`~${one.id}`)).toBe(true);
    },
  );

  it('is another one each time', () => {
    expect(texts.seal('id', user, '1')).not.toBe(texts.seal('id', user, '1'));
  });

  it.each<[what: string, session: string, place: TextPlace]>([
    ['another session', 'other', user],
    ['a session whose id is longer by the start of the name', 'idu', { is: 'property', name: 'ser' }],
    ['another property', 'id', { is: 'property', name: 'admin' }],
    ['the label', 'id', { is: 'label' }],
    ['the first client', 'id', { is: 'first client' }],
    ['the last client', 'id', { is: 'last client' }],
  ])('does not open as that of %s', (_, session, place) => {
    const sealed = texts.seal('id', user, '"ada"');
    expect(texts.open(session, place, sealed)).toEqual({ problem: 'damaged', keyId: one.id });
  });

  it('of a last client opens as that of the first one, and not the reverse', () => {
    const [first, last] = [
      texts.seal('id', { is: 'first client' }, '{}'),
      texts.seal('id', { is: 'last client' }, '{}'),
    ];
    expect(texts.open('id', { is: 'first client' }, last)).toEqual({ text: '{}' });
    expect(texts.open('id', { is: 'last client' }, first)).toEqual({ problem: 'damaged', keyId: one.id });
    expect(texts.open('other', { is: 'first client' }, last)).toEqual({ problem: 'damaged', keyId: one.id });
  });

  it('does not open with one bit changed, anywhere', () => {
    const sealed = texts.seal('id', user, '"ada"');
    const bytes = Buffer.from(sealed.slice(9), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const outcome = texts.open('id', user, sealed.slice(0, 9) + changed.toString('base64url'));
      expect(outcome, `bit ${bit}`).toEqual({ problem: 'damaged', keyId: one.id });
    }
  });

  it('does not open when it is cut', () => {
    const sealed = texts.seal('id', user, '"ada"');
    for (let length = 1; length < sealed.length; length++) {
      expect(texts.open('id', user, sealed.slice(0, length)), `${length} characters`).toHaveProperty(
        'problem',
      );
    }
  });

  it('opens with an old key, and not without it', () => {
    const sealed = texts.seal('id', user, '1');
    expect(new SealedTexts([other, one]).open('id', user, sealed)).toEqual({ text: '1' });
    expect(new SealedTexts([other]).open('id', user, sealed)).toEqual({
      problem: 'unknown key',
      keyId: one.id,
    });
  });

  it('is sealed with the first key', () => {
    const sealed = new SealedTexts([other, one]).seal('id', user, '1');
    expect(sealed.startsWith(`~${other.id}`)).toBe(true);
  });
});

describe('a plain text', () => {
  it('is not sealed', () => {
    expect(texts.open('id', user, '"ada"')).toEqual({ problem: 'not sealed', keyId: undefined });
  });

  it('is not sealed as a label that begins as a sealed text does', () => {
    expect(texts.open('id', { is: 'label' }, '~ home ~')).toMatchObject({ problem: 'not sealed' });
  });
});
