import {
  Controller,
  UseGuards,
  UseInterceptors,
  applyDecorators,
  type CanActivate,
  type Type,
} from '@nestjs/common';
import { CsrfGuard } from './csrf.js';
import { PageInterceptor } from './page.interceptor.js';

/** A controller whose handlers return a `Page` or redirect. `guards` come before the check of a form's token. */
export const PageController = (path: string, ...guards: Type<CanActivate>[]): ClassDecorator =>
  applyDecorators(Controller(path), UseGuards(...guards, CsrfGuard), UseInterceptors(PageInterceptor));
