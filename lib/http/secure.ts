import type { IncomingMessage } from 'node:http';

/** A request, with what each platform says about its connection, by its own setting for trusted proxies. */
type Connected = Pick<IncomingMessage, 'headers' | 'socket'> & { secure?: boolean; protocol?: string };

/**
 * Whether a request came over HTTPS, to this server or to a trusted proxy.
 *
 * @param proxy whether `X-Forwarded-Proto` is trusted; `undefined`: as the platform trusts its proxies
 */
export function isSecure(req: Connected, proxy: boolean | undefined): boolean {
  if ((req.socket as { encrypted?: boolean } | undefined)?.encrypted === true) return true;
  // Express sets `secure`, and Fastify `protocol`.
  if (proxy === undefined) return req.secure ?? req.protocol === 'https';
  return proxy && forwardedProtocol(req) === 'https';
}

/** The protocol that the first proxy saw; empty if it does not say. */
export function forwardedProtocol({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const forwarded = String(headers['x-forwarded-proto'] ?? '');
  return forwarded.split(',', 1)[0]!.trim().toLowerCase();
}
