import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { startHazelcast } from '../servers/hazelcast.mjs';

const LONG = process.env['LONG'] === '1';
const ROUNDS = LONG ? 10 : 0;
const PROCESSES = 5;

/** Runs a program of this folder. It is killed after the test. */
function run(file: string, ...args: string[]): { child: ChildProcess; printed: () => string } {
  const child = spawn(process.execPath, [`${import.meta.dirname}/${file}`, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let printed = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return { child, printed: () => printed };
}

describe('a process whose connections to all members broke', () => {
  it.each(['own', 'given'])('keeps running and reconnects, with a client that is %s', async (whose) => {
    const { clusterName, members } = inject('hazelcast');
    const { child, printed } = run('broken.process.mjs', clusterName, members.join(), whose);
    await Promise.race([once(child, 'exit'), wait(8000)]);
    expect(printed()).toBe('works\n');
  });

  it.runIf(LONG)(
    `keeps running each time that all members crash while it is suspended, in ${ROUNDS} rounds of ${PROCESSES} processes`,
    { timeout: ROUNDS * 60_000 },
    async () => {
      const { clusterName, addresses, members, stop } = await startHazelcast({ members: 2 });
      onTestFinished(stop);
      const processes = Array.from({ length: PROCESSES }, () =>
        run('suspended.process.mjs', clusterName, addresses.join()),
      );
      const allWrite = () =>
        processes.every(({ printed }) => Number(printed().trim().split('\n').at(-1)) > 0);
      for (let round = 0; round < ROUNDS; round++) {
        await eventually(allWrite, { within: 40_000 });
        for (const { child } of processes) child.kill('SIGSTOP');
        await Promise.all(members.map((member) => member.kill()));
        for (const { child } of processes) child.kill('SIGCONT');
        const before = processes.map(({ printed }) => printed().length);
        const goOn = () => processes.every(({ printed }, at) => printed().length > before[at]! + 4);
        await eventually(goOn, { within: 10_000 });
        for (const member of members) await member.start({ empty: true });
      }
    },
  );
});
