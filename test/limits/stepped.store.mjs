import { SessionStore, SessionStoreDecorator } from 'nestjs-session-stores/store';

/**
 * Joins in steps, as a store does that cannot do it in one, whatever the store inside does. Each step of a join can be
 * preceded by something else: it may throw, wait, or end the process.
 */
export class SteppedStore extends SessionStoreDecorator {
  /** The names of the steps of the joins so far. */
  steps = [];
  /** @type {(name: string, number: number) => unknown} the number is 1 for the first step since `steps` was emptied */
  before = () => {};
  #isJoining = 0;

  async doJoinLimited(record, limit) {
    this.#isJoining++;
    try {
      return await SessionStore.prototype.doJoinLimited.call(this, record, limit);
    } finally {
      this.#isJoining--;
    }
  }

  async doPage(...args) {
    await this.#step('page');
    return super.doPage(...args);
  }

  async doUpdate(...args) {
    await this.#step('update');
    return super.doUpdate(...args);
  }

  async doDestroy(...args) {
    await this.#step('destroy');
    return super.doDestroy(...args);
  }

  async #step(name) {
    if (this.#isJoining === 0) return;
    this.steps.push(name);
    await this.before(name, this.steps.length);
  }
}
