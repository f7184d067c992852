import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { groupForms } from './group-forms.js';
import { SealedGroups } from './groups.js';
import { namedKey } from './keys.js';

const key = namedKey('groups', randomBytes(32));

/** Two, as in two processes, so that what one keeps does not help the other. */
const [here, there] = [new SealedGroups(key), new SealedGroups(key)];

describe('the sealed name of a group', () => {
  it.each(['', 'user:ada', 'é😀', '~', 'x'.repeat(512)])(
    'is always the same and opens as the name: %.20s',
    (name) => {
      const sealed = here.seal(name);
      expect(there.seal(name)).toBe(sealed);
      expect(there.open(sealed)).toBe(name);
      expect(sealed).toMatch(/^~[\w-]{22,}$/);
    },
  );

  it('does not show which names begin alike', () => {
    const [one, other] = [here.seal('user:adam'), here.seal('user:adah')];
    expect(one.slice(0, 8)).not.toBe(other.slice(0, 8));
  });

  it('does not open with another key', () => {
    const other = new SealedGroups(namedKey('groups', randomBytes(32)));
    expect(other.open(here.seal('user:ada'))).toBeUndefined();
  });

  it('does not open with one bit changed', () => {
    const bytes = Buffer.from(here.seal('user:ada').slice(1), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(there.open(`~${changed.toString('base64url')}`), `bit ${bit}`).toBeUndefined();
    }
  });
});

it('a sealed name does not open in another spelling of the same bytes, under which no store would find it', () => {
  const sealed = here.seal('user:adam');
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const bytes = Buffer.from(sealed.slice(1), 'base64url');
  const spellings = [...digits]
    .map((digit) => sealed.slice(0, -1) + digit)
    .filter((text) => text !== sealed && Buffer.from(text.slice(1), 'base64url').equals(bytes));
  expect(spellings.length).toBe(15);
  for (const spelling of spellings) expect(there.open(spelling), spelling).toBeUndefined();
});

describe('the forms of a group', () => {
  const sealed = here.seal('g');
  it.each([
    ['without a key', undefined, true, false, 'g', ['g'], 'g', '~x'],
    ['with a key', here, true, false, sealed, [sealed], undefined, undefined],
    ['with a key, accepting plain names', here, true, true, sealed, [sealed, 'g'], 'g', '~x'],
    ['with a key that seals nothing yet', here, false, true, 'g', [sealed, 'g'], 'g', '~x'],
  ] as const)('%s', (_, groups, seals, acceptsPlain, written, all, plain, odd) => {
    const forms = groupForms(groups, { seals, acceptsPlain });
    expect(forms.written('g')).toBe(written);
    expect(forms.all('g')).toEqual(all);
    expect(forms.open('g')).toBe(plain);
    expect(forms.open('~x')).toBe(odd);
    if (groups) expect(forms.open(sealed)).toBe('g');
  });
});
