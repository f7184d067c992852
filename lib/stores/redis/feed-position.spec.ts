import { describe, expect, it } from 'vitest';
import { FeedPosition } from './feed-position.js';

const at =
  (position: number, wasWatched = true) =>
  async () => ({ position, wasWatched });

/** A position after its first probe, which was answered with 10. */
async function begun(): Promise<FeedPosition> {
  const feed = new FeedPosition();
  await feed.reach(at(10, false));
  return feed;
}

describe('the position of a feed', () => {
  it('begins where the server is, with or without an earlier watcher', async () => {
    const feed = new FeedPosition();
    await feed.reach(at(10, false));
    expect(feed.hear(11)).toBeUndefined();
  });

  it('ignores announcements that were made before it began', async () => {
    const feed = await begun();
    expect(feed.hear(9)).toBeUndefined();
    expect(feed.hear(10)).toBeUndefined();
    expect(feed.hear(11)).toBeUndefined();
  });

  it('waits at its first probe for announcements that follow one it has heard', async () => {
    const feed = new FeedPosition();
    expect(feed.hear(8)).toBeUndefined();
    const reached = Promise.race([feed.reach(at(10)), settled('waits')]);
    expect(await reached).toBe('waits');
    const again = feed.reach(at(10));
    await settled();
    feed.hear(9);
    feed.hear(10);
    await again;
  });

  it('notices a gap', async () => {
    const feed = await begun();
    expect(feed.hear(12)).toBe('an announcement was missed');
  });

  it('notices an announcement whose number was used before', async () => {
    const feed = await begun();
    feed.hear(11);
    feed.hear(12);
    expect(feed.hear(12)).toBe('an announcement was missed');
  });

  it('notices a position that is lower than what it heard before the probe', async () => {
    const feed = await begun();
    feed.hear(11);
    await expect(feed.reach(at(10))).rejects.toThrow('the server has forgotten announcements');
  });

  it('accepts an announcement that overtakes the response to a probe', async () => {
    const feed = await begun();
    await feed.reach(async () => {
      feed.hear(11);
      return { position: 10, wasWatched: true };
    });
  });

  it('notices that changes were not announced for a while', async () => {
    const feed = await begun();
    await expect(feed.reach(at(10, false))).rejects.toThrow('changes were not announced for a while');
  });

  it('reaches a position once the announcements up to it have come', async () => {
    const feed = await begun();
    const log: string[] = [];
    const reached = feed.reach(at(12)).then(() => log.push('reached'));
    await settled();
    feed.hear(11);
    await settled();
    log.push('heard 11');
    feed.hear(12);
    await reached;
    expect(log).toEqual(['heard 11', 'reached']);
  });
});

/** Resolves after all promises that are due. */
async function settled<T>(value?: T): Promise<T | undefined> {
  await new Promise(setImmediate);
  return value;
}
