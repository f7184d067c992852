import cluster, { type Worker } from 'node:cluster';
import { isOutageMessage, type OutageMessage } from '../store/outage.message.js';

/** Passes what one worker says of an outage on to all workers, and to those that start during it. */
export function relayOutages(): void {
  let last: OutageMessage | undefined;
  const tell = (worker: Worker, message: OutageMessage): void => {
    // One that is about to exit need not know.
    if (worker.isConnected()) worker.send(message, () => {});
  };

  cluster.on('message', (_sender, message: unknown) => {
    if (!isOutageMessage(message)) return;
    last = message;
    for (const worker of Object.values(cluster.workers ?? {})) if (worker) tell(worker, message);
  });
  cluster.on('online', (worker) => {
    if (last) tell(worker, last);
  });
}
