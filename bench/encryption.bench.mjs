// What encryption costs a request that reads one property of a session of ten, beside no encryption.
import { randomBytes } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { sessionMiddleware } from 'nestjs-session-stores';
import { EncryptedStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { alternate, rowsOf } from './figures.mjs';
import { anId } from './session.mjs';

export const title = 'Encryption';
export const topic = 'inside';
export const how =
  'The middleware without sockets, on a store in memory, and a session of ten properties of 70 bytes. The key of a session is kept after its first use, or derived if there are more sessions than kept keys.';

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

export async function run({ scale, step }) {
  const rows = [];
  for (const sessions of [1, scale(20_000, 12_000)]) {
    const kept =
      sessions === 1
        ? '1 session, its key kept'
        : `${sessions.toLocaleString('en')} sessions, their keys derived`;
    step(kept);
    const apps = {
      ClusterStore: await appOf(aStore(), sessions),
      'ClusterStore + encryption': await appOf(
        new EncryptedStore(aStore(), { keys: key, groups: randomBytes(32) }),
        sessions,
      ),
    };
    for (const [what, handle] of Object.entries(handlers)) {
      step(`${kept}, ${what}`);
      const times = { rounds: scale(9, 3), warmUp: scale(2, 1) };
      const figures = await alternate(Object.keys(apps), times, async (name) => ({
        cost: await microseconds(apps[name], handle, scale(2_000, 300)),
      }));
      rows.push(...rowsOf(figures, 'cost', { case: `${kept}, ${what}` }));
    }
    for (const { close } of Object.values(apps)) await close();
  }
  return [
    {
      name: 'requests',
      title: 'The cost of encryption',
      unit: 'µs of CPU time',
      better: 'lower',
      rows,
    },
  ];
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

async function microseconds({ serve }, handle, requests) {
  const start = process.cpuUsage();
  for (let index = 0; index < requests; index++) await serve(handle);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / requests;
}
