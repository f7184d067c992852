import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Finding } from 'nestjs-session-stores/doctor';
import { expect, inject, it, onTestFinished } from 'vitest';

const CLOCKS = ['Redis clock', 'MongoDB clock', 'Hazelcast clock', 'Hazelcast clock'];

/** What a process whose clock is `moved` by so many milliseconds finds of the clocks of its servers. */
async function clocksSeenBy(moved: number): Promise<Finding[]> {
  const { clusterName, members } = inject('hazelcast');
  const options = {
    redis: inject('redis'),
    mongo: { uri: inject('mongo').url, collection: randomUUID() },
    hazelcast: { config: { clusterName, network: { clusterMembers: members } } },
  };
  const args = [String(moved), JSON.stringify(options)];
  const child = fork(join(import.meta.dirname, 'moved.process.mjs'), args, { execArgv: [] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const gone = once(child, 'exit');
  const [findings] = (await once(child, 'message')) as [Finding[]];
  // It ends by itself: no connection stays open.
  await gone;
  return findings.filter(({ subject }) => subject.endsWith('clock'));
}

it.each([
  [120_000, 'ahead of'],
  [-120_000, 'behind'],
])(
  'a host whose clock is %i ms wrong has a risk on every store, and an examination leaves nothing open',
  async (moved, where) => {
    const clocks = await clocksSeenBy(moved);
    expect(clocks.map(({ subject }) => subject)).toEqual(CLOCKS);
    for (const { outcome, found, remedy } of clocks) {
      expect(outcome).toBe('risk');
      expect(found).toMatch(new RegExp(`^The clock of this host is 1(19|20|21) s ${where} the clock of `));
      expect(remedy).toContain('NTP');
    }
  },
);

it('a host whose clock is a second wrong has no risk', async () => {
  const clocks = await clocksSeenBy(1000);
  expect(clocks.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok', 'ok']);
});
