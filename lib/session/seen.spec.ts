import { describe, expect, it } from 'vitest';
import { clientIn, clientOf, networkOf, textOf } from './seen.js';

describe('the network of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.0/24'],
    ['::ffff:203.0.113.7', '203.0.113.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:0db8:0001::9', '2001:db8:1::/48'],
    ['2001:db8::1', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['1::2:3:4:5:6:7', '1:0:2::/48'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0::/48'],
    ['not an address', undefined],
    ['', undefined],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('the client of a request', () => {
  const req = {
    ip: '203.0.113.7',
    headers: { 'user-agent': 'A' },
    socket: { remoteAddress: '10.0.0.1' },
  } as never;

  it.each([
    { part: 'full' as const, ip: '203.0.113.7' },
    { part: 'network' as const, ip: '203.0.113.0/24' },
    { part: 'none' as const, ip: undefined },
  ])('has the address $ip with $part', ({ part, ip }) => {
    expect(clientOf(req, part)).toEqual({ ip, userAgent: 'A' });
  });
});

describe('the text of a client', () => {
  it('comes back as the client', () => {
    const client = { ip: '203.0.113.0/24', userAgent: 'A "quoted" 😀' };
    expect(clientIn(textOf(client))).toEqual(client);
  });

  it('has at most 512 bytes of a header, and no half character', () => {
    const { userAgent } = clientIn(textOf({ userAgent: `${'x'.repeat(510)}😀` }));
    expect(userAgent).toBe('x'.repeat(510));
    expect(clientIn(textOf({ userAgent: 'x'.repeat(512) })).userAgent).toHaveLength(512);
  });

  it.each([{ ip: 1 }, { userAgent: ['a'] }, null, undefined, 'a', Promise.resolve({})])(
    'is refused for %o',
    (client) => {
      expect(() => textOf(client as never)).toThrow(/the option client must return \{ ip, userAgent \}/);
    },
  );

  it.each(['', 'null', '{', '42'])('is an empty client if it is %j', (text) => {
    expect(clientIn(text)).toEqual({});
  });
});
