/** Markup that is safe to send: what `html` has built. */
export class Html {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** What may stand in a template. `false`, `null` and `undefined` leave nothing. */
export type Inner = Html | string | number | false | null | undefined | readonly Inner[];

/** A template whose values are escaped, in text and in quoted attributes, unless they are `Html` themselves. */
export function html(texts: TemplateStringsArray, ...values: Inner[]): Html {
  return new Html(texts.reduce((before, text, index) => before + written(values[index - 1]) + text));
}

function written(value: Inner): string {
  if (value === false || value === null || value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(written).join('');
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}
