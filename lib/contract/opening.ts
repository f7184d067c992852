/** Opens something once, however often it is asked to. After a failure the next call tries again. */
export class Opening {
  #attempt: Promise<void> | undefined;

  open(connect: () => Promise<void>): Promise<void> {
    this.#attempt ??= connect().catch((error: unknown) => {
      this.#attempt = undefined;
      throw error;
    });
    return this.#attempt;
  }

  async close(disconnect: () => Promise<void>): Promise<void> {
    const attempt = this.#attempt;
    await disconnect();
    // An attempt that was cut short by this must not close what the next one opens.
    await attempt?.catch(() => {});
    if (this.#attempt === attempt) this.#attempt = undefined;
  }
}
