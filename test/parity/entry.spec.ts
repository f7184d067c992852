import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import expressSession from 'express-session';
import session, * as entry from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;

/** What a program prints, on both of its outputs. */
async function output(code: string, commonJs: boolean): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [`--input-type=${commonJs ? 'commonjs' : 'module'}`, '-e', code], {
    cwd: root,
  });
}

/** A subclass as libraries write it, with the types that express-session has. */
class LibraryStore extends entry.Store {
  sessions: Record<string, session.SessionData> = {};
  get(key: string, done: (error: unknown, data?: entry.SessionData | null) => void): void {
    done(null, this.sessions[key]);
  }
  set(key: string, data: session.SessionData, done?: (error?: unknown) => void): void {
    this.sessions[key] = data;
    done?.();
  }
  destroy(key: string, done?: (error?: unknown) => void): void {
    delete this.sessions[key];
    done?.();
  }
}

describe('the entry', () => {
  it('is a function with the statics of express-session, by default and by name', () => {
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

  it.skipIf(!process.features.require_module)('is what require gives', async () => {
    const { stdout } = await output(
      `const session = require('nestjs-session-stores/express');
       const { sessionMiddleware, MemoryStore, toExpressStore } = session;
       const handle = session({ secret: 's', resave: false, saveUninitialized: false, store: new MemoryStore() });
       console.log([session, handle, sessionMiddleware, toExpressStore, session.default ?? session].map((one) => typeof one + ' ' + one.length).join())`,
      true,
    );
    expect(stdout.trim()).toMatch(/^function \d,function 3,function 1,function \d,function \d$/);
  });
});

const stores: [string, () => object][] = [
  ['no store', () => ({})],
  ['its MemoryStore', () => ({ store: new expressSession.MemoryStore() })],
  ['a store of ours', () => ({ store: new ClusterStore({ name: randomUUID() }) })],
];

describe.each(stores)('options over %s', (_word, storeOption) => {
  const good = { secret: 's', resave: false, saveUninitialized: false };
  it.each<[string, object, RegExp]>([
    ['a genid that is no function', { genid: 'bogus' }, /genid option must be a function/],
    ['an unset that is no word of it', { unset: 'bogus' }, /unset option must be "destroy" or "keep"/],
    ['no secret in a list', { secret: [] }, /secret option array must contain one or more strings/],
  ])('refuses %s in the words of express-session', (_what, wrong, words) => {
    const options = { ...good, ...storeOption(), ...wrong } as never;
    expect(() => session(options)).toThrow(words);
    expect(() => expressSession({ ...good, ...wrong } as never)).toThrow(words);
  });

  it('takes options that nobody knows, as express-session does', () => {
    expect(typeof session({ ...good, ...storeOption(), other: 1, cookie: { signed: true } } as never)).toBe(
      'function',
    );
  });
});

it('refuses what is no store', () => {
  expect(() => session({ secret: 's', store: { read: () => {} } } as never)).toThrow(/SessionStore/);
});

describe('what express-session calls deprecated', () => {
  const program = (from: string, setUp: string, options: string): string =>
    `import session from '${from}';
     ${setUp}
     for (const options of [{}, { resave: false, saveUninitialized: false }]) {
       session({ ...options${options} });
     }
     process.exit();`;
  const ours = `import { ClusterStore } from 'nestjs-session-stores/stores/cluster'; const store = new ClusterStore();`;
  /** What is said, without when. */
  const said = async (code: string): Promise<string[]> =>
    (await output(code, false)).stderr
      .split('\n')
      .filter((line) => line.includes('deprecated'))
      .map((line) => line.replace(/^.*(?=express-session deprecated)/, ''));

  it('is said alike, of the line that called', async () => {
    const theirs = await said(program('express-session', '', ''));
    expect(theirs).toHaveLength(3);
    const [withoutStore, withOurs] = await Promise.all([
      said(program('nestjs-session-stores/express', '', '')),
      said(program('nestjs-session-stores/express', ours, ', store')),
    ]);
    // That of `req.secret` names our own line where express-session itself says it.
    expect(withoutStore.slice(0, 2)).toEqual(theirs.slice(0, 2));
    expect(withOurs).toEqual(theirs);
  });

  it('is not said by NO_DEPRECATION, and not where nothing is', async () => {
    const options = ", secret: 's', resave: true, saveUninitialized: true, store";
    expect(await said(program('nestjs-session-stores/express', ours, options))).toEqual([]);
  });
});
