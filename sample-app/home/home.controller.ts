import { Get } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PageController } from '../pages/page.controller.js';
import { homePage } from './home.page.js';

@PageController('')
export class HomeController {
  constructor(private readonly config: ConfigService) {}

  @Get()
  show() {
    return homePage(`http://localhost:${this.config.getOrThrow<string>('PORT')}`);
  }
}
