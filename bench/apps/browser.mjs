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

  /**
   * Resolves when the response has ended, or when its headers have come if `early`.
   *
   * @returns {Promise<{ status: number, body: string }>}
   */
  get(path, { early = false, isNew = false } = {}) {
    const connection = this.#connections[this.#turn++ % this.#connections.length];
    const cookie = isNew ? '' : [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return new Promise((resolve, reject) => {
      let status;
      let body = '';
      connection.dispatch(
        { path, method: 'GET', headers: cookie ? { cookie } : {} },
        {
          onConnect() {},
          onHeaders: (code, headers) => {
            status = code;
            if (!isNew) this.#keep(headers);
            if (early) resolve({ status, body });
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

  #keep(headers) {
    for (let at = 0; at < headers.length; at += 2) {
      if (headers[at].toString('latin1').toLowerCase() !== 'set-cookie') continue;
      for (const line of [headers[at + 1]].flat()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line.toString('latin1'));
        if (/; *expires=Thu, 01 Jan 1970/i.test(line.toString('latin1'))) this.cookies.delete(name);
        else this.cookies.set(name, value);
      }
    }
  }
}
