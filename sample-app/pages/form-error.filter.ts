import {
  BadRequestException,
  Catch,
  mixin,
  type ArgumentsHost,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import type { Response } from 'express';
import { StaleFormException } from './csrf.js';

/** Leads back to a form that was wrong, with `problem=input`, or out of date, with `problem=stale`. */
export function backTo(path: string): Type<ExceptionFilter> {
  @Catch(BadRequestException, StaleFormException)
  class FormErrorFilter implements ExceptionFilter {
    catch(error: Error, host: ArgumentsHost): void {
      const problem = error instanceof StaleFormException ? 'stale' : 'input';
      host.switchToHttp().getResponse<Response>().redirect(303, `${path}?problem=${problem}`);
    }
  }
  return mixin(FormErrorFilter);
}
