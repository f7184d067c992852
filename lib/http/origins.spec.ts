import { describe, expect, it } from 'vitest';
import { AllowedOrigins } from './origins.js';

interface Given {
  url?: string;
  site?: string;
  origin?: string;
  upgrade?: string;
}

const allows = (
  origin: string | undefined,
  host: string,
  origins: string[] = [],
  encrypted = false,
): boolean =>
  !new AllowedOrigins(origins).refusalOf({ headers: { origin } }, { host, isEncrypted: encrypted });

describe('the origin of a handshake', () => {
  it.each([
    ['that is absent, as for a client that is not a browser', undefined, 'a.example'],
    ['of the host itself', 'https://a.example', 'a.example'],
    ['of the host in another case', 'https://A.Example', 'a.eXample'],
    ['with an explicit default port', 'https://a.example:443', 'a.example'],
    ['of a host with an explicit default port', 'http://a.example', 'a.example:80'],
    ['with a port', 'http://a.example:3000', 'a.example:3000'],
    ['of an IPv6 address', 'http://[::1]:3000', '[::1]:3000'],
  ])('%s is allowed', (_, origin, host) => {
    expect(allows(origin, host)).toBe(true);
  });

  it.each([
    ['of a sibling', 'https://evil.example', 'a.example'],
    ['of a subdomain', 'https://b.a.example', 'a.example'],
    ['of the parent domain', 'https://example', 'a.example'],
    ['that only ends with the host', 'https://xa.example', 'a.example'],
    ['that starts with the host', 'https://a.example.evil.example', 'a.example'],
    ['with the host as user name', 'https://a.example@evil.example', 'a.example'],
    ['with another port', 'http://a.example:3001', 'a.example:3000'],
    ['with the default port, if the host has another', 'http://a.example', 'a.example:3000'],
    ['that is null, as for sandboxed frames and files', 'null', 'null'],
    ['that is empty', '', ''],
    ['that is a list of two', 'https://a.example, https://evil.example', 'a.example'],
    ['with a path', 'https://a.example/a', 'a.example'],
    ['without a scheme', 'a.example', 'a.example'],
    ['without a Host header', 'https://undefined', undefined as unknown as string],
  ])('%s is not allowed', (_, origin, host) => {
    expect(allows(origin, host)).toBe(false);
  });

  it('without TLS is not allowed on a host with TLS', () => {
    expect(allows('http://a.example', 'a.example', [], true)).toBe(false);
    expect(allows('https://a.example', 'a.example', [], true)).toBe(true);
  });

  it('is allowed if it is listed with its scheme, host and port', () => {
    const listed = ['https://App.example.com', 'http://b.example:8080', 'capacitor://localhost'];
    for (const origin of ['https://app.example.com', 'https://app.example.com:443', ...listed]) {
      expect(allows(origin, 'a.example', listed), origin).toBe(true);
    }
    for (const origin of ['http://app.example.com', 'https://app.example.com:444', 'http://b.example']) {
      expect(allows(origin, 'a.example', listed), origin).toBe(false);
    }
  });

  it.each([
    ['of a script element that asks for JSONP', { url: '/socket.io/?EIO=4&transport=polling&j=0' }, 'script'],
    ['that asks for JSONP, its parameter escaped', { url: '/socket.io/?transport=polling&%6A=' }, 'script'],
    ['that asks for JSONP, from the host itself', { url: '/?j=0', origin: 'https://a.example' }, 'script'],
    ['of a WebSocket with a parameter j of the app', { url: '/?j=0', upgrade: 'websocket' }, undefined],
    ['without Origin by a sibling', { site: 'same-site' }, 'site'],
    ['without Origin by another site', { site: 'cross-site' }, 'site'],
    ['without Origin by a page of the host', { site: 'same-origin' }, undefined],
    ['of a user who opened the address', { site: 'none' }, undefined],
    ['by a sibling with the origin of the host', { site: 'same-site', origin: 'https://a.example' }, 'site'],
    ['by a sibling that is listed', { site: 'same-site', origin: 'https://b.example' }, undefined],
  ])('%s decides whether it gets its session', (_, { url = '/', site, origin, upgrade }: Given, refusal) => {
    const headers = { origin, upgrade, 'sec-fetch-site': site };
    const allowed = new AllowedOrigins(['https://b.example']);
    expect(allowed.refusalOf({ url, headers }, { host: 'a.example', isEncrypted: true })).toBe(refusal);
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
    expect(() => new AllowedOrigins([origin])).toThrow(/is not an origin: write scheme, host/);
  });
});

describe('a request that is no handshake', () => {
  const isCrossSite = (given: { site?: string; origin?: string }, host = 'a.example', isEncrypted = false) =>
    new AllowedOrigins(['https://listed.example']).isCrossSite(
      { headers: { 'sec-fetch-site': given.site, origin: given.origin } },
      { host, isEncrypted },
    );

  it.each([
    { site: 'cross-site', origin: 'https://evil.example' },
    { site: 'cross-site', origin: 'null' },
    { site: 'cross-site' },
    // A browser's word counts more than an origin that looks like the host's: a proxy may have replaced the host.
    { site: 'cross-site', origin: 'https://a.example' },
    { site: 'another word' },
    { origin: 'https://evil.example' },
    { origin: 'https://b.a.example' },
    { origin: 'https://a.example:8443' },
    { origin: 'null' },
    { origin: '' },
  ])('is cross-site with $site and the origin $origin', (given) => {
    expect(isCrossSite(given)).toBe(true);
  });

  it.each([
    {},
    { site: 'same-origin', origin: 'https://a.example' },
    { site: 'same-site', origin: 'https://b.a.example' },
    { site: 'none' },
    // Of a form on a page with `Referrer-Policy: no-referrer`.
    { site: 'same-origin', origin: 'null' },
    { site: '', origin: 'https://a.example' },
    { origin: 'https://a.example' },
    { origin: 'http://a.example' },
    { site: 'cross-site', origin: 'https://listed.example' },
    { origin: 'https://listed.example' },
  ])('is not cross-site with $site and the origin $origin', (given) => {
    expect(isCrossSite(given)).toBe(false);
  });

  it('over TLS is not of a page of the same host over plain HTTP', () => {
    expect(isCrossSite({ origin: 'http://a.example' }, 'a.example', true)).toBe(true);
  });
});
