import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Frames, wordsOf } from './resp.mjs';

/**
 * When to cut a connection.
 *
 * @typedef {object} Cut
 * @property {number} [command] the number of the matching command, counted from now on; by default 1
 * @property {RegExp} [matching] matched against its words, joined by spaces, with the name in capitals; by default any
 * @property {'before' | 'after'} [when] `before` the server receives it (default), or `after` the server has run it and
 *   before the client receives the reply
 */

/**
 * Stands between clients and a Redis: counts commands and replies, and cuts or holds connections where a spec wants it.
 * The connection of a subscriber is counted, but its replies cannot be distinguished from its messages: no `after`.
 */
export class RedisProxy {
  /**
   * @param {{ host: string, port: number }} server
   * @returns {Promise<RedisProxy>}
   */
  static async to(server) {
    const proxy = new RedisProxy(server);
    proxy.#listener.listen(0, proxy.host);
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  host = '127.0.0.1';
  #listener = createServer((client) => this.#join(client));
  #server;
  /** @type {Set<Link>} */
  #links = new Set();
  #counts = none();
  #held = false;
  /** @type {(Required<Cut> & { done: () => void }) | undefined} */
  #cut;

  /** @param {{ host: string, port: number }} server */
  constructor({ host, port }) {
    this.#server = { host, port };
  }

  get port() {
    return /** @type {import('node:net').AddressInfo} */ (this.#listener.address()).port;
  }

  get url() {
    return `redis://${this.host}:${this.port}`;
  }

  /** The counts since the last reset. */
  counted() {
    return { ...this.#counts, byName: { ...this.#counts.byName } };
  }

  reset() {
    this.#counts = none();
  }

  /**
   * Cuts the connection of a command, and resolves when that has happened. The commands before it reach the server,
   * those after it do not. A later cut replaces an earlier one.
   *
   * @param {Cut} [cut]
   * @returns {Promise<void>}
   */
  cut({ command = 1, matching = /^/, when = 'before' } = {}) {
    return new Promise((done) => {
      this.#cut = { command, matching, when, done };
    });
  }

  /** Cuts all connections now. */
  cutAll() {
    for (const link of this.#links) link.destroy();
  }

  /** Lets nothing through, in either direction, on existing and new connections. */
  hold() {
    this.#held = true;
    for (const link of this.#links) link.pause();
  }

  /** Lets through what was held, and everything after it. */
  release() {
    this.#held = false;
    for (const link of this.#links) link.resume();
  }

  /**
   * Lets new connections go to another server, as the address of a managed Redis does after a failover. Existing
   * connections stay where they are.
   *
   * @param {{ host: string, port: number }} server
   */
  pointTo({ host, port }) {
    this.#server = { host, port };
  }

  /** Cuts all connections and accepts no more. */
  async close() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.cutAll();
    await closed;
  }

  #join(client) {
    const link = new Link(client, connect(this.#server), {
      command: (frame) => this.#seeCommand(frame),
      reply: (frame, isReply) => {
        this.#counts.bytesToClients += frame.length;
        if (isReply) this.#counts.replies++;
      },
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
    if (this.#held) link.pause();
  }

  /** Counts a command that is passed on. Returns the cut that it triggers, if any. */
  #seeCommand(frame) {
    const words = wordsOf(frame);
    const cut = this.#cutFor(words);
    if (cut?.when === 'before') return cut;
    const [name] = words;
    this.#counts.commands++;
    this.#counts.byName[name] = (this.#counts.byName[name] ?? 0) + 1;
    this.#counts.bytesToServer += frame.length;
    return cut;
  }

  #cutFor(words) {
    const cut = this.#cut;
    if (!cut?.matching.test(words.join(' ')) || --cut.command > 0) return undefined;
    this.#cut = undefined;
    return cut;
  }
}

const none = () => ({
  commands: 0,
  replies: 0,
  bytesToServer: 0,
  bytesToClients: 0,
  /** @type {Record<string, number>} */
  byName: {},
});

/** The connection of a client, and its counterpart to the server. */
class Link {
  #client;
  #server;
  #see;
  #pending = 0;
  /** The cut in progress: nothing more is sent to the server. */
  #cut;

  constructor(client, server, see) {
    this.#client = client;
    this.#server = server;
    this.#see = see;
    const [commands, replies] = [new Frames(), new Frames()];
    client.on('data', (chunk) => {
      // Commands that arrive together are passed on together. Otherwise a pipeline would need a system call per command.
      server.cork();
      for (const frame of commands.completedBy(chunk)) this.#command(frame);
      server.uncork();
    });
    server.on('data', (chunk) => {
      client.cork();
      for (const frame of replies.completedBy(chunk)) this.#reply(frame);
      client.uncork();
    });
    for (const socket of [client, server]) {
      socket.setNoDelay();
      socket.on('error', () => {});
      socket.once('close', () => this.destroy());
    }
  }

  #command(frame) {
    if (this.#cut) return;
    const cut = this.#see.command(frame);
    if (cut) this.#cut = { ...cut, replies: this.#pending + 1 };
    if (cut?.when === 'before') return this.#cutNow();
    this.#server.write(frame);
    this.#pending++;
  }

  #reply(frame) {
    const isReply = frame[0] !== PUSH;
    if (isReply) {
      this.#pending--;
      if (this.#cut && --this.#cut.replies === 0) return this.#cutNow();
    }
    if (this.#client.destroyed) return;
    this.#see.reply(frame, isReply);
    this.#client.write(frame);
  }

  #cutNow() {
    this.destroy();
    this.#cut.done();
  }

  pause() {
    this.#client.pause();
    this.#server.pause();
  }

  resume() {
    this.#client.resume();
    this.#server.resume();
  }

  /** Both sides still receive what was written to them. */
  destroy() {
    this.#client.destroySoon();
    this.#server.destroySoon();
    this.#see.closed();
  }
}

const PUSH = '>'.charCodeAt(0);
