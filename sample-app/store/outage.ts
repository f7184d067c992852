import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { isOutageMessage, type Outage, type OutageMessage } from './outage.message.js';

/** How long the response to whoever starts an outage has to leave before it, in milliseconds. */
const NOTICE = 300;

/**
 * An outage of the store, on purpose. It goes to all workers by way of the primary, so that it does not matter which of
 * them serves a request, and ends by itself: while it lasts, no session could be read to end it.
 */
@Injectable()
export class StoreOutage implements OnModuleDestroy {
  private current: Outage = { from: 0, until: 0 };
  private readonly receive = (message: unknown): void => {
    if (isOutageMessage(message)) this.current = message.outage;
  };

  constructor() {
    process.on('message', this.receive);
  }

  get isOn(): boolean {
    const now = Date.now();
    return this.current.from <= now && now < this.current.until;
  }

  /** Starts an outage in a moment. */
  start(milliseconds: number): void {
    const from = Date.now() + NOTICE;
    const message: OutageMessage = { outage: { from, until: from + milliseconds } };
    process.send!(message);
  }

  onModuleDestroy(): void {
    process.off('message', this.receive);
  }
}
