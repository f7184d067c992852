/** Makes the members that lie over those of `below`, which are still reached through it. */
export type OverlayOf = (below: object) => PropertyDescriptorMap;

/**
 * Lays members over what a class gives a request or a response, without adding a property to the object itself: Node's
 * have some thirty already, and each more costs three microseconds once their prototype was changed, as Express does.
 */
export class Overlay {
  readonly #overlayOf: OverlayOf;
  /** By the prototype an object has: the one it gets; the same when the members lie in its chain already. */
  readonly #prototypes = new WeakMap<object, object>();

  constructor(overlayOf: OverlayOf) {
    this.#overlayOf = overlayOf;
  }

  /** Lays the members over `target`; returns whether they lay there before, for all who looked at it until now. */
  put(target: object): boolean {
    const prototype = Object.getPrototypeOf(target) as object;
    const known = this.#prototypes.get(prototype);
    if (known === prototype) return true;
    const overlaid = known ?? this.#overlay(prototype);
    this.#prototypes.set(prototype, overlaid);
    if (overlaid !== prototype) Object.setPrototypeOf(target, overlaid);
    return false;
  }

  #overlay(prototype: object): object {
    const app = outermostApp(prototype);
    if (!app) return Object.create(prototype, this.#overlayOf(prototype)) as object;
    // Express sets the prototype anew whenever a mounted app begins or ends, so the members go where all those meet:
    // into the object that each app has for the purpose, of the outermost app.
    if (this.#prototypes.get(app) !== app) {
      const below = Object.create(
        Object.getPrototypeOf(app) as object,
        Object.getOwnPropertyDescriptors(app),
      ) as object;
      Object.defineProperties(app, this.#overlayOf(below));
      this.#prototypes.set(app, app);
    }
    return prototype;
  }
}

/** The `request` or `response` of the outermost Express app in a prototype chain; `undefined` outside Express. */
function outermostApp(prototype: object): object | undefined {
  let app: object | undefined;
  for (let one: object | null = prototype; one; one = Object.getPrototypeOf(one) as object | null) {
    if (Object.hasOwn(one, 'app')) app = one;
  }
  return app;
}
