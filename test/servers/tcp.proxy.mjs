import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Stands between clients and a server, whatever their protocol: cuts or holds connections where a spec wants it. */
export class TcpProxy {
  /**
   * @param {{ host: string, port: number }} server
   * @returns {Promise<TcpProxy>}
   */
  static async to(server) {
    const proxy = new TcpProxy(server);
    proxy.#listener.listen(0, proxy.host);
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  host = '127.0.0.1';
  #listener = createServer((client) => this.#join(client));
  #server;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();
  #isHeld = false;

  /** @param {{ host: string, port: number }} server */
  constructor({ host, port }) {
    this.#server = { host, port };
  }

  get port() {
    return /** @type {import('node:net').AddressInfo} */ (this.#listener.address()).port;
  }

  /** Cuts all connections now. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets nothing through, in either direction, on existing and new connections. */
  hold() {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Lets through what was held, and everything after it. */
  release() {
    this.#isHeld = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Cuts all connections and accepts no more. */
  async close() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.cut();
    await closed;
  }

  #join(client) {
    const server = connect(this.#server);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ]) {
      this.#sockets.add(socket);
      socket.setNoDelay();
      socket.on('data', (chunk) => other.write(chunk));
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroySoon();
      });
      if (this.#isHeld) socket.pause();
    }
  }
}
