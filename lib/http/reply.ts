import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LiveCookie } from '../cookie/live-cookie.js';
import { withNoStore } from './cache-control.js';
import type { SessionConfig } from '../session/config.js';
import type { ClientNotice } from '../session/notice.js';
import type { ResolvedIdentity } from '../token/identity.js';
import { hostOf, isLocalhost } from '../token/scope.js';
import { sayWhenToRetry } from './failure.js';
import { forwardedProtocol } from './secure.js';

/** The request that a reply is for. */
interface Asked {
  readonly req: IncomingMessage;
  readonly identity: ResolvedIdentity;
  readonly isSecure: boolean;
}

type Put = (res: ServerResponse) => void;

/** A function that sets the session's headers on a response: what the client must be told, and what caches must know. */
export function sessionHeaders(
  notice: ClientNotice,
  storeHasFailed: boolean,
  asked: Asked,
  config: SessionConfig,
): Put | undefined {
  const { vary } = config;
  const put = tokenHeaders(notice, asked, config);
  if (!put && vary.length === 0 && !storeHasFailed) return undefined;
  return (res) => {
    if (storeHasFailed && res.statusCode === 503) sayWhenToRetry(res);
    for (const header of vary) addVary(res, header);
    if (!put) return;
    if (config.noStore) res.setHeader('Cache-Control', withNoStore(res.getHeader('Cache-Control')));
    put(res);
  };
}

/** A function that sets or removes the client's token; `undefined` if the response does neither. */
function tokenHeaders(notice: ClientNotice, asked: Asked, config: SessionConfig): Put | undefined {
  const { identity, isCookie } = asked.identity;
  switch (notice.is) {
    case 'nothing':
      return undefined;
    case 'forget':
      return (res) => identity.remove(res, notice.session);
    case 'token': {
      if (isCookie && !takesCookie(identity.name, notice.session.cookie, asked, config)) return undefined;
      const token = notice.sign();
      return (res) => identity.set(res, token, notice.session);
    }
  }
}

/** Whether a cookie with these attributes may be sent. One that clients would drop is logged, once. */
function takesCookie(
  name: string,
  { secure, sameSite, partitioned }: LiveCookie,
  asked: Asked,
  config: SessionConfig,
): boolean {
  const { conditions } = config;
  if (secure === true && !asked.isSecure && !(config.secureOnLocalhost && isLocalhost(hostOf(asked.req)))) {
    conditions.begin(
      'cookie needs HTTPS',
      `cookie ${name} was not sent, because cookie.secure is true and the request did not use HTTPS. Behind a proxy set Express's 'trust proxy', or write secure: 'auto'`,
    );
    return false;
  }
  if (secure === true) return true;
  if (isUntrustedHttps(asked, config)) {
    conditions.begin(
      'proxy is not trusted',
      `cookie ${name} was sent without Secure. X-Forwarded-Proto is https, but the app does not trust its proxy. Set Express's 'trust proxy', or write new FastifyAdapter({ trustProxy: true })`,
    );
  }
  if (sameSite === 'none' || partitioned === true) {
    const attribute = sameSite === 'none' ? "sameSite: 'none'" : 'partitioned: true';
    conditions.begin(
      'cookie is dropped',
      `cookie ${name} was sent with ${attribute} but without Secure, so browsers drop it. Use HTTPS; behind a proxy set Express's 'trust proxy'`,
    );
  }
  return true;
}

/** Whether a proxy says that the client used HTTPS, but is not trusted, so that `secure: 'auto'` means `false`. */
function isUntrustedHttps({ req, identity, isSecure }: Asked, { proxy }: SessionConfig): boolean {
  const { plain, secure } = identity.cookie;
  const isAuto = plain.secure !== secure.secure;
  return isAuto && !isSecure && proxy !== false && forwardedProtocol(req) === 'https';
}

/** Adds a request header to the response's `Vary`, unless it is there already. */
function addVary(res: ServerResponse, header: string): void {
  const before = [res.getHeader('Vary') ?? []].flat().join(', ');
  const named = before.toLowerCase().split(/\s*,\s*/);
  if (named.includes('*') || named.includes(header.toLowerCase())) return;
  res.setHeader('Vary', before === '' ? header : `${before}, ${header}`);
}
