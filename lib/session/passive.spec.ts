import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { isPassiveRequest, withHandler, type Handlers } from './passive.js';

describe('a request', () => {
  it.each<[Handlers, boolean, Handlers]>([
    ['none', true, 'passive'],
    ['none', false, 'active'],
    ['passive', true, 'passive'],
    ['passive', false, 'active'],
    ['active', true, 'active'],
  ])(
    'with handlers that are %s, and one more that is passive: %s, has handlers that are %s',
    (before, isPassive, after) => {
      expect(withHandler(before, isPassive)).toBe(after);
    },
  );

  const req = { url: '/status' } as IncomingMessage;

  it('is passive if the option says so', () => {
    expect(isPassiveRequest({ passive: undefined }, req)).toBe(false);
    expect(isPassiveRequest({ passive: ({ url }) => url === '/status' }, req)).toBe(true);
    expect(isPassiveRequest({ passive: ({ url }) => url === '/other' }, req)).toBe(false);
  });

  it.each([Promise.resolve(true), undefined, 1, 'yes'])('fails if the option returns %o', (result) => {
    expect(() => isPassiveRequest({ passive: () => result }, req)).toThrow(TypeError);
  });
});
