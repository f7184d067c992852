import type { SessionWhenFull } from 'nestjs-session-stores/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEPLOYMENTS, IN_ONE_STEP, LoginApps, POLICIES, type Login, type LoginApp } from './apps.js';

const MAX = 3;
const isLong = process.env['LONG'] !== undefined;

/** How many logins run in parallel, and how often: `LIMIT_SIZE=50x10` sets another size of the long form. */
function sizeOf(deployment: string): { logins: number; rounds: number } {
  if (!isLong) return { logins: 20, rounds: 1 };
  const size = process.env['LIMIT_SIZE'] ?? (IN_ONE_STEP.includes(deployment) ? '500x200' : '50x20');
  const [logins, rounds] = size.split('x').map(Number) as [number, number];
  return { logins, rounds };
}

/** The statuses that a login may have: it has joined, was ended or regenerated elsewhere, found no place, or the store failed. */
const ALLOWED: Record<SessionWhenFull, number[]> = {
  'end-oldest': [200, 401, 503],
  'end-least-recent': [200, 401, 503],
  reject: [200, 401, 409, 503],
};

describe.each(DEPLOYMENTS)('parallel logins on two processes, on %s', (deployment) => {
  let apps: LoginApps;
  let one: LoginApp;
  let other: LoginApp;
  let reader: LoginApp;

  beforeAll(async () => {
    apps = new LoginApps(deployment);
    [one, other, reader] = (await apps.start(3)) as [LoginApp, LoginApp, LoginApp];
  });
  afterAll(() => apps.stop());

  it.each(POLICIES)(
    'never leave more than three sessions usable at once, and three at the end, with %s',
    async (whenFull) => {
      const { logins, rounds } = sizeOf(deployment);
      const statuses: Record<number, number> = {};
      let looks = 0;
      const startedAt = performance.now();
      for (let round = 0; round < rounds; round++) {
        const group = `${whenFull}-${round}`;
        const logIn = async (app: LoginApp, before?: Login): Promise<Login> => {
          const login = await app.logIn(group, MAX, whenFull, before);
          reader.watch(login);
          return login;
        };
        await reader.beginWatch(IN_ONE_STEP.includes(deployment) ? group : undefined);
        // Some of the others come from this client, which logs in again and again.
        const first = await logIn(other);
        await reader.watching();
        const all = await Promise.all(
          Array.from({ length: logins }, (_, index) =>
            logIn(index % 2 === 0 ? one : other, index % 7 === 0 ? first : undefined),
          ),
        );
        for (const { status } of all) statuses[status] = (statuses[status] ?? 0) + 1;
        const during = await reader.endWatch();
        // The session of a login that the store has failed may hold a place for a minute.
        const isExact = all.every(({ status }) => status !== 503);
        const unexpected = all.filter(({ status }) => !ALLOWED[whenFull].includes(status));
        expect({ round, unexpected }).toEqual({ round, unexpected: [] });
        if (isExact && whenFull !== 'reject')
          expect({ round, stay: during.usable.length }).toEqual({ round, stay: MAX });

        await reader.beginWatch(IN_ONE_STEP.includes(deployment) ? group : undefined);
        for (const token of during.usable) reader.watch({ status: 200, token });
        const last = await (whenFull === 'reject' ? untilFull(() => logIn(one)) : logIn(one));
        const after = await reader.endWatch();
        expect({ round, last: last.status }).toEqual({ round, last: whenFull === 'reject' ? 409 : 200 });
        if (whenFull !== 'reject') expect(after.usable).toContain(last.token);
        if (isExact) expect({ round, usable: after.usable.length }).toEqual({ round, usable: MAX });
        for (const { mostUsable, mostCounted } of [during, after]) {
          expect(mostUsable).toBeLessThanOrEqual(MAX);
          expect(mostCounted).toBeLessThanOrEqual(MAX);
        }
        looks += during.looks;
      }
      // One before the parallel logins, one after them, and in between as often as there was time.
      expect(looks).toBeGreaterThanOrEqual(2 * rounds);
      if (!isLong) return;
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      const what = `${deployment}, ${whenFull}, ${logins} × ${rounds}`;
      console.log(`limits: ${what}: ${seconds} s, ${JSON.stringify(statuses)}, ${looks} looks`);
    },
    isLong ? 900_000 : 30_000,
  );
});

/** Logs in one after the other until the group is full. Resolves to the login that it rejected. */
async function untilFull(logIn: () => Promise<Login>): Promise<Login> {
  for (let count = 0; count < MAX; count++) {
    const login = await logIn();
    if (login.status !== 200) return login;
  }
  return logIn();
}
