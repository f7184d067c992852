import { IsIn } from 'class-validator';
import { GREETINGS } from '../shop/greetings.js';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export class ThemeDto {
  @IsIn(THEMES)
  readonly theme!: Theme;
}

export class LanguageDto {
  @IsIn(Object.keys(GREETINGS))
  readonly language!: string;
}
