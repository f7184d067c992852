import { once } from 'node:events';
import { createClient } from 'graphql-ws';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { Browser } from '../http/browser.js';
import { cookieOf } from '../sockets/gateway.app.js';

/** One poll by a client that is logged in. Resolves to its user; `null` if it has none any more. */
export type Poll = () => Promise<string | null>;

/** A way to poll. Resolves once it is connected. */
export interface Way {
  name: string;
  open(browser: Browser): Promise<{ poll: Poll; close?: () => void }>;
}

export const byHttp = (name: string, path: string): Way => ({
  name,
  async open(browser) {
    return {
      async poll() {
        const { status, text } = await browser.get(path);
        if (status === 403) return null;
        return /"user":"ann"/.test(text) ? 'ann' : null;
      },
    };
  },
});

export const byGraphql = (name: string, query: string, path = '/graphql'): Way => ({
  name,
  async open(browser) {
    return {
      poll: async () => ((await browser.post(path, { query })).text.includes('"ann"') ? 'ann' : null),
    };
  },
});

/** By a client of graphql-ws. */
export const bySubscriptions = (name: string, query: string, path = '/graphql'): Way => ({
  name,
  async open(browser) {
    const headers = { cookie: cookieOf(browser) };
    class WithCookie extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, { headers });
      }
    }
    const client = createClient({
      url: `${browser.url.replace(/^http/, 'ws')}${path}`,
      webSocketImpl: WithCookie,
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: () => {},
    });
    return {
      async poll() {
        try {
          const { value } = await client.iterate({ query }).next();
          return JSON.stringify(value).includes('"ann"') ? 'ann' : null;
        } catch {
          return null;
        }
      },
      close: () => void client.dispose(),
    };
  },
});

export const byWs = (name: string, event: string, path = '/'): Way => ({
  name,
  async open(browser) {
    const socket = new WebSocket(`${browser.url.replace(/^http/, 'ws')}${path}`, {
      headers: { cookie: cookieOf(browser) },
    });
    await once(socket, 'open');
    return {
      async poll() {
        if (socket.readyState !== socket.OPEN) return null;
        const reply = Promise.race([once(socket, 'message'), once(socket, 'close')]);
        socket.send(JSON.stringify({ event }));
        return String((await reply)[0]).includes('"ann"') ? 'ann' : null;
      },
      close: () => socket.terminate(),
    };
  },
});

export const bySocketIo = (name: string, event: string, query: Record<string, string> = {}): Way => ({
  name,
  async open(browser) {
    const socket = io(browser.url, {
      extraHeaders: { cookie: cookieOf(browser) },
      forceNew: true,
      reconnection: false,
      transports: ['websocket'],
      query,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return {
      async poll() {
        if (!socket.connected) return null;
        const reply = new Promise<unknown>((resolve) => {
          for (const one of ['user', 'exception', 'disconnect']) socket.once(one, resolve);
        });
        socket.emit(event, {});
        return (await reply) === 'ann' ? 'ann' : null;
      },
      close: () => void socket.close(),
    };
  },
});
