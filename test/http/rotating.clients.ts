import { hash } from 'node:crypto';
import { vi } from 'vitest';
import type { SessionStore, SessionRecord } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RecordingStore } from '../stores/recording.store.js';
import { serveApp, tokenOf } from './app.js';
import { Browser } from './browser.js';
import { Random } from './random.js';

/** How long an old secret stays valid: longer than the slowest request, as 30 seconds are in production. */
const GRACE = 5000;
const CLIENTS = 12;
const HOUR = 60 * 60_000;
/** How much time passes in one turn of the event loop, in which a request or a response makes one step. */
const TURN = 5;

/** What clients do, and what happens to their responses. */
export interface Simulation {
  seed: number;
  /** How many rotations to wait for. */
  rotations: number;
  /** The probability that a client never receives a response. */
  loss: number;
  /** The cookies' maxAge in milliseconds. By default they end with the browser, and only rotations send them again. */
  maxAge?: number;
  /** The option `rotateAfter`. With it, no handler rotates. */
  rotateAfter?: number;
  /** After how many rotations all clients pause for an hour; by default they never do. */
  pauseEvery?: number;
  /** Changes the records that the session layer reads, to show what its rules are good for. */
  see?: (record: SessionRecord) => SessionRecord;
}

export interface Outcome {
  requests: number;
  rotations: number;
  /** The sessions that a client lost although they were not destroyed. */
  logouts: number;
  /** The sessions lost because a newer cookie overtook an older one on its way to the client. */
  overtaken: number;
  /** How often a client paused for an hour. */
  pauses: number;
  /** The sessions lost in such a pause. */
  paused: number;
}

/**
 * Lets clients, each with its own cookie jar, load pages over HTTP: parallel requests that read, write and rotate with
 * random delays, whose cookies are kept in the order in which the responses arrive. Needs fake timers: time passes with
 * the turns of the event loop, so that a busy machine does not cause failures.
 */
export async function simulate({
  seed,
  rotations,
  loss,
  maxAge,
  rotateAfter,
  pauseEvery = Infinity,
  see = (record) => record,
}: Simulation): Promise<Outcome> {
  const store = new SecretsStore(new ClusterStore({ name: `clients-${process.pid}-${seed}` }), see);
  const { url } = await serveApp(
    {
      '/login/:user': async (session, req) => {
        await session.regenerate();
        session['user'] = String(req.params['user']);
      },
      '/read': async (session, req) => {
        const user: unknown = session['user'];
        await sleep(Number(req.query['ms']));
        return user;
      },
      '/write': async (session, req) => {
        const user: unknown = session['user'];
        session['last'] = String(req.query['ms']);
        await sleep(Number(req.query['ms']));
        return user;
      },
      '/rotate': async (session, req) => {
        const user: unknown = session['user'];
        await sleep(Number(req.query['ms']) / 2);
        if (rotateAfter === undefined) await session.rotate({ grace: GRACE });
        await sleep(Number(req.query['ms']) / 2);
        return user;
      },
    },
    { store, rotateAfter, cookie: { maxAge } },
  );
  const outcome: Outcome = { requests: 0, rotations: 0, logouts: 0, overtaken: 0, pauses: 0, paused: 0 };
  const pause = new Pause(store, pauseEvery);
  const clients = Array.from(
    { length: CLIENTS },
    (_, at) => new Client(url, `user-${at}`, new Random(seed * CLIENTS + at), loss, store, outcome, pause),
  );
  await inTurns(Promise.all(clients.map((client) => client.live(() => store.rotations >= rotations))));
  outcome.rotations = store.rotations;
  if (process.env['LONG']) console.log(JSON.stringify({ seed, loss, maxAge, ...outcome }));
  return outcome;
}

/** Waits for `work` while time passes. */
async function inTurns(work: Promise<unknown>): Promise<void> {
  const progress = { over: false };
  const end = (): void => void (progress.over = true);
  work.then(end, end);
  while (!progress.over) {
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(TURN);
  }
  await work;
}

/** Lets time jump by an hour when all clients have reached a pause. */
class Pause {
  #next: number;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly store: SecretsStore,
    private readonly every: number,
  ) {
    this.#next = every;
  }

  get isDue(): boolean {
    return this.store.rotations >= this.#next;
  }

  /** Resolves an hour later. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length < CLIENTS) return;
      vi.setSystemTime(Date.now() + HOUR);
      this.#next = this.store.rotations + this.every;
      for (const go of this.#waiting.splice(0)) go();
    });
  }
}

class Client {
  #browser: Browser;
  readonly #inFlight = new Set<Promise<void>>();
  /** The jar holds an older cookie than it did before. */
  #wentBack = false;
  /** The client has paused, and has had no response since. */
  #hasPaused = false;
  #loggedOut = false;

  constructor(
    url: string,
    private readonly user: string,
    private readonly random: Random,
    private readonly loss: number,
    private readonly store: SecretsStore,
    private readonly outcome: Outcome,
    private readonly pause: Pause,
  ) {
    this.#browser = new Browser(url);
  }

  /** Loads page after page until `done`. */
  async live(done: () => boolean): Promise<void> {
    await this.#login();
    while (!done()) {
      this.#loadPage();
      // Most pages are left before all of their responses have arrived.
      await sleep(
        this.random.chance(0.7) ? this.random.between(50, 1500) : this.random.between(1500, 3 * GRACE),
      );
      if (this.pause.isDue && !done()) {
        await Promise.all(this.#inFlight);
        await this.pause.wait();
        if (!this.#loggedOut) this.outcome.pauses++;
        this.#hasPaused = true;
      }
      if (!this.#loggedOut) continue;
      await Promise.all(this.#inFlight);
      await this.#login();
    }
    await Promise.all(this.#inFlight);
  }

  async #login(): Promise<void> {
    this.#browser = new Browser(this.#browser.url);
    await this.#browser.get(`/login/${this.user}`);
    this.#wentBack = this.#hasPaused = this.#loggedOut = false;
  }

  #loadPage(): void {
    const paths: string[] = Array.from({ length: this.random.between(1, 6) }, () =>
      this.random.chance(0.7) ? '/read' : '/write',
    );
    if (this.random.chance(0.4)) paths.push('/rotate');
    if (this.random.chance(0.05)) paths.push('/rotate');
    for (const path of paths) {
      const request = this.#request(path).finally(() => this.#inFlight.delete(request));
      this.#inFlight.add(request);
    }
  }

  async #request(path: string): Promise<void> {
    const { random, outcome } = this;
    const [up, handling, down] = [this.#delay(), this.#delay(), this.#delay()];
    const lost = random.chance(this.loss);
    const [wentBack, hasPaused] = [this.#wentBack, this.#hasPaused];
    const sent = this.#browser.clone();

    await sleep(up);
    const response = await sent.get(`${path}?ms=${handling}`);
    await sleep(down);
    outcome.requests++;
    if (response.json<unknown>() !== this.user && !this.#loggedOut) {
      this.#loggedOut = true;
      outcome[wentBack ? 'overtaken' : hasPaused ? 'paused' : 'logouts']++;
    }
    this.#hasPaused = false;
    if (lost || this.#loggedOut || response.setCookies.length === 0) return;
    const held = this.store.generation(this.#browser);
    const given = this.store.generation(sent);
    this.#browser.cookies.set('sid', sent.cookies.get('sid')!);
    if (given !== held) this.#wentBack = given < held;
  }

  /** How long a step takes: mostly short, sometimes long, but never so long that a grace ends meanwhile. */
  #delay(): number {
    return this.random.chance(0.9) ? this.random.between(0, 100) : this.random.between(100, GRACE / 4);
  }
}

/** Remembers the order of each session's secrets. */
class SecretsStore extends RecordingStore {
  readonly #secretHashes = new Map<string, string[]>();
  rotations = 0;

  constructor(
    store: SessionStore,
    private readonly see: (record: SessionRecord) => SessionRecord,
  ) {
    super(store);
  }

  override async create(record: SessionRecord): Promise<boolean> {
    this.#secretHashes.set(record.id, [record.secretHash]);
    return super.create(record);
  }

  override async read(id: string): Promise<SessionRecord | undefined> {
    const record = await super.read(id);
    return record && this.see(record);
  }

  override async rotate(record: SessionRecord, presented: string, secretHash: string, grace: number) {
    const current = await super.rotate(record, presented, secretHash, grace);
    if (current === secretHash) {
      this.#secretHashes.get(record.id)!.push(secretHash);
      this.rotations++;
    }
    return current;
  }

  /** Returns the index of the secret that a browser holds among its session's secrets: 0 for the first. */
  generation(browser: Browser): number {
    const { id, secret } = tokenOf(browser);
    return this.#secretHashes.get(id)!.indexOf(hash('sha256', secret, 'base64url'));
  }
}

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
