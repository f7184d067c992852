import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { SessionStore } from 'nestjs-session-stores';
import type { MongoStoreOptions } from 'nestjs-session-stores/stores/mongo';

type Called = Pick<
  SessionStore,
  'create' | 'read' | 'update' | 'rotate' | 'destroy' | 'page' | 'count' | 'clear'
>;

interface Reply {
  call: number;
  value?: unknown;
  error?: string;
}

/** A store in another process, which exits when the store is closed. */
export type DistantStore = Called & { close(): Promise<void> };

export async function distantStore(options: MongoStoreOptions): Promise<DistantStore> {
  const child = fork(join(import.meta.dirname, 'store.process.mjs'), [JSON.stringify(options)], {
    serialization: 'advanced',
  });
  await once(child, 'message');
  const calls = callsOf(child);
  const methods = ['create', 'read', 'update', 'rotate', 'destroy', 'page', 'count', 'clear'] as const;
  const store = Object.fromEntries(
    methods.map((method) => [method, (...args: unknown[]) => calls(method, args)]),
  );
  return {
    ...(store as Called),
    async close() {
      const gone = once(child, 'exit');
      child.kill();
      await gone;
    },
  };
}

function callsOf(child: ChildProcess): (method: string, args: unknown[]) => Promise<unknown> {
  const pending = new Map<number, (reply: Reply) => void>();
  let last = 0;
  child.on('message', (reply: Reply) => {
    pending.get(reply.call)?.(reply);
    pending.delete(reply.call);
  });
  return async (method, args) => {
    const call = ++last;
    const { value, error } = await new Promise<Reply>((resolve) => {
      pending.set(call, resolve);
      child.send({ call, method, args });
    });
    if (error !== undefined) throw new Error(error);
    return value;
  };
}
