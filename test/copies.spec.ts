import { randomUUID } from 'node:crypto';
import { SessionStoreError } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyOfPackage } from './cluster/copy.js';
import { dataOf, serveApp, type Handler } from './http/app.js';

// Two copies of this package may be loaded: a class of the one is not a class of the other.

let copy: Awaited<ReturnType<typeof copyOfPackage>>;
let CopiedStore: typeof ClusterStore;

beforeAll(async () => {
  copy = await copyOfPackage();
  ({ ClusterStore: CopiedStore } = await copy.load());
});
afterAll(() => copy.remove());

const handlers: Record<string, Handler> = {
  '/login': (session) => void (session['user'] = 'ann'),
  '/': dataOf,
};

describe('a store from another copy of the package', () => {
  it('is accepted, and stores sessions', async () => {
    expect(CopiedStore).not.toBe(ClusterStore);
    const app = await serveApp(handlers, { store: new CopiedStore({ name: randomUUID() }) });
    const browser = app.browser();
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });

  it('fails with an error that is an instance of ours, but not of a subclass of ours', async () => {
    class OtherError extends SessionStoreError {}
    const error: unknown = await new CopiedStore().read('k').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SessionStoreError);
    expect(error).not.toBeInstanceOf(OtherError);
    expect(new OtherError('other', 'read', 'failed')).toBeInstanceOf(OtherError);
    expect(new Error('none of ours')).not.toBeInstanceOf(SessionStoreError);
  });

  it.each([
    ['fail', 503, '1'],
    ['anonymous', 200, undefined],
  ] as const)(
    "is known to have failed, with onStoreError: '%s'",
    async (onStoreError, status, retryAfter) => {
      class FailingStore extends CopiedStore {
        override read(): Promise<never> {
          // Not open: an error of the copy.
          return new CopiedStore().read('k') as Promise<never>;
        }
      }
      const app = await serveApp(handlers, { store: new FailingStore({ name: randomUUID() }), onStoreError });
      const browser = app.browser();
      await browser.get('/login');
      const response = await browser.get('/');
      expect(response.status).toBe(status);
      expect(response.headers['retry-after']).toBe(retryAfter);
    },
  );
});
