/** Opens something once, however often `open` is called. After a failure the next call tries again. */
export class Opening {
  #attempt: Promise<void> | undefined;
  /** The error of the last attempt, if it failed and none has begun since. */
  failure: { error: unknown } | undefined;

  open(connect: () => Promise<void>): Promise<void> {
    this.#attempt ??= this.#try(connect);
    return this.#attempt;
  }

  async close(disconnect: () => Promise<void>): Promise<void> {
    const attempt = this.#attempt;
    await disconnect();
    // An attempt that was cut short by this must not close what the next one opens.
    await attempt?.catch(() => {});
    if (this.#attempt === attempt) {
      this.#attempt = undefined;
      this.failure = undefined;
    }
  }

  #try(connect: () => Promise<void>): Promise<void> {
    this.failure = undefined;
    return connect().catch((error: unknown) => {
      this.#attempt = undefined;
      this.failure = { error };
      throw error;
    });
  }
}
