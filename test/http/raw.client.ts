import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that sends arbitrary bytes, well-formed or not, one request after the other on a keep-alive connection. */
export class RawClient {
  #socket: Socket | undefined;

  constructor(private readonly port: number) {}

  /** Sends a GET with these bytes as its Cookie header. Node's parser may respond instead of the app. */
  async get(cookie: Uint8Array): Promise<{ status: number; body: string }> {
    const socket = await this.#connection();
    socket.write(
      Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nCookie: '), cookie, Buffer.from('\r\n\r\n')]),
    );
    let received = '';
    for (;;) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      received += chunk.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) continue;
      const head = received.slice(0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      const body = received.slice(end + 4);
      if (body.length < length) continue;
      // Bytes that end the header early cause a second response for the rest. It is not waited for.
      if (body.length > length || /connection: close/i.test(head) || cookie.includes(0x0a)) this.close();
      return { status: Number(head.split(' ')[1]), body: body.slice(0, length) };
    }
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #connection(): Promise<Socket> {
    if (this.#socket && !this.#socket.destroyed && this.#socket.readable) return this.#socket;
    const socket = connect(this.port, '127.0.0.1');
    // A reset of an idle connection is not a failure.
    socket.on('error', () => {});
    this.#socket = socket;
    await once(socket, 'connect');
    return socket;
  }
}
