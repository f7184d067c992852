import { generateKeySync } from 'node:crypto';
import { MemoryStore } from 'express-session';
import { cookieIdentity, headerIdentity, type SessionOptions } from 'nestjs-session-stores';
import { examine, type Finding } from 'nestjs-session-stores/doctor';
import { SessionStoreDecorator } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { MapStore } from '../stores/map.store.js';
import { describe, expect, it } from 'vitest';
import { examined, RIGHT_OPTIONS } from './examined.js';

const store = new ClusterStore({ directory: 'never opened' });

describe('options', () => {
  it('as the page on security recommends them have no risk', async () => {
    const { all, risks } = await examined({ store, options: RIGHT_OPTIONS });
    expect(risks).toEqual([]);
    expect(all.map(({ subject, outcome }) => `${subject}: ${outcome}`)).toEqual([
      'Option secret: ok',
      'Cookie Secure: ok',
      'Cookie prefix: ok',
      'Cookie SameSite: ok',
      'Cookie HttpOnly: ok',
      'Idle timeout: ok',
      'Absolute timeout: ok',
      'Sessions per user: unknown',
      'Option client: ok',
      'Option onStoreError: ok',
      'Option noStore: ok',
      'ClusterStore restart: ok',
      'ClusterStore hosts: unknown',
    ]);
  });

  it.each<[string, Partial<SessionOptions>, string, string]>([
    ['a secret of 31 characters', { secret: 'x'.repeat(31) }, 'Option secret', '31 bytes'],
    ['a short secret among others', { secret: [RIGHT_OPTIONS.secret, 'short'] }, 'Option secret', '5 bytes'],
    ['a short key', { secret: generateKeySync('hmac', { length: 128 }) }, 'Option secret', '16 bytes'],
    [
      'a cookie without SameSite',
      { cookie: { secure: true, sameSite: false } },
      'Cookie SameSite',
      'no SameSite',
    ],
    [
      'a cookie for other sites',
      { cookie: { secure: true, sameSite: 'none' } },
      'Cookie SameSite',
      'SameSite=None',
    ],
    [
      'a cookie that scripts can read',
      { cookie: { secure: true, httpOnly: false } },
      'Cookie HttpOnly',
      'not HttpOnly',
    ],
    ['no absolute timeout', { absoluteTimeout: undefined }, 'Absolute timeout', 'no absolute timeout'],
    ["onStoreError 'anonymous'", { onStoreError: 'anonymous' }, 'Option onStoreError', 'anonymous'],
    ['responses that caches may store', { noStore: false }, 'Option noStore', 'noStore is false'],
    ['a store that is not set', { store: undefined }, 'Option store', 'No store is set'],
    ['an unknown option', { resave: false } as object, 'Options', 'Unknown session option "resave".'],
  ])('with %s have one risk', async (_, some, subject, found) => {
    const findings = await examined({ options: { store, ...RIGHT_OPTIONS, ...some } });
    expect(findings.risks).toEqual([subject]);
    const { risk, remedy, ...finding } = findings.of(subject);
    expect(finding.found).toContain(found);
    expect({ risk, remedy }).toEqual({
      risk: expect.stringMatching(/\.$/),
      remedy: expect.stringMatching(/\.$/),
    });
  });

  it.each(['none', false] as const)(
    'with sameSite %j have no risk if unsafe requests of other sites are rejected',
    async (sameSite) => {
      const cookie = { secure: true, sameSite };
      for (const [crossSite, risks] of [
        ['reject', []],
        ['isolate', ['Cookie SameSite']],
      ] as const) {
        const findings = await examined({ options: { store, ...RIGHT_OPTIONS, cookie, crossSite } });
        expect(findings.risks, crossSite).toEqual(risks);
      }
    },
  );

  it.each([null, 'secret', () => ({})])(
    'that are %s are rejected, and not taken for none',
    async (options) => {
      await expect(examined({ options: options as never })).rejects.toThrow(
        new TypeError('options must be an object, those of SessionModule or sessionMiddleware'),
      );
    },
  );

  it('with the defaults alone have the risks of a cookie without Secure and __Host-, and of no absolute timeout', async () => {
    const findings = await examined({ store, options: { secret: RIGHT_OPTIONS.secret } });
    expect(findings.risks).toEqual(['Cookie Secure', 'Cookie prefix', 'Absolute timeout']);
  });

  it('by which unused sessions never expire have a risk', async () => {
    const options = {
      ...RIGHT_OPTIONS,
      cookie: { secure: true },
      idleTimeout: Infinity,
      absoluteTimeout: Infinity,
    };
    expect((await examined({ store, options })).risks).toEqual(['Idle timeout', 'Absolute timeout']);
  });

  it('of the module are judged as those of the middleware', async () => {
    const options = { ...RIGHT_OPTIONS, isGlobal: false, forRoutes: ['a'], exclude: ['b'], recheck: 1000 };
    expect((await examined({ store, options })).risks).toEqual([]);
  });

  it('with several identities are judged by each cookie, and name the headers', async () => {
    const { name, cookie, ...others } = RIGHT_OPTIONS;
    const identities = [
      cookieIdentity({ name, ...cookie }),
      cookieIdentity({ name: 'other' }),
      headerIdentity(),
    ];
    const findings = await examined({ store, options: { ...others, identities } });
    expect(findings.risks).toEqual(['Cookie Secure', 'Cookie prefix']);
    expect(findings.about('Cookie Secure').map(({ outcome }) => outcome)).toEqual(['ok', 'risk']);
    expect(findings.of('Token in a header')).toMatchObject({
      outcome: 'unknown',
      found: expect.stringContaining('x-auth-token') as string,
    });
  });

  it('with a cookie that depends on the request say so', async () => {
    const options = { ...RIGHT_OPTIONS, cookie: () => ({ secure: true }) };
    const findings = await examined({ store, options });
    expect(findings.with('unknown')).toEqual([
      'Cookie Secure',
      'Cookie SameSite',
      'Cookie HttpOnly',
      'Sessions per user',
      'ClusterStore hosts',
    ]);
  });

  it('are judged without a word of the secret', async () => {
    const { all } = await examined({ store, options: { secret: 'hunter2' } });
    expect(JSON.stringify(all)).not.toContain('hunter2');
  });
});

describe('a ClusterStore', () => {
  it('in memory loses the sessions at a restart, which is a risk', async () => {
    expect((await examined({ store: new ClusterStore() })).risks).toEqual(['ClusterStore restart']);
  });
});

describe('a store of express-session', () => {
  it('has the risks that no such store can avoid', async () => {
    const findings = await examined({ store: fromExpressStore(new MemoryStore()) });
    expect(findings.risks).toEqual([
      'express-session store: ids',
      'express-session store: parallel changes',
      'express-session store: logouts',
      'express-session store: groups',
      'express-session store: absolute timeout',
    ]);
    expect(findings.of('express-session store: ids').found).toBe(
      'MemoryStore keeps no secrets, so the session id is the credential.',
    );
    expect(findings.of('express-session store: lists').outcome).toBe('ok');
    expect(findings.of('express-session store: backend').outcome).toBe('unknown');
  });

  it('without all() has the risk that sessions cannot be listed', async () => {
    const bare = { get() {}, set() {}, destroy() {} };
    const findings = await examined({ store: fromExpressStore(bare as never) });
    expect(findings.of('express-session store: lists').found).toContain('has no all(), length(), clear()');
  });

  it('makes a genid of the app part of what must be checked', async () => {
    const options = { secret: 'short', genid: () => 'id' };
    const findings = await examined({ store: fromExpressStore(new MemoryStore()), options });
    expect(findings.of('Option genid').outcome).toBe('unknown');
    expect(findings.of('Option secret').risk).toContain('has that session');
  });
});

describe('a store of the app', () => {
  it('without an examination says so, also inside a decorator', async () => {
    const finding: Finding = {
      outcome: 'unknown',
      subject: 'Store',
      found: 'The store "map" has no examination of its backend.',
    };
    const inner = new MapStore();
    expect((await examined({ store: inner })).all).toEqual([finding]);
    expect((await examined({ store: new SessionStoreDecorator(inner) })).all).toEqual([finding]);
  });

  it('makes no use of a configuration of Hazelcast, and says so', async () => {
    const hazelcastConfig = new URL('../../package.json', import.meta.url).pathname;
    const { all } = await examined({ store: new MapStore(), hazelcastConfig });
    expect(all.at(-1)).toMatchObject({
      subject: 'Hazelcast member configuration',
      found: `${hazelcastConfig} was not used, because the store is not a HazelcastStore.`,
    });
  });
});

describe('examine', () => {
  it.each<[string, object, RegExp]>([
    ['nothing to examine', {}, /examine needs a store or options/],
    ['something else than a store', { store: new MemoryStore() }, /store must be a SessionStore/],
  ])('rejects %s', async (_, examination, message) => {
    await expect(examine(examination).next()).rejects.toThrow(message);
  });
});
