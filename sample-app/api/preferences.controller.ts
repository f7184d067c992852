import { Body, Controller, Put, UseGuards } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { PreferenceDto } from './dto/preference.dto.js';
import { LoggedInGuard } from '../auth/logged-in.guard.js';

/** Each preference is a property of its own, so that requests which change different ones both count. */
@Controller('preferences')
@UseGuards(LoggedInGuard)
export class PreferencesController {
  @Put('theme')
  theme(@Body() { value }: PreferenceDto, @Session() session: Session) {
    session.theme = value;
    return { theme: value };
  }

  @Put('language')
  language(@Body() { value }: PreferenceDto, @Session() session: Session) {
    session.language = value;
    return { language: value };
  }
}
