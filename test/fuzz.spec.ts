import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cookieIdentity, headerIdentity, sessionMiddleware, type Session } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RecordingStore } from './stores/recording.store.js';

const HEADERS = 90_000;
const CONTENTS = 10_000;
const MINUTES = 60_000 * 3;

const store = new RecordingStore(new ClusterStore({ name: `fuzz-${process.pid}` }));
const logged: string[] = [];
const middleware = sessionMiddleware({
  secret: 'fuzz',
  store,
  identities: [headerIdentity(), cookieIdentity()],
  logger: { warn: (message) => logged.push(message), error: (message) => logged.push(message) },
});
beforeAll(() => request({}, () => {}));
afterAll(() => middleware.close());

/** The properties of a session, by name. */
type Data = Record<string, unknown>;
type Handle = (session: Session & Data) => unknown;

/** Sends one request through the middleware, without a network. Resolves to the token in the response. */
async function request(headers: IncomingMessage['headers'], handle: Handle): Promise<string | undefined> {
  const req = new IncomingMessage(new Socket()) as IncomingMessage & { session: Session & Data };
  Object.assign(req, { method: 'GET', url: '/', headers });
  const res = new ServerResponse(req);
  res.assignSocket(new Writable({ write: (_chunk, _encoding, done) => done() }) as unknown as Socket);
  await new Promise<void>((resolve, reject) => {
    res.on('finish', resolve);
    middleware(req, res, (error) => {
      if (error) return reject(error as Error);
      try {
        handle(req.session);
        res.end();
      } catch (thrown) {
        reject(thrown as Error);
      }
    });
  });
  const token = res.getHeader('x-auth-token');
  return token === undefined ? undefined : String(token);
}

describe('arbitrary client input', () => {
  it(
    `in cookies or the token header never causes a store call or determines an id: ${HEADERS} inputs`,
    async () => {
      const token = (await request({}, (session) => void (session['user'] = 'ann')))!;
      const [whole, tokenId, secret, signature] = /^s%3A(.*?)\.(.*)\.(.*)$/.exec(token)!;
      const parts = fc.constantFrom(
        's:',
        's%3A',
        tokenId!,
        secret!,
        '.',
        signature!,
        '%',
        '"',
        '=',
        ' ',
        ',',
        'sid=',
      );
      const text = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.array(fc.oneof(parts, fc.string({ maxLength: 3 })), { maxLength: 9 }).map((some) => some.join('')),
      );
      const cookies = fc.oneof(
        { weight: 3, arbitrary: text.map((value) => `sid=${value}`) },
        { weight: 1, arbitrary: fc.array(text, { maxLength: 20 }).map((some) => some.join('; ')) },
        {
          weight: 1,
          arbitrary: fc
            .array(text, { maxLength: 20 })
            .map((some) => some.map((one) => `sid=${one}`).join(';')),
        },
      );
      store.take();
      await fc.assert(
        fc.asyncProperty(cookies, fc.option(text, { nil: undefined }), async (cookie, header) => {
          // A complete token, escaped or not, does identify a session.
          fc.pre(![cookie, header ?? ''].some((sent) => decoded(sent).includes(decodeURIComponent(whole!))));
          let id = '';
          await request(header === undefined ? { cookie } : { cookie, 'x-auth-token': header }, (session) => {
            id = session.id;
            if (session['user'] !== undefined) throw new Error('got the session of another client');
          });
          if (!/^[\w-]{32}$/.test(id) || id === tokenId) throw new Error(`the id ${id} was adopted`);
          const calls = store.take();
          if (calls.length > 0) throw new Error(`the store was called: ${calls.join(', ')}`);
        }),
        { numRuns: HEADERS },
      );
      expect(logged).toEqual([]);
    },
    MINUTES,
  );

  it('of 100,000 cookies or megabytes of them causes no store call', async () => {
    for (const cookie of [
      'sid=s%3Aforged~forged.forged; '.repeat(100_000),
      `sid=${'s'.repeat(2 ** 22)}`,
      ';'.repeat(2 ** 20),
      'sid='.repeat(2 ** 20),
    ]) {
      store.take();
      await request({ cookie }, (session) => expect(session['user']).toBeUndefined());
      expect(store.take()).toEqual([]);
    }
  });
});

/** Names that belong to the session object, which data cannot have. */
const RESERVED = new Set([
  'absoluteExpiresAt',
  'add',
  'cookie',
  'destroy',
  'groupNames',
  'id',
  'identity',
  'idleExpiresAt',
  'joinGroup',
  'leaveGroup',
  'regenerate',
  'reload',
  'req',
  'resetMaxAge',
  'rotate',
  'save',
  'setGroupName',
  'setLabel',
  'take',
  'touch',
]);

describe('arbitrary session data', () => {
  it(
    `is read back as JSON represents it in two more requests: ${CONTENTS} inputs`,
    async () => {
      const names = fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 8 }),
        fc.constantFrom(
          '__proto__',
          'constructor',
          'toString',
          'groups',
          'groupName',
          'identities',
          '0',
          '',
          'a.b',
          '$a',
          '%',
        ),
      );
      const values = fc.oneof(
        fc.jsonValue(),
        fc.anything({
          withDate: true,
          withNullPrototype: true,
          withObjectString: true,
          withSparseArray: true,
          maxDepth: 2,
        }),
        fc.string({ unit: 'binary', maxLength: 100 }),
      );
      const put = (session: Data, name: string, value: unknown): void => {
        Object.defineProperty(session, name, { value, writable: true, enumerable: true, configurable: true });
      };
      await fc.assert(
        fc.asyncProperty(fc.dictionary(names, values, { maxKeys: 5 }), values, async (data, later) => {
          const entries = Object.entries(data).filter(([name]) => !RESERVED.has(name) && name.isWellFormed());
          const expected = new Map<string, string>();
          const keep = (name: string, value: unknown): void => {
            const serialized = JSON.stringify(value) as string | undefined;
            if (serialized === undefined) expected.delete(name);
            else expected.set(name, serialized);
          };
          const token = await request({}, (session) => {
            for (const [name, value] of [...entries, ['later', 1] as const]) {
              put(session, name, value);
              keep(name, value);
            }
          });
          const headers = { 'x-auth-token': token! };
          await request(headers, (session) => {
            same(session, expected);
            put(session, 'later', later);
            keep('later', later);
            const [first] = entries;
            if (first) delete session[first[0]];
            if (first && first[0] !== 'later') expected.delete(first[0]);
          });
          await request(headers, (session) => same(session, expected));
        }),
        { numRuns: CONTENTS },
      );
      expect(logged).toEqual([]);
    },
    MINUTES,
  );
});

function same(session: Data, expected: ReadonlyMap<string, string>): void {
  const names = Object.keys(session).filter((name) => name !== 'cookie');
  const text = (name: string): string => `${JSON.stringify(name)}: ${JSON.stringify(session[name])}`;
  const found = names.map(text).toSorted().join();
  const wanted = [...expected]
    .map(([name, value]) => `${JSON.stringify(name)}: ${value}`)
    .toSorted()
    .join();
  if (found !== wanted) throw new Error(`{ ${found} } is not { ${wanted} }`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
