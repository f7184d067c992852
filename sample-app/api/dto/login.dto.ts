import { IsShortText } from './short-text.js';

export class LoginDto {
  @IsShortText()
  readonly user!: string;
}
