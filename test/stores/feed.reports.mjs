/**
 * What a watcher reports: an event and when it was heard, or until when the watch is complete. Instants are of `hostTime`.
 *
 * @typedef {{ event: import('nestjs-session-stores/store').SessionFeedEvent, at: number } | { completeUntil: number }} FeedReport
 */

/**
 * The host's monotonic clock, which all processes share, in milliseconds.
 *
 * @returns {number}
 */
export function hostTime() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** From an instant of `performance.now()` to one of the host's clock; too low by no more than an interruption. */
const OFFSET = hostTime() - performance.now();

/**
 * Watches a store. Reports each event, and each new instant until which the watch is complete before any later event.
 *
 * @param {import('nestjs-session-stores/store').SessionStore} store
 * @param {(report: FeedReport) => void} report
 * @returns {Promise<() => void>} ends the watch
 */
export async function watchReports(store, report) {
  let watch;
  let last = -Infinity;
  const look = () => {
    const { completeUntil = -Infinity } = watch ?? {};
    if (completeUntil !== last) report({ completeUntil: completeUntil + OFFSET });
    last = completeUntil;
  };
  watch = await store.watch((event) => {
    look();
    report({ event, at: hostTime() });
  });
  look();
  const timer = setInterval(look, 5);
  return () => {
    clearInterval(timer);
    watch.close();
  };
}
