import { Agent, get } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';

/**
 * Uses tokens all the time, and counts how many can be used at once.
 *
 * @typedef {object} WatchReport
 * @property {number} mostUsable how many tokens could be used at one instant, at most
 * @property {number} mostCounted how many sessions the group had at one instant, at most; 0 if they were not counted
 * @property {number} looks how often all tokens were used, if there were any
 * @property {string[]} usable the tokens that can still be used
 */
export class TokenWatch {
  #agent = new Agent({ keepAlive: true });
  #portOf;
  #store;
  #tokens = new Set();
  #running = Promise.resolve();
  #isOn = false;
  #report = { mostUsable: 0, mostCounted: 0, looks: 0 };

  /**
   * @param {() => number} portOf the port of the app of this process
   * @param {import('nestjs-session-stores/store').SessionStore} store
   */
  constructor(portOf, store) {
    this.#portOf = portOf;
    this.#store = store;
  }

  /** @param {{ count?: string }} options `count` is a group whose sessions are counted, too */
  begin({ count }) {
    this.#tokens.clear();
    this.#report = { mostUsable: 0, mostCounted: 0, looks: 0 };
    this.#isOn = true;
    this.#running = Promise.all([this.#use(), count === undefined ? undefined : this.#count(count)]);
    return true;
  }

  /** @param {string} token the session cookie of a client */
  take(token) {
    this.#tokens.add(token);
  }

  /** Resolves when the tokens have been used once more. */
  async used() {
    const { looks } = this.#report;
    while (this.#report.looks === looks) await turn();
    return true;
  }

  /** @returns {Promise<WatchReport>} */
  async end() {
    this.#isOn = false;
    await this.#running;
    await this.#look();
    return { ...this.#report, usable: [...this.#tokens] };
  }

  async #use() {
    while (this.#isOn) {
      await this.#look();
      await turn();
    }
  }

  async #count(group) {
    while (this.#isOn) {
      // While the backend is overloaded, a call may fail.
      const count = await this.#store.count(group).catch(() => 0);
      this.#report.mostCounted = Math.max(this.#report.mostCounted, count);
    }
  }

  /** A session that has ended stays so. Those that are live when they are used were all live when the first was used. */
  async #look() {
    const tokens = [...this.#tokens];
    if (tokens.length === 0) return;
    const live = (await Promise.all(tokens.map((token) => this.#isUsable(token)))).filter(Boolean).length;
    this.#report.looks++;
    this.#report.mostUsable = Math.max(this.#report.mostUsable, live);
  }

  /** Whether a token can be used. It is forgotten if it cannot. */
  async #isUsable(token) {
    const { status, text } = await this.#get(token);
    // If the store has not responded in time, the session may be live or not.
    if (status !== 200) return false;
    const isUsable = text !== 'null';
    if (!isUsable) this.#tokens.delete(token);
    return isUsable;
  }

  #get(cookie) {
    return new Promise((resolve, reject) => {
      const to = { port: this.#portOf(), host: '127.0.0.1', path: '/user', agent: this.#agent };
      get({ ...to, headers: { cookie: `sid=${cookie}` } }, async (res) => {
        let text = '';
        for await (const chunk of res.setEncoding('utf8')) text += chunk;
        resolve({ status: res.statusCode, text });
      }).on('error', reject);
    });
  }
}
