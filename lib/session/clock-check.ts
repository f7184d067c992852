import type { SessionConfig } from './config.js';

/** The difference between the clocks of this host and the store above which it is logged, in milliseconds. */
const MOST = 60_000;

/**
 * Logs, once, that the clock of this host differs from the store's by more than a minute. Sessions follow the store's
 * clock, but what else the app stores or compares may not.
 */
export function checkClock({ store, conditions }: SessionConfig): void {
  if (store.capabilities.manualClock) return;
  const ahead = Date.now() - store.now();
  if (Math.abs(ahead) <= MOST) return conditions.end('clocks differ');
  const seconds = Math.round(Math.abs(ahead) / 1000);
  conditions.begin(
    'clocks differ',
    `the clock of this host is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the clock of the session store. Sessions follow the store's clock. Synchronise this host's clock, for example with NTP`,
  );
}
