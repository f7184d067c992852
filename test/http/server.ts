import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A server on a free loopback port. */
export interface TestServer {
  url: string;
  port: number;
  close(): Promise<void>;
}

/** Serves until the test has finished, and then closes the server and what its listener uses. */
export async function serveForTest(
  listener: RequestListener,
  used: { close(): Promise<void> },
): Promise<TestServer> {
  const server = await serve(listener);
  onTestFinished(async () => {
    await server.close();
    await used.close();
  });
  return server;
}

export async function serve(listener: RequestListener): Promise<TestServer> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
