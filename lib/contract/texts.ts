/**
 * Session data without values. Inherits nothing, so `__proto__` and `constructor` are names like any other.
 *
 * Not `Object.create(null)`, which V8 keeps as a hash table: to copy one with five values costs three times as much as
 * this, and to list its names ten times as much. A write in memory takes 4 µs less, of 24.
 */
export function newTexts(): Record<string, string> {
  return new Texts();
}

const Texts = function () {} as unknown as new () => Record<string, string>;
Texts.prototype = Object.create(null);
