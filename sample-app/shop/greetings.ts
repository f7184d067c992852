/** What the shop says in the languages that it knows. */
export const GREETINGS: Readonly<Record<string, { name: string; hello: string }>> = {
  en: { name: 'English', hello: 'Hello' },
  de: { name: 'Deutsch', hello: 'Guten Tag' },
  fr: { name: 'Français', hello: 'Bonjour' },
  it: { name: 'Italiano', hello: 'Buongiorno' },
  es: { name: 'Español', hello: 'Buenos días' },
};

/** A language the shop knows: the JSON interface stores any text. */
export const knownLanguage = (language = 'en'): string =>
  Object.hasOwn(GREETINGS, language) ? language : 'en';
