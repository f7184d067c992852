import { describe, expect, it } from 'vitest';
import type { Cluster } from 'ioredis';
import { addressOf, optionsOf } from './address.js';

describe('the options for a URL', () => {
  it.each([
    ['redis://localhost', { host: 'localhost' }],
    ['redis://localhost/', { host: 'localhost' }],
    ['redis://localhost:7000/3', { host: 'localhost', port: 7000, db: 3 }],
    ['rediss://cache.example.com', { host: 'cache.example.com', tls: {} }],
    ['valkey://localhost', { host: 'localhost' }],
    ['valkeys://localhost', { host: 'localhost', tls: {} }],
    ['redis://:pass%20word@localhost', { host: 'localhost', password: 'pass word' }],
    ['redis://app:s%40fe@[::1]:7000', { host: '::1', port: 7000, username: 'app', password: 's@fe' }],
    ['redis://redis.railway.internal?family=0', { host: 'redis.railway.internal', family: 0 }],
    ['unix:///run/redis%20one.sock', { path: '/run/redis one.sock' }],
    ['unix:///run/redis.sock?db=2', { path: '/run/redis.sock', db: 2 }],
  ])('%s', (url, options) => {
    expect(optionsOf(url)).toEqual(options);
  });
});

describe('the address in an error', () => {
  it.each([
    ['a URL, without its password', { url: 'redis://app:secret@localhost:7000/3' }, 'localhost:7000'],
    ['the default port', { url: 'redis://localhost' }, 'localhost:6379'],
    ['options', { redisOptions: { host: 'cache', port: 1, password: 'secret' } }, 'cache:1'],
    ['a socket', { redisOptions: { path: '/run/redis.sock' } }, '/run/redis.sock'],
    [
      'Sentinels',
      { redisOptions: { sentinels: [{ host: 'a', port: 1 }], name: 'sessions' } },
      'sessions at its Sentinels',
    ],
    [
      'a Cluster',
      { cluster: { nodes: [{ host: 'a', port: 1 }, 'redis://u:secret@b:2', 7000] } },
      'a:1, b:2, 7000',
    ],
    [
      'a Cluster that is handed in',
      { client: { isCluster: true } as Cluster },
      "the nodes of the client's Cluster",
    ],
  ])('names %s', (_, options, address) => {
    expect(addressOf(options)).toBe(address);
  });
});
