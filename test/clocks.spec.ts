import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { Browser } from './http/browser.js';

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** By how much the clock is moved. With `LONG=1` less than the lifetime, too. */
const MOVES = [2 * HOUR, -2 * HOUR];

/** The stores that know the time of their server. The processes of a cluster share their host's clock. */
const STORES: [string, () => object][] = [
  ['redis', () => ({ ...inject('redis'), prefix: `${randomUUID()}:` })],
  ['mongo', () => ({ uri: inject('mongo').url, collection: randomUUID() })],
  ['hazelcast', () => hazelcastOptions()],
];

function hazelcastOptions(): object {
  const { clusterName, members } = inject('hazelcast');
  return { config: { clusterName, network: { clusterMembers: members } }, prefix: randomUUID() };
}

/** An app in a process whose clock is `moved` by so many milliseconds. */
async function urlOf(moved: number, store: string, options: object): Promise<string> {
  const args = [String(moved), store, JSON.stringify(options)];
  const child = fork(join(import.meta.dirname, 'clocks.process.mjs'), args, { execArgv: [], silent: true });
  onTestFinished(async () => {
    const gone = once(child, 'exit');
    child.disconnect();
    await gone;
  });
  const [port] = (await once(child, 'message')) as [number];
  return `http://127.0.0.1:${port}`;
}

interface Seen {
  user: string | null;
  writes: number;
  left: number;
}

describe.each(STORES)(
  'an app whose clock was moved, beside one whose clock is right, on %s',
  (store, optionsOf) => {
    it.each(process.env['LONG'] ? [...MOVES, 5 * MINUTE, -5 * MINUTE] : MOVES)(
      'behaves like the other (moved by %i ms)',
      async (moved) => {
        const options = optionsOf();
        const [right, wrong] = await Promise.all([urlOf(0, store, options), urlOf(moved, store, options)]);
        const seen = async (url: string, browser: Browser): Promise<Seen> => {
          const other = new Browser(url);
          for (const [name, value] of browser.cookies) other.cookies.set(name, value);
          return (await other.get('/')).json() as unknown as Seen;
        };
        const isWhole = expect.closeTo(HOUR, -4.5);

        // A login on either is a login on both, with the whole lifetime.
        for (const url of [wrong, right]) {
          const browser = new Browser(url);
          await browser.get('/login');
          for (const other of [right, wrong])
            expect(await seen(other, browser)).toEqual({ user: 'ann', writes: 0, left: isWhole });

          // What either writes is kept, and neither ends the session.
          const elsewhere = new Browser(url === right ? wrong : right);
          for (const [name, value] of browser.cookies) elsewhere.cookies.set(name, value);
          expect((await elsewhere.get('/write')).status).toBe(200);
          for (const other of [right, wrong])
            expect(await seen(other, browser)).toEqual({ user: 'ann', writes: 1, left: isWhole });
          expect((await elsewhere.get('/rotate')).setCookies).toHaveLength(1);
          for (const other of [right, wrong]) {
            expect((await seen(other, elsewhere)).user).toBe('ann');
            expect((await seen(other, browser)).user).toBe('ann');
          }
        }

        const loggedAt = async (url: string): Promise<string[]> =>
          (await new Browser(url).get('/logged')).json();
        expect(await loggedAt(right)).toEqual([]);
        const seconds = Math.abs(moved) / 1000;
        expect(await loggedAt(wrong)).toEqual([
          expect.stringMatching(
            new RegExp(
              `clock of this host is (${seconds}|${seconds - 1}|${seconds + 1}) s ${moved > 0 ? 'ahead of' : 'behind'} the clock of the session store`,
            ),
          ),
        ]);
      },
    );

    it.each([5 * MINUTE, -5 * MINUTE])(
      'says of a session when it expires, to a second (moved by %i ms)',
      async (moved) => {
        const options = optionsOf();
        const [right, wrong] = await Promise.all([urlOf(0, store, options), urlOf(moved, store, options)]);
        const expiries = async (url: string, cookies = new Map<string, string>()): Promise<Expiries> => {
          const browser = new Browser(url);
          for (const [name, value] of cookies) browser.cookies.set(name, value);
          return (await browser.get('/expires')).json();
        };
        const isIn = (duration: number) =>
          expect.toSatisfy((at: number) => Math.abs(at - Date.now() - duration) <= SECOND);
        const expected = { idleExpiresAt: isIn(HOUR), absoluteExpiresAt: isIn(10 * HOUR) };

        for (const url of [wrong, right]) {
          const browser = new Browser(url);
          await browser.get('/login');
          for (const at of [right, wrong]) expect(await expiries(at, browser.cookies)).toEqual(expected);
        }
        // One that is not stored yet would expire as late.
        for (const at of [right, wrong]) expect(await expiries(at)).toEqual(expected);
      },
    );
  },
);

interface Expiries {
  idleExpiresAt: number;
  absoluteExpiresAt: number;
}
