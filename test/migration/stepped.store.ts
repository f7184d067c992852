import {
  SessionStoreDecorator,
  type SessionStore,
  type SessionStoreOperation,
} from 'nestjs-session-stores/store';

/** Lets others run before and after each call, for a random number of turns, as the way to a backend and back does. */
export class SteppedStore extends SessionStoreDecorator {
  constructor(
    store: SessionStore,
    private readonly random: (below: number) => number,
  ) {
    super(store);
  }

  protected override async call<T>(
    operation: SessionStoreOperation,
    work: () => T | PromiseLike<T>,
  ): Promise<T> {
    await this.#turns();
    const result = await super.call(operation, work);
    await this.#turns();
    return result;
  }

  async #turns(): Promise<void> {
    for (let turns = this.random(3) === 0 ? this.random(60) : this.random(6); turns > 0; turns--)
      await undefined;
  }
}
