/** Hides the credentials of URLs in everything that is printed. */
export class Mask {
  readonly #secrets = new Set<string>();

  /** Hides the credentials of this URL also where they stand alone, as in the error of a driver. */
  add(url: string): void {
    if (this.addCredentials(url)) this.#secrets.add(url);
  }

  /** As {@link add}, but shows the rest of the URL. Returns whether it has credentials. */
  addCredentials(url: string): boolean {
    // Not by `new URL`: the password of a URL that is invalid must be hidden too.
    const credentials = /^[^:]*:\/\/(.*)@/s.exec(url)?.[1];
    if (credentials === undefined) return false;
    const password = credentials.slice(credentials.indexOf(':') + 1);
    for (const secret of [credentials, password, decoded(password)])
      if (secret.length >= SHORTEST) this.#secrets.add(secret);
    return true;
  }

  hide(text: string): string {
    let hidden = text;
    // The longest first, because one may contain another.
    for (const secret of [...this.#secrets].toSorted((a, b) => b.length - a.length))
      hidden = hidden.replaceAll(secret, '***');
    return hidden.replace(CREDENTIALS, '://***@');
  }
}

/** The user and the password of any URL in a text; not those of `redis://[[user]:password@]host` in an error. */
const CREDENTIALS = /:\/\/(?!\[)[^\s'"]*@/g;

/** A shorter password is hidden in URLs only, because it would hide parts of words. */
const SHORTEST = 3;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
