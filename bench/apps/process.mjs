// What every process of an app tells the bench.

/** Sends the port of a server, and figures of this process whenever the bench wants them. */
export function report(server) {
  // An app pauses while others have their turn.
  server.keepAliveTimeout = 600_000;
  process.send({ port: server.address().port });
  process.on('message', (message) => {
    if (message !== 'figures') return;
    process.send({ figures: figuresNow() });
  });
  process.on('disconnect', () => process.exit());
}

/** The CPU time of this process in µs, and the bytes on its heap, after a collection if it may start one. */
export function figuresNow() {
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  return { cpu: user + system, heap: process.memoryUsage().heapUsed };
}
