import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { EventsController } from './events.controller.js';
import { PageEvents } from './events.js';
import { PageFilter } from './page.filter.js';
import { RemainingController } from './remaining.controller.js';

/** What all pages share: the layout, errors, forms and events. */
@Module({
  controllers: [EventsController, RemainingController],
  providers: [PageEvents, { provide: APP_FILTER, useClass: PageFilter }],
  exports: [PageEvents],
})
export class PagesModule {}
