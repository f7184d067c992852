import { IncomingMessage, ServerResponse } from 'node:http';

/** The methods that send something. */
export const METHODS = ['writeHead', 'write', 'end', 'flushHeaders'] as const;
export type Method = (typeof METHODS)[number];

// Shared by all copies of this package: a class that one has patched finds the seals of another.
const SEAL = Symbol.for('nestjs-session-stores/seal/1');
const MEMBERS = Symbol.for('nestjs-session-stores/members/1');

/**
 * Node's response, with the part that its types leave out. The seal is a property of the response: in a `WeakMap` its
 * reference to the response kept both alive over minor garbage collections, which cost 10 µs a request.
 */
export type Response = ServerResponse & {
  _implicitHeader?: () => void;
  [SEAL]?: SealedResponse;
  /** The members that were put on a response of another class than Node's. */
  [MEMBERS]?: PropertyDescriptorMap;
};
export type AnyMethod = (this: Response, ...args: unknown[]) => unknown;

/** A call of a response's method. `original` is the method without the patch. */
export type Call = [method: Method, args: unknown[], original: AnyMethod];

/** The seal of a response, as the patched members see it. */
export interface SealedResponse {
  /** Whether the response is held: it looks sent although it is not. */
  readonly holds: boolean;
  /** Whether the response has begun, and its end is held. */
  readonly ends: boolean;
  /** A call of a method that sends. `original` is the method without the patch. */
  call(method: Method, args: unknown[], original: AnyMethod): unknown;
  /** The response was sent, or its connection is closed. */
  closed(): void;
}

/** The methods that send something, by all of their names. */
const METHOD_NAMES: readonly (readonly [name: string, method: Method])[] = [
  ['writeHead', 'writeHead'],
  ['writeHeader', 'writeHead'],
  ['write', 'write'],
  ['end', 'end'],
  ['flushHeaders', 'flushHeaders'],
];

/** The methods that change headers, each with the verb of Node's error for a call after the headers were sent. */
const HEADER_METHODS = [
  ['setHeader', 'set'],
  ['setHeaders', 'set'],
  ['appendHeader', 'append'],
  ['removeHeader', 'remove'],
] as const;

/** The patch of this process. All copies of the package share it, so that each class is patched once. */
interface Patch {
  /** How many responses are held. While none is, header methods skip the search for the seal of their response. */
  held: number;
  /** How many middleware functions need the patch. */
  users: number;
  /** How many responses with a seal are not closed. They need the patch too. */
  open: number;
  /** The prototypes whose chain is patched. */
  reached: WeakSet<object>;
  /** Patched class → the members that were put on it, with the descriptors of those that they hide. */
  readonly classes: Map<
    object,
    Map<string, { ours: PropertyDescriptor; before: PropertyDescriptor | undefined }>
  >;
}

const PATCH = Symbol.for('nestjs-session-stores/patch/1');
const patch: Patch = ((ServerResponse as { [PATCH]?: Patch })[PATCH] ??= {
  held: 0,
  users: 0,
  open: 0,
  reached: new WeakSet(),
  classes: new Map(),
});

/**
 * Patches Node's response class until the returned function was called. The patch is in place before the first request,
 * because others that wrap the methods of a response keep those that they find.
 *
 * The class is patched, and not each response, because a response may get another prototype at any time: an Express app
 * sets its own whenever it handles a request. What all chains end in is Node's class. A response without a seal behaves
 * as before.
 */
export function needPatch(): () => void {
  patch.users++;
  patchClasses(ServerResponse.prototype);
  let isNeeded = true;
  return () => {
    if (isNeeded) patch.users--;
    isNeeded = false;
    restoreIfUnused();
  };
}

/** Gives a response its seal: from now on the seal gets the calls of the methods that send. */
export function putSeal(res: Response, seal: SealedResponse): void {
  res[SEAL] = seal;
  patch.open++;
  res.on('close', closed);
  const prototype = Object.getPrototypeOf(res) as object;
  if (patch.reached.has(prototype)) return;
  const isOfNode: boolean = res instanceof ServerResponse;
  if (isOfNode) return patchClasses(prototype);
  // An HTTP/2 response, or an imitation, whose class may be one of Node's streams.
  res[MEMBERS] = responseMembers(res, true);
  Object.defineProperties(res, res[MEMBERS]);
}

/** One function for all responses: a closure for each costs more. */
function closed(this: Response): void {
  patch.open--;
  this[SEAL]?.closed();
  restoreIfUnused();
}

function restoreIfUnused(): void {
  if (patch.users === 0 && patch.open === 0) restoreClasses();
}

/** The seal of a response; `undefined` if it has none. */
export function sealOf(res: Response): SealedResponse | undefined {
  return res[SEAL];
}

/** A method of a response, without those that other middleware put on the response itself. */
export function methodOf(res: Response, method: Method): AnyMethod {
  const own = res[MEMBERS]?.[method]?.value as AnyMethod | undefined;
  return own ?? (Object.getPrototypeOf(res) as Record<Method, AnyMethod>)[method];
}

/** Counts a response that is held. */
export function holdOne(): void {
  patch.held++;
}

/** Counts a response that is no longer held. */
export function releaseOne(): void {
  patch.held--;
}

/** Patches the classes of a prototype chain, down to Node's response class. A subclass may call its parent's methods. */
function patchClasses(prototype: object): void {
  const base: object = ServerResponse.prototype;
  for (let one = prototype; ; one = Object.getPrototypeOf(one) as object) {
    patchClass(one, responseMembers(one, one === base));
    if (one === base) break;
  }
  patch.reached.add(prototype);
}

/** Puts members on the class of all requests. A request of another class gets them itself. */
export function patchRequest(req: object, members: PropertyDescriptorMap): void {
  if (req instanceof IncomingMessage) patchClass(IncomingMessage.prototype, members);
  else Object.defineProperties(req, members);
}

function patchClass(prototype: object, members: PropertyDescriptorMap): void {
  if (patch.classes.has(prototype)) return;
  const names = Object.keys(members);
  if (names.length === 0) return;
  const put = new Map(
    names.map((name) => [
      name,
      { ours: members[name]!, before: Object.getOwnPropertyDescriptor(prototype, name) },
    ]),
  );
  patch.classes.set(prototype, put);
  Object.defineProperties(prototype, members);
}

/** Restores the classes, except members that others have patched since: they may still call ours. */
function restoreClasses(): void {
  for (const [prototype, members] of patch.classes) {
    for (const [name, { ours, before }] of members) {
      const now = Object.getOwnPropertyDescriptor(prototype, name);
      if (now?.value !== ours.value || now?.get !== ours.get) continue;
      if (before) Object.defineProperty(prototype, name, before);
      else Reflect.deleteProperty(prototype, name);
    }
  }
  patch.classes.clear();
  patch.reached = new WeakSet();
}

/**
 * The members that hide those of a class, or of a single response.
 *
 * @param inherited whether to hide inherited members too
 */
function responseMembers(target: object, inherited: boolean): PropertyDescriptorMap {
  const members: PropertyDescriptorMap = {};
  const hide = (name: string, make: (original: () => AnyMethod) => AnyMethod): void => {
    const own = Object.getOwnPropertyDescriptor(target, name);
    if (own ? typeof own.value !== 'function' : !inherited || !(name in target)) return;
    // An inherited member is looked up at each call, because others may patch its class later.
    const original: () => AnyMethod = own
      ? () => own.value as AnyMethod
      : () => (Object.getPrototypeOf(target) as Record<string, AnyMethod>)[name]!;
    const value = Object.defineProperty(make(original), 'name', { value: name });
    members[name] = { value, writable: true, enumerable: own?.enumerable ?? true, configurable: true };
  };
  for (const [name, method] of METHOD_NAMES) {
    hide(
      name,
      (original) =>
        function (...args) {
          const seal = this[SEAL];
          return seal ? seal.call(method, args, original()) : original().apply(this, args);
        },
    );
  }
  for (const [name, verb] of HEADER_METHODS) {
    hide(
      name,
      (original) =>
        function (...args) {
          if (isHeld(this)) throw headersSent(verb);
          return original().apply(this, args);
        },
    );
  }
  hide(
    '_implicitHeader',
    (original) =>
      function () {
        // Other middleware calls it if there is no header yet; the held one counts as one.
        return isHeld(this) ? undefined : original().call(this);
      },
  );
  hideHeadersSent(target, inherited, members);
  return members;
}

function hideHeadersSent(target: object, inherited: boolean, members: PropertyDescriptorMap): void {
  const own = Object.getOwnPropertyDescriptor(target, 'headersSent');
  if (!own && !inherited) return;
  let value: unknown = own?.value;
  members['headersSent'] = {
    configurable: true,
    enumerable: own?.enumerable ?? true,
    get(this: Response): boolean {
      if (isHeld(this)) return true;
      if (own) return (own.get ? own.get.call(this) : value) as boolean;
      return Reflect.get(Object.getPrototypeOf(target) as object, 'headersSent', this) as boolean;
    },
    // An imitation of a response may have a plain property.
    ...(own && !own.get && { set: (next: unknown) => void (value = next) }),
  };
}

function isHeld(res: Response): boolean {
  return patch.held > 0 && res[SEAL]?.holds === true;
}

/** The error that Node throws for a header call after the headers were sent. */
export function headersSent(verb: string): Error {
  return Object.assign(new Error(`Cannot ${verb} headers after they are sent to the client`), {
    code: 'ERR_HTTP_HEADERS_SENT',
  });
}
