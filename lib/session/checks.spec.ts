import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionChecks } from './checks.js';

/** Checks that are pending until they are told how they end. */
class HeldChecks {
  readonly begun: string[] = [];
  readonly failures: number[] = [];
  readonly checks = new SessionChecks(
    (id) => {
      this.begun.push(id);
      return new Promise((resolve) => void this.#pending.set(id, resolve));
    },
    (failures) => void this.failures.push(failures),
  );
  readonly #pending = new Map<string, (couldRead: boolean) => void>();

  get inFlight(): number {
    return this.#pending.size;
  }

  /** Ends the pending checks of some sessions, of all by default. */
  async settle(couldRead: boolean, ids: Iterable<string> = [...this.#pending.keys()]): Promise<void> {
    for (const id of ids) {
      this.#pending.get(id)?.(couldRead);
      this.#pending.delete(id);
    }
    await vi.advanceTimersByTimeAsync(0);
  }
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, at) => `id ${at}`);

describe('checks of sessions', () => {
  let held: HeldChecks;

  beforeEach(() => {
    vi.useFakeTimers();
    held = new HeldChecks();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('of sessions that are named one after the other run in parallel, 64 at once', async () => {
    for (const id of ids(100)) held.checks.name(id);
    expect(held.inFlight).toBe(64);
    await held.settle(true, ids(10));
    expect(held.inFlight).toBe(64);
    await held.settle(true);
    await held.settle(true);
    expect(held.begun).toEqual(ids(100));
    expect(held.failures).toEqual([0]);
  });

  it('run again for a session that is named while it is checked', async () => {
    held.checks.name('a');
    held.checks.name('a');
    await held.settle(true);
    expect(held.begun).toEqual(['a', 'a']);
  });

  it('run again after a second if the store could not be read, and hold up no others', async () => {
    for (const id of ids(3)) held.checks.name(id);
    await held.settle(false, ['id 0']);
    held.checks.name('later');
    await held.settle(true);
    expect(held.begun).toEqual([...ids(3), 'later']);
    expect(held.failures).toEqual([1]);

    await vi.advanceTimersByTimeAsync(999);
    expect(held.inFlight).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(held.begun.slice(4)).toEqual(['id 0']);
    await held.settle(true);
    expect(held.failures).toEqual([1, 0]);
  });

  it('stop after 64 failures, and a later round begins where they have stopped', async () => {
    held.checks.begin(ids(100));
    await held.settle(false);
    expect(held.begun).toEqual(ids(64));
    expect(held.failures).toEqual([64]);
    held.checks.begin(ids(100));
    expect(held.begun.slice(64, 66)).toEqual(['id 64', 'id 65']);
  });

  it('of a round begin after those that were named, and not while others run', async () => {
    held.checks.name('named');
    held.checks.begin(['round']);
    await held.settle(true);
    expect(held.begun).toEqual(['named']);
  });
});
