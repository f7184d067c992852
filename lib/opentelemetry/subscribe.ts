import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { STORE_CHANNEL, type SessionStoreMessage } from '../contract/diagnostics.js';

/** What hears of the calls to stores. */
interface CallListener {
  begin(call: SessionStoreMessage): void;
  /** The call has settled. */
  end(call: SessionStoreMessage): void;
}

/** Listens to the calls to stores. Returns a function that ends that. */
export function subscribeToCalls({ begin, end }: CallListener): () => void {
  const channels = tracingChannel<unknown, SessionStoreMessage>(STORE_CHANNEL);
  const onBegin = (message: unknown): void => begin(message as SessionStoreMessage);
  const onEnd = (message: unknown): void => end(message as SessionStoreMessage);
  channels.start.subscribe(onBegin);
  channels.asyncEnd.subscribe(onEnd);
  return () => {
    channels.start.unsubscribe(onBegin);
    channels.asyncEnd.unsubscribe(onEnd);
  };
}

/** Listens to a channel by its name. Returns a function that ends that. */
export function subscribeTo<Message>(name: string, listener: (message: Message) => void): () => void {
  const onMessage = (message: unknown): void => listener(message as Message);
  subscribe(name, onMessage);
  return () => void unsubscribe(name, onMessage);
}
