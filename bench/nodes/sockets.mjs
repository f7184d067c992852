// The connections that this process has to the nodes of a backend.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as wait } from 'node:timers/promises';

const CHANNEL = 'net.client.socket';
/** How long no connection opens or closes until their number counts, in milliseconds. */
const REST = 1_000;

/** The open connections among those that begin between the construction and `stop()`. */
export class OpenSockets {
  #open = new Set();
  #changed = 0;

  constructor() {
    subscribe(CHANNEL, this.#add);
  }

  /** Their number, once it no longer changes. */
  async count() {
    for (let seen = -1; seen !== this.#changed; await wait(REST)) seen = this.#changed;
    return this.#open.size;
  }

  stop() {
    unsubscribe(CHANNEL, this.#add);
  }

  #add = ({ socket }) => {
    socket.once('connect', () => {
      this.#changed++;
      this.#open.add(socket);
    });
    socket.once('close', () => {
      this.#changed++;
      this.#open.delete(socket);
    });
  };
}
