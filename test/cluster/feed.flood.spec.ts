import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const LONG = process.env['LONG'] !== undefined;

describe.runIf(LONG)('a worker that is stopped while sessions change 200 000 times', () => {
  const flood = async (sessions: number) => {
    const program = `${import.meta.dirname}/flood.process.mjs`;
    const args = ['--expose-gc', program, `${sessions}`];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return JSON.parse(stdout);
  };

  it('costs the primary little memory, and hears `lost` if too many sessions changed', async () => {
    const { rss, heap, sent, course } = await flood(20_000);
    expect(rss).toBeLessThan(50);
    expect(heap).toBeLessThan(10);
    expect(sent).toBeLessThan(300);
    expect(course).toEqual([
      { type: 'live' },
      { type: 'lost', reason: expect.any(String) },
      { type: 'live' },
    ]);
  });

  it('does not lose its feed if the changes are of few sessions', async () => {
    const { heap, sent, course } = await flood(100);
    expect(heap).toBeLessThan(10);
    expect(sent).toBeLessThan(300);
    expect(course[0]).toEqual({ type: 'live' });
    // On a slow machine a probe may have had no response.
    const reasons = course.map(({ reason }: { reason?: string }) => reason);
    expect(reasons).not.toContain('the worker does not read what is announced to it');
  });
});
