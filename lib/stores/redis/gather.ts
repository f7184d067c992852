import type { Cluster, Redis } from 'ioredis';

/** The streams that have sent something in this turn of the event loop. */
const busy = new WeakSet<object>();

/**
 * Sends the first command of a turn of the event loop at once, and all others of that turn in one packet, because a
 * system call costs more than the rest of a command. Call it before each command.
 *
 * Measured against a server on the same machine, sessions of ten properties of 70 bytes, medians of 41 alternating
 * rounds. With 32 calls in flight a process made 1.8 times as many reads a second (middle half of the rounds: 1.6–1.9)
 * and 1.3 times as many writes (1.1–1.4). Its own CPU time per call was 30 % and 24 % less, the server's 67 % and 23 %.
 * With 256 in flight its own was 20 % and 11 % less, at 1.1 and 1.0 times the rate. One call at a time costs 6 % more.
 */
export function gather(client: Redis | Cluster): void {
  // A Cluster has no stream of its own, but a connection to each node.
  const { stream } = client as Partial<Redis>;
  if (!stream) return;
  if (!busy.has(stream)) {
    busy.add(stream);
    setImmediate(() => {
      busy.delete(stream);
      while (stream.writableCorked > 0) stream.uncork();
    });
  } else if (stream.writableCorked === 0) stream.cork();
}
