/**
 * Moves the clock of this process. Modules that are imported before may have kept the real one.
 *
 * @param {number} milliseconds by how much the clock is ahead from then on
 */
export function moveClock(milliseconds) {
  const RealDate = Date;
  class MovedDate extends RealDate {
    constructor(...args) {
      super(...(args.length === 0 ? [RealDate.now() + milliseconds] : args));
    }
    static now() {
      return RealDate.now() + milliseconds;
    }
  }
  Reflect.set(globalThis, 'Date', MovedDate);
}
