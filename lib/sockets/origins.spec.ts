import { describe, expect, it } from 'vitest';
import { AllowedOrigins } from './origins.js';

const allows = (
  origin: string | undefined,
  host: string,
  origins: string[] = [],
  encrypted = false,
): boolean => new AllowedOrigins(origins).allow({ origin, host }, encrypted);

describe('the origin of a handshake', () => {
  it.each([
    ['none, as of what is no browser', undefined, 'a.example'],
    ['of the host itself', 'https://a.example', 'a.example'],
    ['of the host in other letters', 'https://A.Example', 'a.eXample'],
    ['with the default port written out', 'https://a.example:443', 'a.example'],
    ['of a host with the default port written out', 'http://a.example', 'a.example:80'],
    ['with a port', 'http://a.example:3000', 'a.example:3000'],
    ['of an IPv6 address', 'http://[::1]:3000', '[::1]:3000'],
  ])('%s is allowed', (_, origin, host) => {
    expect(allows(origin, host)).toBe(true);
  });

  it.each([
    ['of a sibling', 'https://evil.example', 'a.example'],
    ['of a subdomain', 'https://b.a.example', 'a.example'],
    ['of the domain above', 'https://example', 'a.example'],
    ['whose name only ends like the host', 'https://xa.example', 'a.example'],
    ['that has the host before its own', 'https://a.example.evil.example', 'a.example'],
    ['with the host as a user', 'https://a.example@evil.example', 'a.example'],
    ['of another port', 'http://a.example:3001', 'a.example:3000'],
    ['of the default port, where the host has one', 'http://a.example', 'a.example:3000'],
    ['that is null, of sandboxed frames and files', 'null', 'null'],
    ['that is empty', '', ''],
    ['that is two', 'https://a.example, https://evil.example', 'a.example'],
    ['with a path', 'https://a.example/a', 'a.example'],
    ['without a scheme', 'a.example', 'a.example'],
    ['of a host that is not given', 'https://undefined', undefined as unknown as string],
  ])('%s is not', (_, origin, host) => {
    expect(allows(origin, host)).toBe(false);
  });

  it('without TLS is not that of a host with it', () => {
    expect(allows('http://a.example', 'a.example', [], true)).toBe(false);
    expect(allows('https://a.example', 'a.example', [], true)).toBe(true);
  });

  it('may be listed, scheme, host and port', () => {
    const listed = ['https://App.example.com', 'http://b.example:8080', 'capacitor://localhost'];
    for (const origin of ['https://app.example.com', 'https://app.example.com:443', ...listed]) {
      expect(allows(origin, 'a.example', listed), origin).toBe(true);
    }
    for (const origin of ['http://app.example.com', 'https://app.example.com:444', 'http://b.example']) {
      expect(allows(origin, 'a.example', listed), origin).toBe(false);
    }
  });

  it.each([
    '*',
    'app.example.com',
    'https://a.example/',
    'https://a.example/path',
    'null',
    '',
    'https://*.a.example',
  ])('cannot be listed as %j', (origin) => {
    expect(() => new AllowedOrigins([origin])).toThrow(/is no origin: write scheme, host/);
  });
});
