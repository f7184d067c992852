import { Agent, createServer, request as requestHttp, type IncomingMessage, type Server } from 'node:http';
import {
  Agent as SecureAgent,
  createServer as createSecureServer,
  request as requestHttps,
} from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  All,
  Catch,
  Controller,
  Module,
  Next,
  Req,
  Res,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import express, { type NextFunction, type Request, type Response } from 'express';

/** The functions that handle the requests of one case. */
export interface Running {
  before(req: Request, res: Response, next: NextFunction): void;
  handle(req: Request, res: Response, next: NextFunction): unknown;
  failed(error: Error, res: Response): void;
}

export type Framework = 'Express' | 'Nest';
/** How a request arrives: over plain HTTP, through a proxy that Express trusts, or over TLS. */
export type Way = 'plain' | 'trusting' | 'secure';

export interface ReceivedResponse {
  /** 0 if the connection broke before the response was complete. */
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** Cases by the `x-case` header of their requests: one app serves them all. */
const running = new Map<string, Running>();
let cases = 0;
const servers = new Map<string, Promise<Server>>();

/** Serves a case until `stop` is called. */
export function serveCase(one: Running): { name: string; stop: () => void } {
  const name = String(cases++);
  running.set(name, one);
  return { name, stop: () => running.delete(name) };
}

export async function stopServers(): Promise<void> {
  AGENT.destroy();
  SECURE_AGENT.destroy();
  for (const server of await Promise.all(servers.values())) {
    server.closeAllConnections();
    server.close();
  }
  servers.clear();
}

const caseOf = (req: Request): Running => running.get(String(req.headers['x-case']))!;

@Controller()
class EveryPath {
  @All('{*path}')
  handle(@Req() req: Request, @Res() res: Response, @Next() next: NextFunction): unknown {
    return caseOf(req).handle(req, res, next);
  }
}

@Catch()
class CaseFilter implements ExceptionFilter {
  catch(error: Error, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    caseOf(http.getRequest<Request>()).failed(error, http.getResponse<Response>());
  }
}

@Module({ controllers: [EveryPath] })
class ParityModule {}

async function listenerOf(framework: Framework, way: Way): Promise<ReturnType<typeof express>> {
  const app = express();
  app.set('trust proxy', way === 'trusting');
  app.use((req, res, next) => caseOf(req).before(req, res, next));
  if (framework === 'Nest') {
    const nest = await NestFactory.create(ParityModule, new ExpressAdapter(app), {
      bodyParser: false,
      logger: false,
    });
    nest.useGlobalFilters(new CaseFilter());
    await nest.init();
    return app;
  }
  app.use((req, res, next) => caseOf(req).handle(req, res, next));
  app.use((error: Error, req: Request, res: Response, _next: NextFunction) => caseOf(req).failed(error, res));
  return app;
}

/** A pre-shared key in place of a certificate. */
const PSK = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
const IDENTITY = { psk: Buffer.alloc(16, 1), identity: 'parity' };

async function serverFor(framework: Framework, way: Way): Promise<Server> {
  const name = `${framework} ${way}`;
  let server = servers.get(name);
  if (!server) {
    server = listenerOf(framework, way).then(async (listener) => {
      const made =
        way === 'secure'
          ? createSecureServer({ ...PSK, pskCallback: () => IDENTITY.psk }, listener)
          : createServer(listener);
      // Longer than any spec, so that no connection closes just when a request reuses it.
      made.keepAliveTimeout = 600_000;
      await new Promise<void>((done) => made.listen(0, '127.0.0.1', done));
      return made as Server;
    });
    servers.set(name, server);
  }
  return server;
}

const AGENT = new Agent({ keepAlive: true });
const SECURE_AGENT = new SecureAgent({ keepAlive: true });

/** Sends one request. */
export async function send(
  framework: Framework,
  way: Way,
  method: string,
  path: string,
  headers: Record<string, string>,
  patience?: number,
): Promise<ReceivedResponse> {
  const { port } = (await serverFor(framework, way)).address() as AddressInfo;
  const options = { host: '127.0.0.1', port, method, path, headers, agent: AGENT };
  const secured = {
    ...options,
    agent: SECURE_AGENT,
    ...PSK,
    pskCallback: () => IDENTITY,
    checkServerIdentity: () => undefined,
  };
  return new Promise((resolve) => {
    const broken = (): void => resolve({ status: 0, headers: {}, body: '' });
    const receive = (res: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', broken);
      res.on('end', () =>
        resolve({ status: res.statusCode!, headers: res.headers, body: Buffer.concat(chunks).toString() }),
      );
    };
    const outgoing = way === 'secure' ? requestHttps(secured, receive) : requestHttp(options, receive);
    outgoing.on('error', broken);
    if (patience !== undefined) outgoing.setTimeout(patience, () => outgoing.destroy());
    outgoing.end();
  });
}
