import type { HttpServer } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Addressee } from '../http/origins.js';

/** The properties by which both platforms show this of a request. */
interface PlatformRequest {
  readonly host: string | undefined;
  readonly protocol: string | undefined;
}

/**
 * Reads where a handshake was sent to, and gives it the `hostname` and `protocol` that the platform's requests have.
 * A handshake reaches neither Express nor Fastify, so their settings for trusted proxies do not apply by themselves.
 */
export function addresseeOf(adapter: HttpServer | undefined, handshake: IncomingMessage): Addressee {
  const request = adapter && platformRequest(adapter, handshake);
  const host = request?.host || handshake.headers.host;
  const isEncrypted =
    request?.protocol === 'https' || (handshake.socket as { encrypted?: boolean }).encrypted === true;
  const seen = handshake as { hostname?: string | undefined; protocol?: string };
  seen.hostname ??= host?.replace(/:\d+$/, '');
  seen.protocol ??= isEncrypted ? 'https' : 'http';
  return { host, isEncrypted };
}

/** A handshake with the getters of the platform's requests. */
function platformRequest(adapter: HttpServer, handshake: IncomingMessage): PlatformRequest | undefined {
  const prototype = requestPrototype(adapter);
  if (!prototype) return undefined;
  const { headers, socket } = handshake;
  const request = Object.create(prototype, {
    headers: { value: headers },
    socket: { value: socket },
    raw: { value: handshake },
  }) as PlatformRequest;
  return request;
}

function requestPrototype(adapter: HttpServer): object | undefined {
  const platform = adapter.getInstance() as object;
  if (adapter.getType() === 'express') return (platform as { request?: object }).request;
  // Fastify has no public way to its class of requests, which holds `trustProxy`.
  const symbol = Object.getOwnPropertySymbols(platform).find(
    ({ description }) => description === 'fastify.Request',
  );
  const type = symbol && (platform as Record<symbol, { prototype: object } | undefined>)[symbol];
  return type?.prototype;
}
