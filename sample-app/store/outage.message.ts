/** When the store is out of reach, in epoch milliseconds. */
export interface Outage {
  from: number;
  until: number;
}

/** A message about an outage, from a worker to the primary, and from the primary to all workers. */
export interface OutageMessage {
  outage: Outage;
}

export function isOutageMessage(message: unknown): message is OutageMessage {
  return typeof message === 'object' && message !== null && 'outage' in message;
}
