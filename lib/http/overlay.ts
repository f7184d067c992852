/** Returns the members that hide those of `below`. The hidden members are still reached through `below`. */
export type OverlayOf = (below: object) => PropertyDescriptorMap;

/**
 * Puts members over those that a class gives a request or a response, without adding a property to the object itself.
 * Node's objects have about thirty properties. Each further one costs three microseconds once their prototype was
 * changed, as Express does.
 */
export class Overlay {
  readonly #overlayOf: OverlayOf;
  /** An object's prototype → the one it gets: the same one if the members are in its chain already. */
  readonly #prototypes = new WeakMap<object, object>();

  constructor(overlayOf: OverlayOf) {
    this.#overlayOf = overlayOf;
  }

  /** Puts the members over those of `target`. Returns whether they were in its prototype chain already. */
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
    // Express sets the prototype again whenever a mounted app starts or ends, so the members go where all those chains
    // meet: into the prototype object of the outermost app (`app.request` or `app.response`).
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
