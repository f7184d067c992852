import { Matches } from 'class-validator';
import { IsShortText } from '../api/dto/short-text.js';

/** The sign-in form. */
export class SignInDto {
  @IsShortText()
  // A name of blanks would leave nothing to see on a page.
  @Matches(/[^\s\p{C}]/u)
  readonly user!: string;
}
