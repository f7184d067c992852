/** The start of the ids of sessions that only probe a store. */
const PREFIX = 'nestjs-session-stores-probe-';

/** The id of a session that only probes a store. */
export function probeId(rest: string): string {
  return PREFIX + rest;
}

/** Whether a session only probes a store, so that it does not count. */
export function isProbe(id: string): boolean {
  return id.startsWith(PREFIX);
}
