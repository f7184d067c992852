// What encryption costs a request that reads one property of a session of ten, beside no encryption.
import { randomBytes } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { sessionMiddleware } from 'nestjs-session-stores';
import { EncryptedStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { summary, table } from './figures.mjs';
import { anId } from './session.mjs';

export const title = 'Encryption: a request with a session of ten properties of 70 bytes';

const ROUNDS = 9;
const REQUESTS = 2_000;
const PROPERTIES = 10;
/** With its quotes, a serialized value of 70 bytes. */
const VALUE = 'v'.repeat(68);
const names = Array.from({ length: PROPERTIES }, (_, index) => `property${index}`);

const key = randomBytes(32);
const aStore = () => new ClusterStore({ name: anId() });

const handlers = {
  'none is read': () => {},
  'one is read': (session) => session.property3,
  'all are read': (session) => names.map((name) => session[name]),
  'one is written': (session, index) => (session.property3 = `${index}${VALUE}`.slice(0, 68)),
};

export async function run() {
  const rows = [];
  for (const sessions of [1, 20_000]) {
    const plain = await appOf(aStore(), sessions);
    const encrypted = await appOf(
      new EncryptedStore(aStore(), { keys: key, groups: randomBytes(32) }),
      sessions,
    );
    for (const [what, handle] of Object.entries(handlers)) {
      const figures = { plain: [], encrypted: [] };
      for (let round = -2; round < ROUNDS; round++) {
        for (const [name, app] of Object.entries({ plain, encrypted })) {
          const figure = await microseconds(app, handle);
          if (round >= 0) figures[name].push(figure);
        }
      }
      const [one, other] = Object.values(figures).map((some) => summary(some).median);
      const kept = sessions === 1 ? 'kept' : 'derived';
      rows.push([kept, what, one.toFixed(1), other.toFixed(1), (other - one).toFixed(1)]);
    }
    for (const { close } of [plain, encrypted]) await close();
  }
  console.log(`CPU time per request in µs, medians of ${ROUNDS} alternating rounds, in memory.\n`);
  table(['key of the session', 'of the properties', 'plain', 'encrypted', 'difference'], rows);
}

/** The middleware on a store, and the cookies of its sessions, more than there are kept keys or one. */
async function appOf(store, sessions) {
  const middleware = sessionMiddleware({ secret: 'bench', store });
  const cookies = [];
  for (let index = 0; index < sessions; index++) {
    const res = await request(middleware, undefined, (session) => {
      for (const name of names) session[name] = VALUE;
    });
    cookies.push(res.getHeader('set-cookie')[0].split(';')[0]);
  }
  let next = 0;
  return {
    serve: (handle) => {
      const index = next++;
      return request(middleware, cookies[index % sessions], (session) => handle(session, index));
    },
    close: () => middleware.close(),
  };
}

function request(middleware, cookie, handle) {
  const req = new IncomingMessage(null);
  req.method = 'GET';
  req.url = '/';
  if (cookie) req.headers.cookie = cookie;
  const res = new ServerResponse(req);
  res.assignSocket(new Writable({ write: (_chunk, _encoding, done) => done() }));
  return new Promise((resolve, reject) => {
    middleware(req, res, (error) => {
      if (error) return reject(error);
      handle(req.session);
      res.on('finish', () => resolve(res));
      res.end('ok');
    });
  });
}

async function microseconds({ serve }, handle) {
  const start = process.cpuUsage();
  for (let index = 0; index < REQUESTS; index++) await serve(handle);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / REQUESTS;
}
