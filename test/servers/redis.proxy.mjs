import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Frames, wordsOf } from './resp.mjs';

/**
 * When to cut a connection.
 *
 * @typedef {object} Cut
 * @property {number} [command] the how manieth of the matching commands from now on; the first by default
 * @property {RegExp} [matching] what its words, joined by spaces and the name in capitals, match; all by default
 * @property {'before' | 'after'} [when] `before` the server gets it (default), or `after` the server has run it and
 *   before the client gets the answer
 */

/**
 * Stands between clients and a Redis: counts what they say, and cuts or holds their connections where a spec wants it.
 * The connection of a subscriber is counted, but its answers cannot be told from its messages: it has no `after`.
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

  /** What went through since it was last reset. */
  counted() {
    return { ...this.#counts, byName: { ...this.#counts.byName } };
  }

  reset() {
    this.#counts = none();
  }

  /**
   * Cuts the connection that a command comes on, and is fulfilled when that has happened. The commands before it reach
   * the server, those behind it do not. The last cut that was asked for counts.
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

  /** Lets nothing through, in either direction, on connections that are there and that come. */
  hold() {
    this.#held = true;
    for (const link of this.#links) link.pause();
  }

  /** Lets through what was held, and what comes. */
  release() {
    this.#held = false;
    for (const link of this.#links) link.resume();
  }

  /** Cuts all connections and takes no more. */
  async close() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.cutAll();
    await closed;
  }

  #join(client) {
    const link = new Link(client, connect(this.#server), {
      command: (frame) => this.#seeCommand(frame),
      answer: (frame, isAnswer) => {
        this.#counts.bytesToClients += frame.length;
        if (isAnswer) this.#counts.answers++;
      },
      closed: () => this.#links.delete(link),
    });
    this.#links.add(link);
    if (this.#held) link.pause();
  }

  /** Counts a command that goes on, and gives the cut that it was the command for. */
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
  answers: 0,
  bytesToServer: 0,
  bytesToClients: 0,
  /** @type {Record<string, number>} */
  byName: {},
});

/** One client's connection, and the one to the server that stands for it. */
class Link {
  #client;
  #server;
  #see;
  #unanswered = 0;
  /** The cut that is under way: nothing more goes to the server. */
  #cut;

  constructor(client, server, see) {
    this.#client = client;
    this.#server = server;
    this.#see = see;
    const [commands, answers] = [new Frames(), new Frames()];
    client.on('data', (chunk) => {
      // What came together goes on together: else a pipeline would cost a system call a command.
      server.cork();
      for (const frame of commands.completedBy(chunk)) this.#command(frame);
      server.uncork();
    });
    server.on('data', (chunk) => {
      client.cork();
      for (const frame of answers.completedBy(chunk)) this.#answer(frame);
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
    if (cut) this.#cut = { ...cut, answers: this.#unanswered + 1 };
    if (cut?.when === 'before') return this.#cutNow();
    this.#server.write(frame);
    this.#unanswered++;
  }

  #answer(frame) {
    const isAnswer = frame[0] !== PUSH;
    if (isAnswer) {
      this.#unanswered--;
      if (this.#cut && --this.#cut.answers === 0) return this.#cutNow();
    }
    if (this.#client.destroyed) return;
    this.#see.answer(frame, isAnswer);
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

  /** Both still get what was written to them. */
  destroy() {
    this.#client.destroySoon();
    this.#server.destroySoon();
    this.#see.closed();
  }
}

const PUSH = '>'.charCodeAt(0);
