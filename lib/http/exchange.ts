import type { SessionIncomingMessage, SessionRequest } from '../session/work.js';
import { patchRequest } from './patch.js';
import { keepWork, keptWork } from './seal.js';

/** Ties a request to its session work, so that `workOf` finds it, and puts the session's id at `req.sessionID`. */
export function attach(req: SessionIncomingMessage, work: SessionRequest): void {
  keepWork(req, work);
  patchRequest(req, MEMBERS);
}

/** The session work of a request; `undefined` if the session middleware did not run for it. */
export function workOf(req: unknown): SessionRequest | undefined {
  return keptWork(req as object | undefined) as SessionRequest | undefined;
}

/**
 * What the session layer adds to a request besides `session`, which is a property of its own because apps delete it.
 * Requests without a session have none of it.
 */
const MEMBERS: PropertyDescriptorMap = {
  sessionID: requestProperty('sessionID', (work) => work.id),
  sessionStore: requestProperty('sessionStore', (work) => work.sessionStore),
};

/** A property of a request. Handlers may assign it like any other. */
function requestProperty(name: string, valueOf: (work: SessionRequest) => unknown): PropertyDescriptor {
  return {
    configurable: true,
    get(this: SessionIncomingMessage): unknown {
      const work = workOf(this);
      return work && valueOf(work);
    },
    set(this: object, value: unknown) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
  };
}
