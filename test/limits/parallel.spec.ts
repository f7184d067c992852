import type { SessionWhenFull } from 'nestjs-session-stores/store';
import { expect, it } from 'vitest';
import { DEPLOYMENTS, IN_ONE_STEP, LoginApp, POLICIES, type Login } from './apps.js';

const MAX = 3;
const isLong = process.env['LONG'] !== undefined;

/** How many logins run in parallel, and how often. `LIMIT_SIZE=500x200` sets another size for the long form. */
function sizeOf(deployment: string): { logins: number; rounds: number } {
  if (!isLong) return { logins: 20, rounds: 1 };
  const [logins, rounds] = (
    process.env['LIMIT_SIZE'] ?? (IN_ONE_STEP.includes(deployment) ? '500x20' : '50x20')
  )
    .split('x')
    .map(Number) as [number, number];
  return { logins, rounds };
}

/** The statuses that a login may have: it joined, was ended by others or rejected by a full group, or the store failed. */
const ALLOWED: Record<SessionWhenFull, number[]> = {
  'end-oldest': [200, 401, 503],
  'end-least-recent': [200, 401, 503],
  reject: [200, 409, 503],
};

const cases = Object.keys(DEPLOYMENTS).flatMap((deployment) =>
  POLICIES.map((whenFull): [string, SessionWhenFull] => [deployment, whenFull]),
);

it.each(cases)(
  'of parallel logins on two processes never more than three are usable at once, and three stay, on %s with %s',
  async (deployment, whenFull) => {
    const { logins, rounds } = sizeOf(deployment);
    const [one, other, reader] = (await LoginApp.start(deployment, 3)) as [LoginApp, LoginApp, LoginApp];
    const statuses: Record<number, number> = {};
    let looks = 0;
    const startedAt = performance.now();
    for (let round = 0; round < rounds; round++) {
      const group = `user-${round}`;
      const logIn = async (app: LoginApp): Promise<Login> => {
        const login = await app.logIn(group, MAX, whenFull);
        reader.watch(login);
        return login;
      };
      await reader.beginWatch(IN_ONE_STEP.includes(deployment) ? group : undefined);
      const all = await Promise.all(
        Array.from({ length: logins }, (_, index) => logIn(index % 2 === 0 ? one : other)),
      );
      for (const { status } of all) statuses[status] = (statuses[status] ?? 0) + 1;
      const last = await (whenFull === 'reject' ? fill(() => logIn(one)) : logIn(one));
      const report = await reader.endWatch();
      looks += report.looks;

      const unexpected = all.filter(({ status }) => !ALLOWED[whenFull].includes(status));
      expect({ round, unexpected }).toEqual({ round, unexpected: [] });
      expect({ round, status: last.status }).toEqual({ round, status: whenFull === 'reject' ? 409 : 200 });
      expect(report.mostUsable).toBeLessThanOrEqual(MAX);
      expect(report.mostCounted).toBeLessThanOrEqual(MAX);
      // A login whose store has failed may hold a place for a minute.
      if (whenFull !== 'reject' || !statuses[503])
        expect({ round, usable: report.usable.length }).toEqual({ round, usable: MAX });
      if (whenFull !== 'reject') expect(report.usable).toContain(last.token);
    }
    if (isLong) {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(
        `limits: ${deployment}, ${whenFull}, ${logins} × ${rounds}: ${seconds} s, ${JSON.stringify(statuses)}, ${looks} looks`,
      );
    }
  },
  isLong ? 900_000 : 30_000,
);

/** Logs in one after the other until the group is full. Resolves to the login that it rejected. */
async function fill(logIn: () => Promise<Login>): Promise<Login> {
  for (let count = 0; count < MAX; count++) {
    const login = await logIn();
    if (login.status !== 200) return login;
  }
  return logIn();
}
