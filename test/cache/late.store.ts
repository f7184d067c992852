import {
  SessionStoreDecorator,
  type SessionFeedListener,
  type SessionStore,
  type SessionWatch,
} from 'nestjs-session-stores/store';

/** Holds the feed of a store back, with what it says of how complete it is. */
export class LateStore extends SessionStoreDecorator {
  /** @param delay in milliseconds */
  constructor(
    store: SessionStore,
    private readonly delay: number,
  ) {
    super(store);
  }

  override async watch(listener: SessionFeedListener): Promise<SessionWatch> {
    const { delay } = this;
    let completeUntil = -Infinity;
    let isClosed = false;
    const later = (work: () => void): void => void setTimeout(() => isClosed || work(), delay);
    const watch = await super.watch((event) => later(() => listener(event)));
    const sampling = setInterval(() => {
      const then = watch.completeUntil;
      later(() => {
        completeUntil = then;
      });
    }, 10);
    return {
      get completeUntil() {
        return completeUntil;
      },
      get isClosed() {
        return isClosed || watch.isClosed;
      },
      close() {
        isClosed = true;
        clearInterval(sampling);
        watch.close();
      },
    };
  }
}
