import { describe, expect, it } from 'vitest';
import { Ledger } from './ledger.js';

function filled(count: number): Ledger<{ index: number }> {
  const ledger = new Ledger<{ index: number }>();
  for (let index = 1; index <= count; index++) ledger.add({ index }, index);
  return ledger;
}

const positions = (found: { position: number }[]) => found.map(({ position }) => position);

describe('a ledger', () => {
  it('goes on after a position whose member was removed', () => {
    const ledger = filled(10);
    for (const gone of [3, 4, 5]) ledger.remove(gone);
    expect(positions(ledger.after(2, 3))).toEqual([6, 7, 8]);
    expect(positions(ledger.after(4, 1))).toEqual([6]);
    expect(positions(ledger.after(10, 5))).toEqual([]);
    expect(ledger.size).toBe(7);
  });

  it('skips removed members at its end to reach later ones', () => {
    const ledger = filled(3);
    ledger.remove(2);
    ledger.remove(3);
    expect(positions(ledger.after(1, 5))).toEqual([]);
    ledger.add({ index: 4 }, 40);
    expect(positions(ledger.after(1, 5))).toEqual([40]);
  });

  it('keeps every position when it drops removed members', () => {
    const ledger = filled(1000);
    for (let gone = 1; gone <= 1000; gone++) if (gone % 10 > 0) ledger.remove(gone);
    expect(positions(ledger.after(500, 3))).toEqual([510, 520, 530]);
    expect(ledger.after(500, 1)[0]?.member.index).toBe(510);
    expect((ledger as unknown as { members: unknown[] }).members.length).toBeLessThan(250);
  });

  it('does not walk over many removed members twice', () => {
    const ledger = filled(100_000);
    for (let gone = 1; gone < 50_000; gone++) ledger.remove(gone);
    const start = performance.now();
    for (let look = 0; look < 10_000; look++) expect(ledger.after(0, 1).length).toBe(1);
    // Walking would be half a billion steps.
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
