import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { CLIENT_GREETING, IS_MAP, Messages } from './hazelcast.messages.mjs';

/** Calls of maps, by their numbers in the client protocol. */
const NAMES = {
  0x010100: 'put',
  0x010200: 'get',
  0x010300: 'remove',
  0x010400: 'replace',
  0x010500: 'replaceIfSame',
  0x010800: 'removeIfSame',
  0x010900: 'delete',
  0x010e00: 'putIfAbsent',
  0x012300: 'getAll',
  0x012600: 'keySetWithPredicate',
  0x014300: 'setTtl',
};

/**
 * Stands between one member and clients with `smartRouting: false`, which contact no other member. Counts the calls of
 * maps that they send, and cuts a connection where a spec wants it.
 */
export class HazelcastProxy {
  /**
   * @param {string} address of the member
   * @returns {Promise<HazelcastProxy>}
   */
  static async to(address) {
    const proxy = new HazelcastProxy(address);
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  #listener = createServer((client) => this.#join(client));
  #member;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();
  /** Correlation ids of calls that have no reply yet. @type {Set<bigint>} */
  #pending = new Set();
  /** @type {string[][]} */
  #roundTrips = [];
  /** @type {string | undefined} */
  #cut;

  constructor(address) {
    const [host, port] = address.split(':');
    this.#member = { host, port: Number(port) };
  }

  get address() {
    return `127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (this.#listener.address()).port}`;
  }

  /**
   * The calls that were made during `work`, by round trips: a call that is sent before others have their reply is part
   * of their round trip.
   *
   * @param {() => Promise<unknown>} work
   * @returns {Promise<string[][]>}
   */
  async roundTripsOf(work) {
    this.#roundTrips = [];
    await work();
    return this.#roundTrips;
  }

  /** Cuts the connection of the next call with this name, after the member may have received it. */
  cutAt(name) {
    this.#cut = name;
  }

  /** Cuts all connections. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close() {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.cut();
    await closed;
  }

  #join(client) {
    const member = connect(this.#member);
    const sent = new Messages(CLIENT_GREETING.length);
    const received = new Messages(0);
    client.on('data', (chunk) => {
      for (const message of sent.completedBy(chunk)) if (this.#call(message)) client.destroy();
      member.write(chunk);
    });
    member.on('data', (chunk) => {
      for (const { id } of received.completedBy(chunk)) this.#pending.delete(id);
      client.write(chunk);
    });
    for (const [socket, other] of [
      [client, member],
      [member, client],
    ]) {
      this.#sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#pending.clear();
        other.destroySoon();
      });
    }
  }

  /** Counts a call. Returns whether to cut its connection. */
  #call({ type, id }) {
    if (type >> 16 !== IS_MAP) return false;
    const name = NAMES[type] ?? `0x${type.toString(16)}`;
    if (this.#pending.size === 0) this.#roundTrips.push([]);
    this.#roundTrips.at(-1).push(name);
    this.#pending.add(id);
    if (this.#cut !== name) return false;
    this.#cut = undefined;
    return true;
  }
}
