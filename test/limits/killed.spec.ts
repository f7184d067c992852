import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { DEPLOYMENTS, LoginApps, type Login, type LoginApp } from './apps.js';

const MAX = 3;
const isLong = process.env['LONG'] !== undefined;

/** One that joins in one step and one that does not; with `LONG=1` all. */
const deployments = isLong ? DEPLOYMENTS : ['cluster', 'mongo'];
const policies = isLong ? (['end-oldest', 'end-least-recent'] as const) : (['end-oldest'] as const);

describe.each(deployments)('when a process is killed in the middle of its logins, on %s', (deployment) => {
  let apps: LoginApps;
  let survivor: LoginApp;

  beforeAll(async () => {
    apps = new LoginApps(deployment);
    [survivor] = (await apps.start(1)) as [LoginApp];
  });
  afterAll(() => apps.stop());

  it.each(policies)('the next logins find all of the places, with %s', async (whenFull) => {
    const [victim] = (await apps.start(1)) as [LoginApp];
    const logins = Array.from({ length: 20 }, () => victim.logIn(whenFull, MAX, whenFull));
    await Promise.race(logins);
    await victim.kill();
    const cut = (await Promise.allSettled(logins)).filter(({ status }) => status === 'rejected');
    expect(cut.length).toBeGreaterThan(0);

    await survivor.beginWatch();
    const next: Login[] = [];
    for (let count = 0; count < MAX; count++) {
      const login = await survivor.logIn(whenFull, MAX, whenFull);
      survivor.watch(login);
      next.push(login);
      expect((await survivor.lifetimesOf(whenFull)).length).toBeLessThanOrEqual(MAX);
    }
    expect(next.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { usable } = await survivor.endWatch();
    expect(usable.toSorted()).toEqual(next.map(({ token }) => token).toSorted());
  });

  it('its session holds a place for a minute at most, with reject', async () => {
    for (let count = 1; count < MAX; count++) await survivor.logIn('reject', MAX, 'reject');
    // It has joined, and has not looked again.
    const [victim] = (await apps.start(1, { dieBefore: 3 })) as [LoginApp];
    await victim.logIn('reject', MAX, 'reject').catch(() => {});
    await victim.gone;

    const lifetimes = (await survivor.lifetimesOf('reject')).toSorted((one, other) => one - other);
    expect(lifetimes).toHaveLength(MAX);
    expect(lifetimes[0]).toBeLessThanOrEqual(60_000);
    expect(lifetimes[1]).toBeGreaterThan(60_000);
    expect((await survivor.logIn('reject', MAX, 'reject')).status).toBe(409);
    if (!isLong) return;
    await eventually(async () => expect((await survivor.logIn('reject', MAX, 'reject')).status).toBe(200), {
      within: 61_000,
    });
  }, 90_000);
});

describe('when a process is killed between two steps of a login', () => {
  // The steps of a join that ends one session.
  it.each(isLong ? [1, 2, 3, 4, 5] : [3])(
    'before step %i, the next login finds its place',
    async (dieBefore) => {
      const apps = new LoginApps('redis-cluster');
      try {
        const [survivor] = (await apps.start(1)) as [LoginApp];
        for (let count = 0; count < MAX; count++) await survivor.logIn('g', MAX, 'end-oldest');
        const [victim] = (await apps.start(1, { dieBefore })) as [LoginApp];
        await expect(victim.logIn('g', MAX, 'end-oldest')).rejects.toThrow();
        await victim.gone;
        expect((await survivor.logIn('g', MAX, 'end-oldest')).status).toBe(200);
        expect(await survivor.lifetimesOf('g')).toHaveLength(MAX);
      } finally {
        apps.stop();
      }
    },
  );
});
