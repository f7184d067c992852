import { describe, expect, it } from 'vitest';
import { newTexts } from './texts.js';

describe('newTexts', () => {
  it('inherits nothing', () => {
    const texts = newTexts();
    const inherited = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'].filter(
      (name) => name in texts,
    );
    expect({ inherited, names: Object.keys(texts) }).toEqual({ inherited: [], names: [] });
  });

  it('keeps a value under any name, without a trace in the next', () => {
    const names = ['__proto__', 'constructor', 'prototype', ''];
    const texts = newTexts();
    for (const name of names) texts[name] = '1';
    expect(Object.entries(texts)).toEqual(names.map((name) => [name, '1']));
    expect(Object.keys(newTexts())).toEqual([]);
  });
});
