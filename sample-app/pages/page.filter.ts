import { Catch, HttpException, Logger, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import type { Request, Response } from 'express';
import { errorMain, titleOf } from './error.page.js';
import { layout } from './layout.js';

/** The paths of the JSON interface, whose errors are JSON in browsers too. */
const JSON_PATHS = /^\/(me|login|logout|logout-others|logout-everywhere|preferences|sessions)(\/|$)/;

/**
 * Shows errors of pages as pages, and leads to the sign-in page without a session. A global filter, because a session
 * that cannot be read fails before there is a controller.
 */
@Catch()
export class PageFilter extends BaseExceptionFilter {
  private readonly logger = new Logger(PageFilter.name);

  override catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    // What accepts anything, as curl and `fetch` do, gets JSON.
    const wantsPage = !JSON_PATHS.test(request.path) && request.accepts('json', 'html') === 'html';
    if (!wantsPage || response.headersSent) return super.catch(error, host);

    const status = statusOf(error);
    response.set('Cache-Control', 'no-store');
    if (status === 401) return response.redirect(303, signInPathOf(request.path));
    if (status === 500) this.logger.error(error);
    const path = request.method === 'GET' ? request.originalUrl : '/';
    const main = errorMain(status, path, status === 400 ? messagesOf(error) : []);
    const scripts = status === 503 ? ['retry'] : [];
    response.status(status).send(layout({ title: titleOf(status), main, scripts }));
  }
}

function signInPathOf(path: string): string {
  return path === '/admin' || path.startsWith('/admin/') ? '/admin/sign-in' : '/sign-in?notice=required';
}

/** Nest's exceptions and the errors of stores both have a status. */
function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const status = error instanceof Error && 'status' in error ? error.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500;
}

function messagesOf(error: unknown): string[] {
  const response = error instanceof HttpException ? error.getResponse() : undefined;
  const message = typeof response === 'object' && 'message' in response ? response.message : [];
  return [message].flat().map(String);
}
