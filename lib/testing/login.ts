import type { INestApplicationContext } from '@nestjs/common';
import { NotOpenError } from '../contract/errors.js';
import { checkNoOthers, checkOptionsObject } from '../contract/option-checks.js';
import type { CookieAttributes } from '../cookie/attributes.js';
import type { CreateOptions } from '../nest/session.service.js';
import { SessionService } from '../nest/session.service.js';
import type { SessionData } from '../session/session-data.js';
import type { SessionView } from '../session/view.js';
import type { ResolvedIdentity } from '../token/identity.js';

/** How to log in: the groups and the lifetime of the session, and how its token travels. */
export interface LoginOptions extends CreateOptions {
  /** The name of the identity that carries the token; default: the first of the option `identities`. */
  identity?: string | undefined;
}

/** A cookie as `context.addCookies` of Playwright takes it. */
export interface TestCookie {
  name: string;
  value: string;
  /** The host alone; with a leading dot, its subdomains too. */
  domain: string;
  path: string;
  /** Epoch seconds; -1 for a cookie that lasts until the browser is closed. */
  expires: number;
  httpOnly: boolean;
  secure: boolean;
  sameSite?: 'Strict' | 'Lax' | 'None';
}

/**
 * Creates a session with data, without a request, and returns what a client needs to use it. The app must be initialised:
 * `await app.init()`, or `app.listen()`.
 *
 * @param app an app or a testing module; or its `SessionService`, if it has several
 */
export async function loginAs(
  app: INestApplicationContext | SessionService,
  data: Partial<SessionData> & Record<string, unknown> = {},
  options: LoginOptions = {},
): Promise<TestLogin> {
  checkOptionsObject('loginAs', options, '{ groups, maxAge, identity }');
  const { identity: name, groups, maxAge, ...others } = options;
  checkNoOthers('loginAs', others, 'groups, maxAge, identity');
  const service = serviceOf(app);
  const identity = identityNamed(name, SessionService.identitiesOf(service));
  const { session, token } = await service.create(data, { groups, maxAge }).catch(explainNotOpen);
  const isKept = (maxAge ?? identity.cookie.plain.maxAge ?? null) !== null;
  return new TestLogin(session, token, identity, isKept);
}

/** A session of a test, and the forms in which clients present its token. */
export class TestLogin {
  /** The session as it was created. */
  readonly session: SessionView;
  /** The value of the cookie, or of the header. */
  readonly token: string;
  /** The header with the token: for supertest, `app.inject`, `fetch`, Socket.IO's `extraHeaders` and ws. */
  readonly headers: Readonly<Record<string, string>>;
  readonly #identity: ResolvedIdentity;
  readonly #isKept: boolean;

  /** @param isKept whether browsers keep the cookie when they are closed */
  constructor(session: SessionView, token: string, identity: ResolvedIdentity, isKept: boolean) {
    const { name, header } = identity.identity;
    this.session = session;
    this.token = token;
    this.headers = Object.freeze(
      identity.isCookie ? { cookie: `${name}=${token}` } : { [header.toLowerCase()]: token },
    );
    this.#identity = identity;
    this.#isKept = isKept;
  }

  /** The value of the `Cookie` header. Throws if the token travels in another header. */
  get cookie(): string {
    this.#checkIsCookie();
    return this.headers['cookie']!;
  }

  /**
   * The cookie as a response from `url` would set it, for `context.addCookies` of Playwright. Throws if the token travels
   * in a header, and a `TypeError` for a `url` that is not one of HTTP.
   *
   * @param url the app's address, such as `http://localhost:3000`
   */
  cookies(url: string): TestCookie[] {
    this.#checkIsCookie();
    const { protocol, hostname } = addressIn(url);
    const { cookie, identity } = this.#identity;
    const attributes = protocol === 'https:' ? cookie.secure : cookie.plain;
    const { domain, path = '/', httpOnly = false, secure = false } = attributes;
    const { createdAt, expiresAt } = this.session;
    const sameSite = sameSiteOf(attributes);
    return [
      {
        name: identity.name,
        value: this.token,
        domain: domain === undefined ? hostname : `.${domain.replace(/^\./, '')}`,
        path,
        // The browser's clock is not that of a store which a test has moved.
        expires: this.#isKept ? Math.ceil((Date.now() + expiresAt - createdAt) / 1000) : -1,
        httpOnly,
        secure,
        ...(sameSite !== undefined && { sameSite }),
      },
    ];
  }

  #checkIsCookie(): void {
    if (this.#identity.isCookie) return;
    const { header } = this.#identity.identity;
    throw new Error(`this login has no cookie: its token travels in the header ${header}. Use its headers`);
  }
}

function addressIn(url: unknown): URL {
  const address = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  // The scheme of `localhost:3000` is `localhost:`.
  if (address && /^https?:$/.test(address.protocol)) return address;
  throw new TypeError('url must be the address of the app: write http://localhost:3000');
}

function serviceOf(app: INestApplicationContext | SessionService): SessionService {
  if (typeof app !== 'object' || app === null) {
    throw new TypeError('loginAs needs an app: write loginAs(app, data), after the app was created');
  }
  if ('create' in app) return app;
  try {
    return app.get(SessionService);
  } catch (cause) {
    throw new Error('loginAs found no SessionService. Import SessionModule.forRoot({ secret }) in the app', {
      cause,
    });
  }
}

function explainNotOpen(error: unknown): never {
  if (!(error instanceof NotOpenError)) throw error;
  throw new Error('loginAs found a store that is not open. Call await app.init() before it', {
    cause: error,
  });
}

function identityNamed(
  wanted: string | undefined,
  identities: readonly ResolvedIdentity[],
): ResolvedIdentity {
  const found = identities.find(({ identity: { name } }) => wanted === undefined || name === wanted);
  if (found) return found;
  const names = identities.map(({ identity: { name } }) => `'${name}'`).join(', ');
  throw new TypeError(`identity must be the name of one that the app has: ${names}`);
}

/** `undefined` for a cookie without the attribute. */
function sameSiteOf({ sameSite }: CookieAttributes): TestCookie['sameSite'] {
  switch (sameSite) {
    case true:
    case 'strict':
      return 'Strict';
    case 'lax':
      return 'Lax';
    case 'none':
      return 'None';
    default:
      return undefined;
  }
}
