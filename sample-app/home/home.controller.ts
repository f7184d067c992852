import { Controller, Get, Header } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { homePage } from './home.page.js';

@Controller()
export class HomeController {
  private readonly page: string;

  constructor(config: ConfigService) {
    this.page = homePage(`http://localhost:${config.getOrThrow<string>('PORT')}`);
  }

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  home(): string {
    return this.page;
  }
}
