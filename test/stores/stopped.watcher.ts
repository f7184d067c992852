import { fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { FEED_TIMEOUT, type SessionStore } from 'nestjs-session-stores/store';
import { expect } from 'vitest';
import { Endings } from './endings.js';
import { FeedLedger } from './feed.ledger.js';
import type { FeedReport } from './feed.reports.mjs';

/** For how long the process is stopped, each time, in milliseconds. */
const STOPS = [0.5, 1.5, 3, 3.5].map((times) => times * FEED_TIMEOUT);

/**
 * Asserts that a watcher in a process of its own skips no end while the process is stopped, nor right after it continues.
 *
 * @param word the store's word
 * @param options options of the watcher's store, which become JSON
 * @param writer another store of the same sessions
 */
export async function expectNothingSkippedWhileStopped(
  word: string,
  options: object,
  writer: SessionStore,
): Promise<void> {
  const child = fork(join(import.meta.dirname, 'feed.process.mjs'), [word, JSON.stringify(options)], {
    execArgv: [],
    // JSON has no -Infinity.
    serialization: 'advanced',
  });
  const ledger = await FeedLedger.ofReports(async (report) => {
    child.on('message', (message) => report(message as FeedReport));
    return () => child.kill('SIGKILL');
  }, writer.capabilities);
  const endings = new Endings(writer, [ledger]);
  await endings.during(ledger.complete());
  for (const time of STOPS) {
    const before = endings.acknowledged;
    child.kill('SIGSTOP');
    await endings.during(wait(time));
    expect(endings.acknowledged).toBeGreaterThan(before);
    child.kill('SIGCONT');
    await endings.during(ledger.complete());
    await ledger.expectNothingSkipped();
  }
}
