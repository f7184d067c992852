/** Holds a handler at a known place: it passes the gate only when the spec opens it. */
export class Gates {
  readonly #gates = new Map<string, { reached: PromiseWithResolvers; opened: PromiseWithResolvers }>();

  /** Called by the handler. Resolves when the spec opens the gate. */
  pass(name: string): Promise<void> {
    const gate = this.#gate(name);
    gate.reached.resolve();
    return gate.opened.promise;
  }

  /** Resolves when a handler has reached the gate. */
  reached(name: string): Promise<void> {
    return this.#gate(name).reached.promise;
  }

  open(name: string): void {
    this.#gate(name).opened.resolve();
  }

  #gate(name: string): { reached: PromiseWithResolvers; opened: PromiseWithResolvers } {
    let gate = this.#gates.get(name);
    if (!gate) this.#gates.set(name, (gate = { reached: withResolvers(), opened: withResolvers() }));
    return gate;
  }
}

interface PromiseWithResolvers {
  promise: Promise<void>;
  resolve: () => void;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers(): PromiseWithResolvers {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
