import type { IncomingMessage } from 'node:http';
import { brand, isBranded } from '../contract/brand.js';
import type { SessionConfig } from '../session/config.js';
import { hostOf } from '../token/scope.js';
import { afterHandler, afterLoad, type CrossSiteStanding } from './cross-site-standing.js';
import { IsolatedStore } from './isolated.store.js';
import { adviceFor, logged, WarnOnce } from './origin-check.js';
import { AllowedOrigins, type Addressee } from './origins.js';
import { isSecure } from './secure.js';

/** A page of another site sent a request that changes something, with the session's cookie. Shaped as an HTTP 403. */
export class CrossSiteError extends Error {
  override readonly name = 'CrossSiteError';
  readonly status = 403;
  readonly statusCode = 403;
  readonly expose = true;

  static {
    brand(this, 'CrossSiteError');
  }

  constructor() {
    super('the request was sent by a page of another site, which this app does not accept');
  }
}

/** Whether an error says that a cross-site request was rejected, from any copy of this package. */
export function isCrossSiteError(error: unknown): error is CrossSiteError {
  return isBranded(error, 'CrossSiteError');
}

/** The methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

const ISOLATED =
  "a request of a page of another site began a session, which its client does not get, because of the option crossSite. If its handler is a callback of a login provider, write @AllowCrossSite() above it; if the page is one of yours, list its origin: origins: ['https://app.example.com']";

/** Finds the requests that pages of other sites may have sent, by the options `crossSite` and `origins`. */
export class CrossSiteCheck {
  readonly #mode: 'isolate' | 'reject';
  readonly #config: SessionConfig;
  readonly #origins: AllowedOrigins;
  readonly #warnings: WarnOnce;

  private constructor(mode: 'isolate' | 'reject', config: SessionConfig) {
    this.#mode = mode;
    this.#config = config;
    this.#origins = new AllowedOrigins(config.origins);
    this.#warnings = new WarnOnce(config.logger);
  }

  /** `undefined` if `crossSite` is `'allow'`. Throws a `TypeError` for an origin that is none. */
  static for(config: SessionConfig): CrossSiteCheck | undefined {
    return config.crossSite === 'allow' ? undefined : new CrossSiteCheck(config.crossSite, config);
  }

  /** The state of a request that a page of another site may have sent, to change something. `undefined` for others. */
  requestOf(req: IncomingMessage): CrossSiteRequest | undefined {
    if (SAFE_METHODS.has(req.method)) return undefined;
    const addressees = addresseesOf(req, this.#config);
    if (!addressees.every((to) => this.#origins.isCrossSite(req, to))) return undefined;
    const [to] = addressees;
    return new CrossSiteRequest(this.#mode, this.#config, () => this.#warn(req, to));
  }

  #warn({ method, headers }: IncomingMessage, to: Addressee): void {
    const { origin } = headers;
    const from = origin === undefined ? 'without an Origin header' : `from the origin ${logged(origin)}`;
    const site = headers['sec-fetch-site'];
    const why =
      site === undefined
        ? `it was sent to the host ${logged(to.host)}. ${adviceFor(headers, to)}`
        : `a page of another site sent it (Sec-Fetch-Site: ${logged(site)}). `;
    this.#warnings.warn(
      `a ${logged(method)} request ${from} was rejected, because ${why}If the origin is another site of yours, list it: origins: ['https://app.example.com']. If its handler is a callback of a login provider, write @AllowCrossSite() above it`,
    );
  }
}

/** One unsafe request that a page of another site may have sent. */
export class CrossSiteRequest {
  /** The configuration for its session. The store is replaced while the request is isolated. */
  readonly config: SessionConfig;
  readonly #mode: 'isolate' | 'reject';
  readonly #appConfig: SessionConfig;
  readonly #warn: () => void;
  #standing: CrossSiteStanding = 'loading';
  #own: IsolatedStore | undefined;

  constructor(mode: 'isolate' | 'reject', config: SessionConfig, warn: () => void) {
    this.#mode = mode;
    this.#appConfig = config;
    this.config = { ...config };
    this.#warn = warn;
  }

  /** The session was looked up. */
  loaded(hasSession: boolean): void {
    this.#standing = afterLoad(this.#mode, hasSession);
    if (this.isIsolated) this.config.store = this.#own = new IsolatedStore(this.#appConfig.store);
  }

  /**
   * A handler was found. Rejects with a {@link CrossSiteError} if it must not run.
   *
   * @param accepts whether it accepts requests of pages of other sites
   */
  async handler(accepts: boolean): Promise<void> {
    this.#standing = afterHandler(this.#standing, accepts);
    const mustNotRun = !accepts && this.#mode === 'reject' && !this.#own;
    if (mustNotRun) throw this.rejection();
    if (!this.#own) return;
    if (this.#standing === 'released') {
      // What middleware has stored meanwhile.
      await this.#own.moveOut();
      this.config.store = this.#appConfig.store;
    } else {
      this.config.store = this.#own;
    }
  }

  /** The error of the request, which is logged. */
  rejection(): CrossSiteError {
    if (this.#standing === 'unsettled') this.#standing = 'rejected';
    this.#warn();
    return new CrossSiteError();
  }

  /** Whether a cookie has authenticated the request, and no handler has been found that accepts it. */
  get isUnsettled(): boolean {
    return this.#standing === 'unsettled';
  }

  get isRejected(): boolean {
    return this.#standing === 'rejected';
  }

  /** Whether the response must not contain the token of a session that the request begins. */
  get isIsolated(): boolean {
    return this.#standing === 'isolated' || this.#standing === 'kept apart';
  }

  /** Logs, once for all requests, that a session was begun whose client does not get it. */
  sessionWithheld(): void {
    this.config.conditions.begin('isolated', ISOLATED);
  }
}

/** A request, with the host that Express and Fastify show of it, by their settings for trusted proxies. */
type Hosted = IncomingMessage & { hostname?: string };

/**
 * Where a request may have been sent to: to the host of `X-Forwarded-Host` if the platform trusts its proxy. If that and
 * `Host` differ in the port alone, either may be that of the page: the platform does not show which one it trusts, and
 * pages of other sites can set neither.
 */
function addresseesOf(req: Hosted, { proxy }: SessionConfig): [Addressee, ...Addressee[]] {
  const { headers } = req;
  const forwarded = String(headers['x-forwarded-host'] ?? '').split(',');
  const hosts = [String(headers.host ?? headers[':authority'] ?? ''), ...forwarded].map((host) =>
    host.trim(),
  );
  const name = hostOf(req);
  const [first = name, ...others] = hosts.filter(
    (host) => host !== '' && host.replace(/:\d+$/, '').toLowerCase() === name,
  );
  const isEncrypted = isSecure(req, proxy);
  return [{ host: first || undefined, isEncrypted }, ...others.map((host) => ({ host, isEncrypted }))];
}
