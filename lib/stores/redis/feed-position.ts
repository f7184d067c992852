/** How far a watcher has heard the announcements of one shard, which the server numbers without a gap. */
export class FeedPosition {
  /** The position at the first probe. Announcements up to it may come late, or never. */
  private base: number | undefined;
  private heard: number | undefined;
  private waiting: { position: number; resolve(): void } | undefined;

  /** Takes an announcement. Returns why others may have been missed; `undefined` if none were. */
  hear(position: number): string | undefined {
    const { base, heard } = this;
    const isNext = heard === undefined || position === heard + 1;
    if (isNext) this.heard = position;
    else if (base === undefined || position > base) return 'an announcement was missed';
    if (this.waiting && position >= this.waiting.position) this.waiting.resolve();
    return undefined;
  }

  /**
   * Runs a probe, which resolves to the position of the server, and whether the server had a watcher until then. Resolves once all announcements up to that position have come. Rejects if some may have been missed.
   */
  async reach(probe: () => Promise<{ position: number; wasWatched: boolean }>): Promise<void> {
    const { heard: before = 0 } = this;
    const { position, wasWatched } = await probe();
    if (this.base === undefined) {
      this.base = position;
      this.heard ??= position;
    } else if (!wasWatched) throw new Error('changes were not announced for a while');
    // The server has lost its data, or a replica without the last changes has taken its place.
    if (position < before) throw new Error('the server has forgotten announcements');
    if (this.heard! >= position) return;
    await new Promise<void>((resolve) => {
      this.waiting = { position, resolve };
    });
    this.waiting = undefined;
  }
}
