import { IsShortText } from './short-text.js';

export class PreferenceDto {
  @IsShortText()
  readonly value!: string;
}
