import { applyDecorators } from '@nestjs/common';
import { IsString, Length, Matches } from 'class-validator';

/** A string of 1 to 64 characters; half of a surrogate pair is no character. */
export const IsShortText = (): PropertyDecorator =>
  applyDecorators(
    IsString(),
    Length(1, 64, { message: '$property must be 1 to 64 characters long' }),
    Matches(/^\P{Surrogate}*$/u, { message: '$property must be well-formed' }),
  );
