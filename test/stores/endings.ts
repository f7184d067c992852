import { randomUUID } from 'node:crypto';
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import type { SessionStore } from 'nestjs-session-stores/store';
import { expect } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import type { FeedLedger } from './feed.ledger.js';
import { hostTime } from './feed.reports.mjs';

/** How sessions are ended. */
export interface Pace {
  /** How many end sessions at the same time. By default 1. */
  clients?: number;
  /** How long each of them waits after an end, in milliseconds. By default not at all. */
  pause?: number;
}

/** Ends sessions of a store, and enters each end that was acknowledged into ledgers. */
export class Endings {
  /** How many ends were acknowledged. */
  acknowledged = 0;

  constructor(
    private readonly store: SessionStore,
    private readonly ledgers: readonly FeedLedger[],
  ) {}

  /** Creates a session and destroys it. Resolves to its id. Rejects if the store fails. */
  async end(): Promise<string> {
    const { id } = aRecord(randomUUID());
    await this.store.create(aRecord(id));
    const begun = hostTime();
    await this.store.destroy(id);
    const acknowledged = hostTime();
    for (const ledger of this.ledgers) ledger.add({ id, begun, acknowledged });
    this.acknowledged++;
    return id;
  }

  /** Ends sessions, one after another, until `story` has settled. A failure of the store is no end. */
  async during(story: Promise<unknown>, { clients = 1, pause = 0 }: Pace = {}): Promise<void> {
    const over = new AbortController();
    const client = async (): Promise<void> => {
      while (!over.signal.aborted) {
        await this.end().catch(() => wait(1));
        await (pause > 0 ? wait(pause) : setImmediate());
      }
    };
    const ending = Array.from({ length: clients }, client);
    await story.finally(() => {
      over.abort();
      return Promise.all(ending);
    });
  }

  /** Waits until some more ends were acknowledged, which somebody else makes. */
  async more(count: number): Promise<void> {
    const before = this.acknowledged;
    await eventually(() => this.acknowledged >= before + count, { within: 60_000 });
  }
}

/** Asserts that watchers skip no end during a fault, and hear of one after it. */
export async function expectNothingSkipped(
  writer: SessionStore,
  ledgers: readonly FeedLedger[],
  fault: (endings: Endings) => Promise<void>,
): Promise<void> {
  const endings = new Endings(writer, ledgers);
  const story = async (): Promise<void> => {
    await endings.more(20);
    await fault(endings);
    await Promise.all(ledgers.map((ledger) => ledger.complete()));
    await endings.more(20);
  };
  await endings.during(story(), { clients: 4 });
  const last = await endings.end();
  for (const ledger of ledgers) await ledger.expectNothingSkipped();
  expect(ledgers.map((ledger) => ledger.hasHeard(last))).toEqual(ledgers.map(() => true));
}
