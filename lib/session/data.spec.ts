import { describe, expect, it } from 'vitest';
import {
  changesProperties,
  cookieTextIn,
  diffData,
  isPropertyUnsaved,
  loadData,
  PARSE,
  StoredData,
  type DataChange,
} from './data.js';

const RESERVED = new Set(['id', 'cookie']);
const LONG = JSON.stringify('a text that is parsed only when it is first read, because it is long enough');

/** A session with the data of `texts`, as a request gets it. */
function loaded(texts: Record<string, string>) {
  const data = new StoredData();
  const unreadable: string[] = [];
  const session: Record<PropertyKey, unknown> = { cookie: {} };
  Object.defineProperty(session, PARSE, { value: (name: string) => JSON.parse(texts[name]!) as unknown });
  const snapshot = loadData(session as never, texts, RESERVED, (name) => unreadable.push(name));
  data.load(snapshot);
  return {
    session,
    data,
    unreadable,
    diff: (cookie?: { stored: string | undefined }) =>
      diffData(
        session,
        data.snapshot,
        RESERVED,
        cookie && { text: cookie.stored, isForClient: true, ...cookie },
      ),
  };
}

describe('loading', () => {
  it('makes a property of each serialized value, and leaves reserved names and invalid JSON as they are', () => {
    const { session, unreadable, diff } = loaded({
      user: '"ann"',
      id: '1',
      bad: '{',
      long: LONG,
      cookie: '{}',
    });
    expect(Object.keys(session)).toEqual(['cookie', 'user', 'long']);
    expect(session).toMatchObject({ user: 'ann', long: JSON.parse(LONG) });
    expect(unreadable).toEqual(['bad']);
    expect(diff()).toBeUndefined();
  });

  it('finds the serialized cookie', () => {
    expect(cookieTextIn({ cookie: '{"maxAge":1}' })).toBe('{"maxAge":1}');
    expect(cookieTextIn({})).toBeUndefined();
  });
});

describe('the difference from the stored data', () => {
  type Change = (session: Record<PropertyKey, unknown>) => void;
  it.each<[string, Change, DataChange | undefined]>([
    ['nothing', () => {}, undefined],
    ['the same value', (session) => (session['user'] = 'ann'), undefined],
    ['another value', (session) => (session['user'] = 'bob'), { set: { user: '"bob"' } }],
    ['a change inside a value', ({ cart }) => (cart as string[]).push('b'), { set: { cart: '["a","b"]' } }],
    ['a new property', (session) => (session['n'] = 1), { set: { n: '1' } }],
    ['a deleted property', (session) => delete session['user'], { remove: ['user'] }],
    ['a property that is now undefined', (session) => (session['user'] = undefined), { remove: ['user'] }],
    ['a read of a long value', ({ long }) => void long, undefined],
    [
      'a value in the place of what could not be read',
      (session) => (session['bad'] = 1),
      { set: { bad: '1' } },
    ],
  ])('is right after %s', (_, change, expected) => {
    const { session, diff } = loaded({ user: '"ann"', cart: '["a"]', long: LONG, bad: '{' });
    change(session);
    expect(diff()).toEqual(expected);
  });

  it.each<[string, Change, name: string, isUnsaved: boolean]>([
    ['nothing', () => {}, 'user', false],
    ['nothing', () => {}, 'bad', false],
    ['nothing', () => {}, 'absent', false],
    ['the same value', (session) => (session['user'] = 'ann'), 'user', false],
    ['another value', (session) => (session['user'] = 'bob'), 'user', true],
    ['another value of another property', (session) => (session['n'] = 1), 'user', false],
    ['a change inside a value', ({ cart }) => (cart as string[]).push('b'), 'cart', true],
    ['a new property', (session) => (session['n'] = 1), 'n', true],
    ['a deleted property', (session) => delete session['user'], 'user', true],
    ['a property that is now undefined', (session) => (session['user'] = undefined), 'user', true],
    ['a read of a long value', ({ long }) => void long, 'long', false],
    ['a value in the place of what could not be read', (session) => (session['bad'] = 1), 'bad', true],
  ])('of one property is right after %s', (_, change, name, isUnsaved) => {
    const { session, data } = loaded({ user: '"ann"', cart: '["a"]', long: LONG, bad: '{' });
    change(session);
    expect(isPropertyUnsaved(session, data.snapshot, name)).toBe(isUnsaved);
  });

  it('includes the serialized cookie, changed or removed', () => {
    const { session, diff } = loaded({ user: '"ann"', cookie: '{"maxAge":1}' });
    expect(diff({ stored: '{"maxAge":2}' })).toEqual({ set: { cookie: '{"maxAge":2}' } });
    expect(diff({ stored: undefined })).toEqual({ remove: ['cookie'] });
    session['user'] = 'bob';
    expect(diff({ stored: '{}' })).toEqual({ set: { user: '"bob"', cookie: '{}' } });
  });

  it('distinguishes the properties of the app from the cookie', () => {
    expect(changesProperties({ set: { cookie: '{}' } })).toBe(false);
    expect(changesProperties({ remove: ['cookie'] })).toBe(false);
    expect(changesProperties({ set: { cookie: '{}', user: '1' } })).toBe(true);
    expect(changesProperties({ set: { cookie: '{}' }, remove: ['user'] })).toBe(true);
  });

  it('fails with the name of a property that is reserved or cannot be serialized', () => {
    const { session, diff } = loaded({});
    session['id'] = 'x';
    expect(() => diff()).toThrow(/session.id is reserved/);
    delete session['id'];
    session['big'] = 1n;
    expect(() => diff()).toThrow(/session\["big"\] cannot be saved/);
  });
});

describe('saved data', () => {
  it('is the base of later changes, including the cookie', () => {
    const { session, data, diff } = loaded({ user: '"ann"', old: '1' });
    session['user'] = 'bob';
    delete session['old'];
    data.saved(diff({ stored: '{"maxAge":1}' })!);
    expect(data.snapshot.texts).toEqual({ user: '"bob"', cookie: '{"maxAge":1}' });
    expect(diff()).toBeUndefined();
    session['user'] = 'ann';
    expect(diff()).toEqual({ set: { user: '"ann"' } });
  });
});
