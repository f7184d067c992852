import { Browser } from '../http/browser.js';

/** What becomes of a session while it migrates. */
export type Plan = 'stays' | 'log out' | 'log in' | 'is cleared';

/** How often each session is visited. */
const VISITS = 4;

/** How many sessions are visited at once. */
const LANES = 24;

/** A session with its client, and what must be true of it. */
export class TrafficSession {
  readonly #browser = new Browser('');
  /** Every token that the client has had for a session that has ended since. */
  readonly #dead = new Set<string>();
  /** Every token that it has had for the session that it has. */
  readonly #tokens = new Set<string>();
  /** The names that have been written, and acknowledged, since the last login. */
  #names: string[] = [];
  /** What went wrong when it was used. */
  readonly #wrong: string[] = [];
  hasEnded = false;
  written = 0;
  #visits = 0;
  /** The visit before, which has ended when the next one begins: a client that logs in waits for its new token. */
  #visiting: Promise<void> = Promise.resolve();

  constructor(
    readonly index: number,
    readonly plan: Plan,
    token: string,
  ) {
    this.#browser.cookies.set('sid', token);
    this.#note();
  }

  /** Uses the session at both processes, or at one of them if it must not be written in parallel. */
  visit(urls: readonly [string, string], isParallel: () => boolean): Promise<void> {
    return (this.#visiting = this.#visiting.then(() => this.#visit(urls, isParallel())));
  }

  async #visit(urls: readonly [string, string], isParallel: boolean): Promise<void> {
    if (this.hasEnded) return;
    const visit = this.#visits++;
    const [one, other] = this.index % 2 === 0 ? urls : [urls[1], urls[0]];
    if (this.plan === 'is cleared') return this.#all(this.#read(one), this.#read(other));
    if (visit === 2 && this.plan === 'log out') {
      await this.#all(this.#send('POST', one, '/logout'), this.#send('GET', other, '/'));
      return this.noteEnd();
    }
    if (visit === 2 && this.plan === 'log in') {
      await this.#all(this.#send('POST', one, '/login'));
      for (const token of this.#tokens) if (token !== this.#token) this.#dead.add(token);
      this.#tokens.clear();
      this.#note();
      this.#names = [];
      return;
    }
    if (isParallel) return this.#all(this.#write(one), this.#write(other), this.#read(one));
    return this.#all(this.#write(one), this.#read(other));
  }

  /** The session was ended, by itself or by others. */
  noteEnd(): void {
    this.hasEnded = true;
    for (const token of this.#tokens) this.#dead.add(token);
  }

  /** What is wrong with it, or was when it was used. */
  async problems(urls: readonly string[]): Promise<string[]> {
    const wrong = this.#wrong.splice(0);
    for (const url of urls) {
      for (const token of this.#dead) {
        const { user } = await dataAt(url, token);
        if (user !== undefined)
          wrong.push(`${this.index} (${this.plan}) is live by a token from before it ended`);
      }
      if (this.hasEnded) continue;
      const data = await this.#read(url).catch(
        (error: unknown) => void wrong.push(`${this.index}: ${error}`),
      );
      if (!data) continue;
      const lost = this.#names.filter((name) => data[name] !== 1);
      if (lost.length > 0) wrong.push(`${this.index} (${this.plan}) has lost ${lost.join()}`);
    }
    return wrong;
  }

  get #token(): string {
    return this.#browser.cookies.get('sid')!;
  }

  #note(): void {
    if (this.#token !== undefined) this.#tokens.add(this.#token);
  }

  async #all(...requests: Promise<unknown>[]): Promise<void> {
    for (const result of await Promise.allSettled(requests))
      if (result.status === 'rejected' && !(this.hasEnded || this.plan === 'is cleared'))
        this.#wrong.push(`${this.index} (${this.plan}), visit ${this.#visits}: ${result.reason}`);
  }

  async #write(url: string): Promise<void> {
    const name = `w${this.written++}`;
    await this.#send('POST', url, `/write/${name}`);
    this.#names.push(name);
  }

  async #read(url: string): Promise<Record<string, unknown>> {
    const data = await this.#send('GET', url, '/');
    if (data['user'] !== this.index) throw new Error(`logged out: ${JSON.stringify(data)}`);
    return data;
  }

  async #send(method: string, url: string, path: string): Promise<Record<string, unknown>> {
    const browser = new Browser(url);
    browser.cookies.set('sid', this.#token);
    const { status, setCookies, text } = await browser.send(method, path);
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text}`);
    const token = browser.cookies.get('sid');
    if (setCookies.length > 0 && token !== undefined) this.#browser.cookies.set('sid', token);
    this.#note();
    return (JSON.parse(text) ?? {}) as Record<string, unknown>;
  }
}

async function dataAt(url: string, token: string): Promise<Record<string, unknown>> {
  const browser = new Browser(url);
  browser.cookies.set('sid', token);
  return (await browser.get('/')).json();
}

/**
 * Visits all sessions, several times, in one stream.
 *
 * @param events what happens meanwhile, by the part of the visits after which it does
 */
export async function visitAll(
  sessions: TrafficSession[],
  urls: readonly [string, string],
  isParallel: () => boolean,
  events: Record<number, () => Promise<unknown>>,
): Promise<void> {
  const total = sessions.length * VISITS;
  const due = Object.entries(events)
    .map(([part, happen]) => ({ at: Math.floor(Number(part) * total), happen }))
    .toSorted((a, b) => a.at - b.at);
  const happening: Promise<unknown>[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) {
      const at = next++;
      if (due[0] && due[0].at <= at) happening.push(due.shift()!.happen());
      await sessions[at % sessions.length]!.visit(urls, isParallel);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await Promise.all(happening);
}
