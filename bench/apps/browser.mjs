import { peer } from '../stores/theirs.mjs';

const { Client } = peer('undici');

/** A browser with one connection to each process of an app, which keeps its cookies, and sends a request at a time. */
export class Browser {
  #connections;
  #turn = 0;

  /**
   * @param {string[]} urls its requests go to each in turn
   * @param {Map<string, string>} [cookies] those of another browser, to share its session
   */
  constructor(urls, cookies = new Map()) {
    this.#connections = urls.map((url) => new Client(url));
    this.cookies = cookies;
  }

  /** Resolves when the headers of the last response have come. */
  headers = Promise.resolve();

  /**
   * Sends a request with the cookies of this browser, or with others, which then change as the response says, or
   * without any if `isNew`.
   *
   * @returns {Promise<{ status: number, body: string }>} when the response has ended
   */
  get(path, { cookies = this.cookies, isNew = false } = {}) {
    const connection = this.#connections[this.#turn++ % this.#connections.length];
    const cookie = isNew ? '' : [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    let begun;
    this.headers = new Promise((resolve) => {
      begun = resolve;
    });
    return new Promise((resolve, reject) => {
      let status;
      let body = '';
      connection.dispatch(
        { path, method: 'GET', headers: cookie ? { cookie } : {} },
        {
          onConnect() {},
          onHeaders: (code, headers) => {
            status = code;
            if (!isNew) keep(headers, cookies);
            begun();
            return true;
          },
          onData(chunk) {
            body += chunk.toString('latin1');
            return true;
          },
          onComplete: () => resolve({ status, body }),
          onError: reject,
        },
      );
    });
  }

  async close() {
    await Promise.all(this.#connections.map((connection) => connection.destroy()));
  }
}

/** Changes cookies as the `set-cookie` headers of a response say. */
function keep(headers, cookies) {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at].toString('latin1').toLowerCase() !== 'set-cookie') continue;
    for (const line of [headers[at + 1]].flat().map((header) => header.toString('latin1'))) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/; *expires=Thu, 01 Jan 1970/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
  }
}
