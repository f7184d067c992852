import { atRisk, ok, unknown, type Finding } from '../contract/examination.js';
import type { CookieAttributes } from '../cookie/attributes.js';
import type { SessionConfig } from '../session/config.js';
import type { ResolvedIdentity } from '../token/identity.js';
import { SUBJECTS } from './subjects.js';

/** Judges how tokens travel by section V3.3 of OWASP ASVS 5.0. */
export function judgeCookies({ identities, identitiesFor, crossSite }: SessionConfig): Finding[] {
  if (!identitiesFor) return identities.flatMap((identity) => judgeIdentity(identity, crossSite));
  const [{ identity }] = identities as [ResolvedIdentity];
  return [
    ...[SUBJECTS.secure, SUBJECTS.sameSite, SUBJECTS.httpOnly].map((subject) =>
      unknown(
        subject,
        'The attributes of the cookie depend on the request.',
        'Check what the function cookie returns for a request over HTTPS.',
      ),
    ),
    judgePrefix(identity.name),
  ];
}

function judgeIdentity(
  { identity, cookie: { plain, secure }, isCookie }: ResolvedIdentity,
  crossSite: SessionConfig['crossSite'],
): Finding[] {
  const { name } = identity;
  if (!isCookie) {
    return [
      unknown(
        SUBJECTS.header,
        `The token travels in the header ${name}, where scripts of a page can read it (ASVS 3.3.4).`,
        'Check that only clients that are not browsers get it.',
      ),
    ];
  }
  return [
    judgeSecure(name, plain),
    judgePrefix(name),
    judgeSameSite(name, secure, crossSite),
    judgeHttpOnly(name, plain),
  ];
}

/** @param plain the attributes for a request over plain HTTP */
function judgeSecure(name: string, plain: CookieAttributes): Finding {
  if (plain.secure) return ok(SUBJECTS.secure, `The cookie ${name} is always Secure (ASVS 3.3.1).`);
  return atRisk(
    SUBJECTS.secure,
    `The cookie ${name} is not always Secure.`,
    'The token is sent over plain HTTP if the app is reached without TLS, or does not trust the proxy that ends it. An attacker who reads the traffic has the session (ASVS 3.3.1).',
    "Set cookie: { secure: true }, and Express's trust proxy or Fastify's trustProxy.",
  );
}

function judgePrefix(name: string): Finding {
  if (/^__host-/i.test(name))
    return ok(SUBJECTS.prefix, `The cookie ${name} has the prefix __Host- (ASVS 3.3.3).`);
  return atRisk(
    SUBJECTS.prefix,
    `The cookie ${name} has no prefix __Host-.`,
    'A subdomain, or an attacker on a plain HTTP connection, can set a cookie of that name, and so a session of the attacker in the browser of a user (ASVS 3.3.3).',
    "Set name: '__Host-sid', with cookie: { secure: true } and neither domain nor another path.",
  );
}

/** @param secure the attributes for a request over HTTPS */
function judgeSameSite(
  name: string,
  { sameSite }: CookieAttributes,
  crossSite: SessionConfig['crossSite'],
): Finding {
  if (sameSite === true || sameSite === 'strict' || sameSite === 'lax') {
    return ok(
      SUBJECTS.sameSite,
      `The cookie ${name} has SameSite=${sameSite === 'lax' ? 'Lax' : 'Strict'} (ASVS 3.3.2).`,
    );
  }
  const found = `The cookie ${name} has ${sameSite === 'none' ? 'SameSite=None' : 'no SameSite'}`;
  if (crossSite === 'reject') {
    return ok(
      SUBJECTS.sameSite,
      `${found}, and crossSite: 'reject' rejects unsafe requests from other sites (ASVS 3.3.2).`,
    );
  }
  return atRisk(
    SUBJECTS.sameSite,
    `${found}.`,
    'Browsers send it with requests from other sites, which can act as the user (ASVS 3.3.2).',
    "Leave sameSite out for 'lax'. If another site needs the cookie, set crossSite: 'reject' and list the site in origins.",
  );
}

function judgeHttpOnly(name: string, { httpOnly }: CookieAttributes): Finding {
  if (httpOnly) return ok(SUBJECTS.httpOnly, `The cookie ${name} is HttpOnly (ASVS 3.3.4).`);
  return atRisk(
    SUBJECTS.httpOnly,
    `The cookie ${name} is not HttpOnly.`,
    'A script that an attacker gets into a page reads the token, and the attacker has the session (ASVS 3.3.4).',
    'Leave httpOnly out: it is on by default.',
  );
}
