import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import expressSession from 'express-session';
import session, * as entry from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;

/** Runs a program and returns what it prints. */
async function output(code: string, commonJs: boolean): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [`--input-type=${commonJs ? 'commonjs' : 'module'}`, '-e', code], {
    cwd: root,
  });
}

/** A subclass such as libraries write, with the types of express-session. */
class LibraryStore extends entry.Store {
  sessions: Record<string, session.SessionData> = {};
  get(id: string, done: (error: unknown, data?: entry.SessionData | null) => void): void {
    done(null, this.sessions[id]);
  }
  set(id: string, data: session.SessionData, done?: (error?: unknown) => void): void {
    this.sessions[id] = data;
    done?.();
  }
  destroy(id: string, done?: (error?: unknown) => void): void {
    delete this.sessions[id];
    done?.();
  }
}

describe('the entry point ./express', () => {
  it('exports session() with the statics of express-session, as default and by name', () => {
    expect(entry.session).toBe(session);
    expect(session.name).toBe('session');
    for (const name of ['Store', 'Cookie', 'Session', 'MemoryStore'] as const) {
      expect(session[name]).toBe(expressSession[name]);
      expect(entry[name]).toBe(expressSession[name]);
    }
    const options: session.SessionOptions = { secret: 's', resave: false, saveUninitialized: false };
    const store: session.Store = new LibraryStore();
    expect(session({ ...options, store })).toHaveLength(3);
  });

  it.skipIf(!process.features.require_module)(
    'returns session() with its statics from require()',
    async () => {
      const { stdout } = await output(
        `const session = require('nestjs-session-stores/express');
       const { sessionMiddleware, MemoryStore, toExpressStore } = session;
       const handle = session({ secret: 's', resave: false, saveUninitialized: false, store: new MemoryStore() });
       console.log([session, handle, sessionMiddleware, toExpressStore, session.default, session.session].map((one) => typeof one + ' ' + one.length).join())`,
        true,
      );
      expect(stdout.trim()).toMatch(
        /^function \d,function 3,function 1,function \d,function \d,function \d$/,
      );
    },
  );
});

const stores: [string, () => object][] = [
  ['no store', () => ({})],
  ['the MemoryStore of express-session', () => ({ store: new expressSession.MemoryStore() })],
  ['a store of ours', () => ({ store: new ClusterStore({ name: randomUUID() }) })],
];

describe.each(stores)('session() with %s', (_store, storeOption) => {
  const good = { secret: 's', resave: false, saveUninitialized: false };
  it.each<[string, object, RegExp]>([
    ['a genid that is not a function', { genid: 'bogus' }, /genid option must be a function/],
    ['an unknown unset', { unset: 'bogus' }, /unset option must be "destroy" or "keep"/],
    ['an empty list of secrets', { secret: [] }, /secret option array must contain one or more strings/],
  ])('rejects %s with the error message of express-session', (_what, wrong, message) => {
    const options = { ...good, ...storeOption(), ...wrong } as never;
    expect(() => session(options)).toThrow(message);
    expect(() => expressSession({ ...good, ...wrong } as never)).toThrow(message);
  });

  it('ignores unknown options, as express-session does', () => {
    expect(typeof session({ ...good, ...storeOption(), other: 1, cookie: { signed: true } } as never)).toBe(
      'function',
    );
  });
});

describe.each(stores.slice(0, 2))('session() with %s', (_store, storeOption) => {
  it.each([
    'idleTimeout',
    'absoluteTimeout',
    'passive',
    'rotateAfter',
    'touchAfter',
    'client',
    'maxSize',
    'onStoreError',
    'onReplacedToken',
    'crossSite',
    'origins',
    'noStore',
    'varyCookie',
    'logger',
    'logIds',
    'cache',
    'identities',
  ])('rejects the option %s, which express-session would ignore', (name) => {
    const options = { secret: 's', resave: false, saveUninitialized: false, ...storeOption(), [name]: 1 };
    expect(() => session(options as never)).toThrow(`${name} needs a store of this package`);
  });
});

it('session() rejects a store that is not a store', () => {
  expect(() => session({ secret: 's', store: { read: () => {} } } as never)).toThrow(/SessionStore/);
});

describe('the deprecation warnings of express-session', () => {
  const program = (from: string, setUp: string, options: string): string =>
    `import session from '${from}';
     ${setUp}
     for (const options of [{}, { resave: false, saveUninitialized: false }]) {
       session({ ...options${options} });
     }
     process.exit();`;
  const ours = `import { ClusterStore } from 'nestjs-session-stores/stores/cluster'; const store = new ClusterStore();`;
  /** The deprecation warnings that a program prints, without their timestamps. */
  const warningsOf = async (code: string): Promise<string[]> =>
    (await output(code, false)).stderr
      .split('\n')
      .filter((line) => line.includes('deprecated'))
      .map((line) => line.replace(/^.*(?=express-session deprecated)/, ''));

  it('are printed by session() too, with the line of the caller', async () => {
    const theirs = await warningsOf(program('express-session', '', ''));
    expect(theirs).toHaveLength(3);
    const [withoutStore, withOurs] = await Promise.all([
      warningsOf(program('nestjs-session-stores/express', '', '')),
      warningsOf(program('nestjs-session-stores/express', ours, ', store')),
    ]);
    // The third warning, about `req.secret`, comes from express-session itself and names a line of ours.
    expect(withoutStore.slice(0, 2)).toEqual(theirs.slice(0, 2));
    expect(withOurs).toEqual(theirs);
  });

  it('are not printed when all options are set explicitly', async () => {
    const options = ", secret: 's', resave: true, saveUninitialized: true, store";
    expect(await warningsOf(program('nestjs-session-stores/express', ours, options))).toEqual([]);
  });
});
