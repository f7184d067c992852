import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { MemoryStore } from 'nestjs-session-stores/testing';
import { describe, it } from 'vitest';

describe('a MemoryStore', () => {
  it.concurrent.each(sessionStoreLaws)('keeps the law: $name', async (law) => {
    // The laws compare with the clock of this host, so the moved clock must agree with it.
    const store = new MemoryStore({ now: () => Date.now() - 5_000 });
    await store.open();
    store.advance(5_000);
    try {
      // It belongs to one process, so both handles are the store itself.
      await law.holds([store, store]);
    } finally {
      await store.close();
    }
  });
});
