/** The opening of a store: done once, however often it is asked for; after a failure the next asks anew. */
export class Opening {
  private attempt: Promise<void> | undefined;

  open(connect: () => Promise<void>): Promise<void> {
    this.attempt ??= connect().catch((error: unknown) => {
      this.attempt = undefined;
      throw error;
    });
    return this.attempt;
  }

  async close(disconnect: () => Promise<void>): Promise<void> {
    const { attempt } = this;
    await disconnect();
    // An attempt that this cuts short must not close what the next opens.
    await attempt?.catch(() => {});
    this.attempt = undefined;
  }
}
