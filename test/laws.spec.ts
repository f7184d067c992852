import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { describe, expect, it } from 'vitest';
import { MapStore } from './stores/map.store.js';
import { wrongStores } from './stores/wrong.stores.js';

describe('a minimal store keeps the law', () => {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, async () => {
      const shared: ConstructorParameters<typeof MapStore> = [new Map(), new Map()];
      await law.holds([new MapStore(...shared), new MapStore(...shared)]);
    });
  }
});

describe('a law detects a store that', () => {
  for (const { name, make, breaks, says } of wrongStores) {
    it.concurrent(name, async () => {
      const laws = sessionStoreLaws.filter((law) => breaks.test(law.name));
      expect(laws, `laws named ${breaks}`).not.toEqual([]);
      const broken = await Promise.all(
        laws.map((law) =>
          law.holds(make()).then(
            () => `${law.name}: held`,
            (error: Error) => `${error.name}: ${error.message}`,
          ),
        ),
      );
      for (const message of broken) {
        expect(message).toMatch(/^AssertionError: /);
        expect(message).toMatch(says);
      }
    });
  }
});

describe('every law', () => {
  it('is broken by at least one wrong store', () => {
    const idle = sessionStoreLaws.filter((law) => !wrongStores.some(({ breaks }) => breaks.test(law.name)));
    expect(idle.map(({ name }) => name)).toEqual([]);
  });

  it('has a unique name that starts with the number of its guarantee', () => {
    const names = sessionStoreLaws.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[1-9] [a-z]/);
  });
});
