/** Marks the errors of this package, so that those of another copy of it are recognised too. */
const BRAND = Symbol.for('nestjs-session-stores/error');

/** Marks the instances of an error class with a brand, and makes `instanceof` check the brand. */
export function brand(errorClass: abstract new (...args: never[]) => Error, name: string): void {
  Object.defineProperty(errorClass.prototype, BRAND, { value: name });
  Object.defineProperty(errorClass, Symbol.hasInstance, {
    value(this: unknown, error: unknown): boolean {
      // A subclass is recognised by its prototype, as any class is.
      if (this !== errorClass) return Function.prototype[Symbol.hasInstance].call(this, error);
      return isBranded(error, name);
    },
  });
}

/** Whether an error has a brand, from any copy of this package. */
export function isBranded(error: unknown, name: string): boolean {
  return typeof error === 'object' && error !== null && Reflect.get(error, BRAND) === name;
}
