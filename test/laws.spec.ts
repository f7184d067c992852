import type { SessionRecord } from 'nestjs-session-stores';
import { sessionStoreLaws } from 'nestjs-session-stores/testing';
import { describe, it } from 'vitest';
import { MapStore } from './stores/map.store.js';

describe('the smallest store keeps the law', () => {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, async () => {
      const sessions = new Map<string, SessionRecord>();
      await law.holds([new MapStore(sessions), new MapStore(sessions)]);
    });
  }
});
