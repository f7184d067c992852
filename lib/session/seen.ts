import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { SessionChange, SessionRecord } from '../contract/record.js';

/** What is recorded of a client. */
export interface SessionClient {
  /** Its address; or its network, such as `203.0.113.0/24`. */
  readonly ip?: string | undefined;
  /** Its `User-Agent` header, as it was sent, cut at 512 bytes. */
  readonly userAgent?: string | undefined;
}

/** A use that changes nothing else is written if the last one is this old, in milliseconds. */
export const SEEN_EVERY = 5 * 60_000;

/** How much of an address is recorded: nothing, its network, or all. */
export type AddressPart = 'none' | 'network' | 'full';

/** A request, with the address that Express and Fastify find by their settings for trusted proxies. */
type Addressed = Pick<IncomingMessage, 'headers' | 'socket'> & { ip?: string };

/** The client of a request. */
export function clientOf(req: Addressed, part: AddressPart): SessionClient {
  const address = part === 'none' ? undefined : (req.ip ?? req.socket?.remoteAddress);
  return {
    ip: address === undefined || part === 'full' ? address : networkOf(address),
    userAgent: req.headers['user-agent'],
  };
}

/** The network of an address: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address. */
export function networkOf(address: string): string | undefined {
  const [ip] = address.split('%') as [string];
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1] ?? ip;
  if (isIP(mapped) === 4) return `${mapped.split('.').slice(0, 3).join('.')}.0/24`;
  if (isIP(mapped) !== 6) return undefined;
  const [head, tail] = mapped.split('::').map((part) => part.split(':').filter(Boolean)) as [
    string[],
    string[]?,
  ];
  // An IPv4 address at the end stands for two groups.
  const after = tail?.flatMap((group) => (group.includes('.') ? ['', ''] : [group])) ?? [];
  const zeros = Array<string>(Math.max(0, 8 - head.length - after.length)).fill('0');
  const [one, two, three] = [...head, ...zeros, ...after].map((group) => parseInt(group, 16).toString(16));
  return `${one}:${two}:${three}::/48`;
}

/** The text of a client, as stores keep it. Throws a `TypeError` for anything else than a client. */
export function textOf(client: SessionClient): string {
  if (typeof client !== 'object' || client === null || 'then' in client) {
    throw new TypeError('the option client must return { ip, userAgent }, and not a promise');
  }
  const { ip, userAgent } = client;
  for (const [name, value] of Object.entries({ ip, userAgent })) {
    if (value !== undefined && typeof value !== 'string') {
      throw new TypeError(`the option client must return { ip, userAgent }, and ${name} must be a string`);
    }
  }
  return JSON.stringify({ ip: ip && cut(ip), userAgent: userAgent && cut(userAgent) });
}

/** The longest recorded header or address, in bytes. */
const LONGEST = 512;

function cut(text: string): string {
  const bytes = Buffer.from(text);
  // A character that is cut in two becomes a replacement character, which is left out.
  return bytes.length <= LONGEST
    ? text.toWellFormed()
    : bytes
        .subarray(0, LONGEST)
        .toString()
        .replace(/\ufffd$/, '');
}

/** The client in a text; empty if the text is not that of one. */
export function clientIn(text: string): SessionClient {
  try {
    const { ip, userAgent } = Object(JSON.parse(text)) as SessionClient;
    return { ...(ip !== undefined && { ip }), ...(userAgent !== undefined && { userAgent }) };
  } catch {
    return {};
  }
}

/** The part of a new record that records its first use. */
export function firstUse(seen: SessionChange['seen']): Pick<SessionRecord, 'lastSeenAt' | 'client'> {
  return seen ? { lastSeenAt: seen.at, client: { first: seen.client, last: seen.client } } : {};
}
