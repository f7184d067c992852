import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { namedKey } from './keys.js';
import { resolveEncryption } from './options.js';

const bytes = randomBytes(32);

describe('a key of encryption', () => {
  it.each([
    ['a Buffer', bytes],
    ['a Uint8Array', new Uint8Array(bytes)],
    ['a KeyObject', createSecretKey(bytes)],
    ['base64', bytes.toString('base64')],
    ['base64 from a file, with a line break', `${bytes.toString('base64')}\n`],
    ['base64url', bytes.toString('base64url')],
    ['hexadecimal digits', bytes.toString('hex')],
    ['upper-case hexadecimal digits', bytes.toString('hex').toUpperCase()],
  ])('is the same as %s', (_, key) => {
    expect(namedKey('keys', key)).toEqual(namedKey('keys', bytes));
  });

  it.each([
    ['nothing', undefined],
    ['a password', 'correct horse battery staple 123'],
    ['an empty string', ''],
    ['31 bytes', randomBytes(31)],
    ['33 bytes', randomBytes(33)],
    ['16 bytes in hexadecimal digits', randomBytes(16).toString('hex')],
    ['two keys in one string', `${bytes.toString('base64')}\n${bytes.toString('base64')}`],
    ['a number', 42],
    ['an object', { $ne: null }],
    ['a secret of another length', createSecretKey(randomBytes(16))],
  ])('is not %s', (_, key) => {
    expect(() => namedKey('encrypt.keys[0]', key)).toThrow(
      /^encrypt\.keys\[0\] must be 32 random bytes.*openssl rand -base64 32/,
    );
  });

  it('does not change if the caller overwrites its own bytes', () => {
    const own = randomBytes(32);
    const key = namedKey('keys', own);
    own.fill(0);
    expect(key.bytes.equals(own)).toBe(false);
  });
});

describe('the options of encryption', () => {
  it.each<[what: string, options: unknown, message: RegExp]>([
    ['no key', { keys: [] }, /encrypt\.keys must have a key/],
    ['no list and no key', {}, /encrypt\.keys must be 32 random bytes/],
    ['a key twice', { keys: [bytes, bytes.toString('hex')] }, /encrypt\.keys\[1\] is in the list twice/],
    [
      'one key for values and groups',
      { keys: [randomBytes(32), bytes], groups: bytes.toString('base64') },
      /encrypt\.groups must not be one of encrypt\.keys/,
    ],
    ['a short key of groups', { keys: bytes, groups: 'x' }, /encrypt\.groups must be 32 random bytes/],
    ['a name instead of names', { keys: bytes, only: 'user' }, /encrypt\.only must be a list of names/],
    ['a name that is no text', { keys: bytes, only: [1] }, /name must be a well-formed string/],
    ['a word for a flag', { keys: bytes, acceptPlain: 'yes' }, /encrypt\.acceptPlain must be true or false/],
    ['an unknown option', { keys: bytes, key: bytes }, /Unknown encrypt option "key". Write keys/],
    ['a flag for the whole', true, /encrypt takes an object/],
  ])('are rejected with %s', (_, options, message) => {
    expect(() => resolveEncryption(options)).toThrow(message);
  });

  it('seal all properties by default', () => {
    const { isSealed, acceptsPlain } = resolveEncryption({ keys: bytes });
    expect([isSealed('user'), isSealed('cookie'), acceptsPlain]).toEqual([true, true, false]);
  });

  it('seal the properties of `only`, and the cookie, which may hold a group name', () => {
    const { isSealed, acceptsPlain } = resolveEncryption({ keys: bytes, only: ['user'] });
    expect([isSealed('user'), isSealed('cookie'), isSealed('visits'), acceptsPlain]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('seal nothing, and accept plain text, with an empty `only`', () => {
    const { isSealed, seals, acceptsPlain } = resolveEncryption({ keys: bytes, only: [] });
    expect([isSealed('user'), isSealed('cookie'), seals, acceptsPlain]).toEqual([false, false, false, true]);
  });
});
