import type { SessionStore } from 'nestjs-session-stores';
import { FEED_TIMEOUT } from 'nestjs-session-stores/store';
import { onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';

/**
 * Moves clocks of this process ahead until the test has finished, in milliseconds. On a machine that was suspended, the
 * wall clock alone has moved.
 */
export function moveClocks({ steady = 0, wall = 0 }): void {
  move(performance, steady);
  move(Date, wall);
}

// Not a spy, because another spy would be the same one.
function move(clock: { now(): number }, by: number): void {
  const { now } = clock;
  clock.now = () => now.call(clock) + by;
  onTestFinished(() => {
    clock.now = now;
  });
}

/** Resolves once the feed of a store has answered a probe lately. */
export async function untilFresh(store: SessionStore): Promise<void> {
  const watch = await store.watch(() => {});
  try {
    await eventually(() => performance.now() - watch.completeUntil < FEED_TIMEOUT);
  } finally {
    watch.close();
  }
}
